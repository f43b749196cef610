"""Append-only segments of records: every complete frame is believed, a torn tail is reported and never accepted.

A segment file is a sequence of frames, little-endian:

    magic "PLSG" | kind u8 | count u32 | CRC-32 u32 of (kind, count, payload) | payload = count records

A frame is appended by one write, so a process killed at any moment leaves complete frames and at most one torn tail.
"""

from __future__ import annotations

import enum
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.sample import ARRIVAL, LEDGER, SAMPLE, VITAL

MAGIC = b"PLSG"
_HEADER = struct.Struct("<4sBII")
_CHECKED = struct.Struct("<BI")
_LARGEST_FRAME = 64 * 1024 * 1024  # bytes of payload

Records: TypeAlias = NDArray[Any]
_Bytes: TypeAlias = bytes | memoryview | mmap.mmap
Wanted: TypeAlias = Callable[[Records], NDArray[np.bool_]]


class Kind(enum.IntEnum):
    """What the records of a segment are."""

    SAMPLES = 1
    ARRIVALS = 2
    LEDGER = 3
    VITALS = 4

    @property
    def file_name(self) -> str:
        """Return the name of this kind's segment inside a worker's folder."""
        return f"{self.name.lower()}.seg"


DTYPES: Mapping[Kind, np.dtype[Any]] = {
    Kind.SAMPLES: SAMPLE,
    Kind.ARRIVALS: ARRIVAL,
    Kind.LEDGER: LEDGER,
    Kind.VITALS: VITAL,
}


@dataclass(frozen=True)
class Segment:
    """The records of one segment file, and whether bytes that are no complete frame follow them."""

    records: Records
    frames: int
    is_torn: bool


def frame(kind: Kind, records: Records) -> bytes:
    """Return one frame; raises EvidenceError when the records are not of this kind."""
    if records.dtype != DTYPES[kind]:
        raise EvidenceError(f"a {kind.name.lower()} segment holds no records of {records.dtype}")
    payload = records.tobytes()
    if len(payload) > _LARGEST_FRAME:
        raise EvidenceError(f"a frame holds at most {_LARGEST_FRAME} bytes, got {len(payload)}")
    return _HEADER.pack(MAGIC, kind, records.size, _checksum(kind, records.size, payload)) + payload


def _checksum(kind: int, count: int, payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(_CHECKED.pack(kind, count)))


class SegmentWriter:
    """Appends frames of one kind to one file; raises EvidenceError when the disk refuses.

    After a refused write the file is cut back to its last complete frame, so that what was written stays readable.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self.kind = kind
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and read_segment(path, kind).is_torn:
                raise EvidenceError(f"{path} ends in a torn frame; it is evidence and is not appended to")
            self._file = path.open("ab", buffering=0)
        except OSError as refusal:
            raise EvidenceError(f"cannot write {path}: {refusal.strerror}") from refusal
        self._length = self._file.seek(0, os.SEEK_END)

    def append(self, records: Records) -> None:
        """Write the records as frames; an empty array writes nothing."""
        most = max(1, _LARGEST_FRAME // records.dtype.itemsize)
        for start in range(0, records.size, most):
            self._write(frame(self.kind, records[start : start + most]))

    def _write(self, block: bytes) -> None:
        try:
            written = self._file.write(block)
            while written < len(block):
                written += self._file.write(block[written:])
        except OSError as refusal:
            self._file.truncate(self._length)
            raise EvidenceError(f"cannot write {self.path}: {refusal.strerror}") from refusal
        self._length += len(block)

    def sync(self) -> None:
        """Force what was appended onto the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and close; closing twice is harmless."""
        if not self._file.closed:
            self.sync()
            self._file.close()

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def read_segment(path: Path, kind: Kind, wanted: Wanted | None = None) -> Segment:
    """Return every complete frame up to the first bad byte; raises EvidenceError when the file cannot be read.

    `wanted` says of the records of one frame which are kept, so that a part of a large segment needs little memory.
    """
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return Segment(np.empty(0, DTYPES[kind]), 0, False)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return parse_segment(content, kind, wanted)
    except OSError as refusal:
        raise EvidenceError(f"cannot read {path}: {refusal.strerror}") from refusal


def nothing(records: Records) -> NDArray[np.bool_]:
    """Keep no record: for who asks only whether a segment is whole."""
    return np.zeros(records.size, np.bool_)


def parse_segment(content: _Bytes, kind: Kind, wanted: Wanted | None = None) -> Segment:
    """Return the segment that these bytes hold; the records are a copy."""
    dtype = DTYPES[kind]
    spans: list[tuple[int, int]] = []
    at = 0
    while (count := _count_of_frame(content, at, kind)) is not None:
        at += _HEADER.size
        spans.append((at, count))
        at += count * dtype.itemsize
    if wanted is not None:
        kept = [_kept(np.frombuffer(content, dtype, count, offset), wanted) for offset, count in spans]
        return Segment(np.concatenate([np.empty(0, dtype), *kept]), len(spans), at < len(content))
    records = np.empty(sum(count for _, count in spans), dtype)
    filled = 0
    for offset, count in spans:
        records[filled : filled + count] = np.frombuffer(content, dtype, count, offset)
        filled += count
    return Segment(records, len(spans), at < len(content))


def _kept(records: Records, wanted: Wanted) -> Records:
    return records[wanted(records)]


def _count_of_frame(content: _Bytes, at: int, kind: Kind) -> int | None:
    """Return the number of records of the complete, intact frame at this offset, or None when there is none."""
    if at + _HEADER.size > len(content):
        return None
    magic, found, count, checksum = _HEADER.unpack_from(content, at)
    stop = at + _HEADER.size + count * DTYPES[kind].itemsize
    if magic != MAGIC or found != kind or stop > len(content):
        return None
    with memoryview(content) as view, view[at + _HEADER.size : stop] as payload:
        return count if _checksum(found, count, payload) == checksum else None
