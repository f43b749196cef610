"""Photographs in one append-only file beside the database, made durable before the rows that point into it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from prakerja_load.errors import UsageError


class PhotoLog:
    """Collects the pictures of one group of writes; `flush` puts them on disk.

    A picture's position is fixed when it is added. Pictures of a group that is given up are overwritten by the next.
    The file is locked for this process: positions allow only one owner. Raises UsageError when there is another.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise UsageError(f"{path} belongs to another registrar that is running") from error
        try:
            _sync_name(path)
        except OSError:
            os.close(self._file)
            raise
        self._end = os.fstat(self._file).st_size
        self._added: list[bytes] = []
        self._added_size = 0

    def add(self, picture: bytes) -> int:
        """Take a picture into the current group and return its position in bytes."""
        position = self._end + self._added_size
        self._added.append(picture)
        self._added_size += len(picture)
        return position

    def forget(self) -> None:
        """Give up the pictures of the current group."""
        self._added.clear()
        self._added_size = 0

    def flush(self) -> None:
        """Write the group and wait until the disk has it; raises OSError and keeps the old end when it does not."""
        if not self._added:
            return
        content = b"".join(self._added)
        written = 0
        while written < len(content):
            written += os.pwrite(self._file, memoryview(content)[written:], self._end + written)
        os.fdatasync(self._file)
        self._end += len(content)
        self.forget()

    def read(self, position: int, size: int) -> bytes:
        """Return a stored picture."""
        return os.pread(self._file, size, position)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _sync_name(path: Path) -> None:
    """Wait until the disk has the file's name, without which what is synced into it is lost with it."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
