"""The controller's side of evidence that comes from other hosts: parcels, appended to a worker's files in their order.

What is acknowledged lies in the file; a worker repeats what is not. The parcels of all kinds are one sequence, so that
on this disk, as on the worker's own, no arrival is closed before its samples and no fate stands without its intent.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path

from prakerja_load.driver.message import Parcel
from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import Kind
from prakerja_load.evidence.run_directory import worker_path


class Shelf:
    """The files of one worker; `awaited` is the number of the next parcel."""

    def __init__(self, folder: Path) -> None:
        self.awaited = 0
        self.damaged = 0  # parcels whose content was not what their checksum says
        self._sums = {int(kind): (0, 0) for kind in Kind}
        try:
            folder.mkdir(parents=True)
            self._files = {int(kind): (folder / kind.file_name).open("xb", buffering=0) for kind in Kind}
        except OSError as refusal:
            raise EvidenceError(f"cannot write {folder}: {refusal.strerror}") from refusal

    def take(self, parcel: Parcel) -> None:
        """Append a parcel when it is the next and undamaged; raises EvidenceError when the disk refuses it."""
        if parcel.number != self.awaited:
            return
        if parcel.kind not in self._files or zlib.crc32(parcel.content) != parcel.checksum:
            self.damaged += 1
            return
        length, checksum = self._sums[parcel.kind]
        file = self._files[parcel.kind]
        try:
            written = 0
            while written < len(parcel.content):
                written += file.write(parcel.content[written:])
        except OSError as refusal:
            file.truncate(length)
            raise EvidenceError(f"cannot write {file.name}: {refusal.strerror}") from refusal
        self._sums[parcel.kind] = (length + len(parcel.content), zlib.crc32(parcel.content, checksum))
        self.awaited += 1

    def holds(self, shipped: Iterable[tuple[int, int, int]]) -> bool:
        """Tell whether exactly these (kind, bytes, CRC-32) lie here."""
        return {kind: (length, checksum) for kind, length, checksum in shipped} == {
            kind: found for kind, found in self._sums.items() if found[0]
        }

    def close(self) -> None:
        """Force everything onto the disk; raises EvidenceError when that fails, and closing twice is harmless."""
        for file in self._files.values():
            if not file.closed:
                try:
                    os.fsync(file.fileno())
                except OSError as refusal:
                    raise EvidenceError(f"cannot sync {file.name}: {refusal.strerror}") from refusal
                finally:
                    file.close()


class Archive:
    """The shelves of all workers of one ramp."""

    def __init__(self, ramp: Path) -> None:
        self._ramp = ramp
        self._shelves: dict[int, Shelf] = {}

    def of(self, worker: int) -> Shelf:
        """Return a worker's shelf; raises EvidenceError when it cannot be made."""
        if worker not in self._shelves:
            self._shelves[worker] = Shelf(worker_path(self._ramp, worker))
        return self._shelves[worker]

    @property
    def damaged(self) -> int:
        """Return how many parcels were refused because they were damaged."""
        return sum(shelf.damaged for shelf in self._shelves.values())

    def close(self) -> None:
        """Force everything onto the disk."""
        for shelf in self._shelves.values():
            shelf.close()
