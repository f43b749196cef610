"""The disk under a store: an SQLite VFS, and the system calls of the photo log, that are written down and can fail.

SQLite and our own code go into one record, in the order in which the kernel would see them. Files that do not belong
to the store of the folder pass through unseen. Nothing waits for the real disk: a sync is only written down.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import apsw


@dataclass(frozen=True, slots=True)
class Event:
    """Something that reached the disk, or (`acknowledge`, `refuse`) a client.

    `kind` is create, delete, write, truncate, sync, sync-failed, sync-directory, acknowledge or refuse; `subject` is
    the number of a file, its path for create and delete, or the key of a request.
    """

    kind: str
    subject: int | str = 0
    offset: int = 0  # of a write; the length after a truncate; the number of a created file
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Call:
    """What is about to be asked of which file: open, read, write, sync, truncate, delete, size or lock."""

    name: str
    path: str


Fault: TypeAlias = Callable[[Call], BaseException | None]


def no_fault(_call: Call) -> None:
    """Let every call through."""


class RecordingDisk:
    """Stands under every store that is opened in a folder, until it is unregistered."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.events: list[Event] = []
        self.lock = threading.RLock()
        self.fault: Fault = no_fault
        self.writes_are_short = False  # what fails to be written is written by half
        self._files: dict[str, int] = {}
        self._made = 0
        self.calls = SystemCalls(self)
        self._vfs = _Vfs(self)

    def note(self, kind: str, subject: int | str = 0, offset: int = 0, content: bytes = b"") -> None:
        """Write an event down."""
        with self.lock:
            self.events.append(Event(kind, subject, offset, content))

    def is_watched(self, path: str) -> bool:
        """Tell whether a file belongs to a store of the folder."""
        return path.startswith(self.folder) and not path.endswith((".civil", ".civil-wal", ".civil-journal"))

    def opened(self, path: str) -> int:
        """Return the number of a file, a new one when it was not there."""
        with self.lock:
            if path not in self._files:
                self._made += 1
                self._files[path] = self._made
                self.note("create", path, self._made)
            return self._files[path]

    def deleted(self, path: str) -> None:
        """Take note that a name is gone."""
        if self._files.pop(path, None) is not None:
            self.note("delete", path)

    def ask(self, name: str, path: str) -> None:
        """Raise the fault that is due at this call, if one is."""
        fault = self.fault(Call(name, path))
        if fault is not None:
            raise fault

    def unregister(self) -> None:
        """Give the stores that are opened from now on the plain disk."""
        self._vfs.unregister()


class _Vfs(apsw.VFS):
    def __init__(self, disk: RecordingDisk) -> None:
        self._disk = disk
        super().__init__(f"recording-{id(disk)}", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = "" if name is None else name if isinstance(name, str) else name.filename()
        if not self._disk.is_watched(path):
            return _Unseen("unix", name, flags)
        self._disk.ask("open", path)
        return _File(self._disk, name, path, flags)

    def xDelete(self, path: str, sync_directory: bool) -> None:
        if not self._disk.is_watched(path):
            super().xDelete(path, sync_directory)
            return
        self._disk.ask("delete", path)
        with self._disk.lock:
            super().xDelete(path, sync_directory)
            self._disk.deleted(path)
            if sync_directory:
                self._disk.note("sync-directory")

    def excepthook(self, *_what: object) -> None:
        """Keep quiet about faults that SQLite has no way to hand on; they are ours."""


class _Unseen(apsw.VFSFile):
    def xSync(self, flags: int) -> None:
        """Do not wait."""


class _File(apsw.VFSFile):
    def __init__(self, disk: RecordingDisk, name: Any, path: str, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = path
        self._number = disk.opened(path)
        # as in SQLite's own: the first sync of a log that may have been created syncs its directory as well
        self._syncs_directory = path.endswith(("-wal", "-journal"))

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.ask("read", self._path)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        try:
            self._disk.ask("write", self._path)
        except apsw.Error:
            if self._disk.writes_are_short:
                self._write(data[: len(data) // 2], offset)
            raise
        self._write(data, offset)

    def xTruncate(self, size: int) -> None:
        self._disk.ask("truncate", self._path)
        with self._disk.lock:
            super().xTruncate(size)
            self._disk.note("truncate", self._number, size)

    def xSync(self, flags: int) -> None:
        try:
            self._disk.ask("sync", self._path)
        except apsw.Error:
            self._disk.note("sync-failed", self._number)
            raise
        with self._disk.lock:
            self._disk.note("sync", self._number)
            if self._syncs_directory:
                self._disk.note("sync-directory")
                self._syncs_directory = False

    def xFileSize(self) -> int:
        self._disk.ask("size", self._path)
        return super().xFileSize()

    def xLock(self, level: int) -> None:
        self._disk.ask("lock", self._path)
        super().xLock(level)

    def excepthook(self, *_what: object) -> None:
        """Keep quiet about faults that SQLite has no way to hand on; they are ours."""

    def _write(self, data: bytes, offset: int) -> None:
        with self._disk.lock:
            super().xWrite(data, offset)
            self._disk.note("write", self._number, offset, bytes(data))


MakeDisk: TypeAlias = Callable[[Path], RecordingDisk]


class SystemCalls:
    """Stands in for the module `os` in the photo log; calls that cannot change a file pass through."""

    def __init__(self, disk: RecordingDisk) -> None:
        self._disk = disk
        self._open: dict[int, tuple[str, int]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: str | Path, flags: int, mode: int = 0o777) -> int:
        text = str(path)
        if flags & os.O_CREAT and self._disk.is_watched(text):
            self._disk.ask("open", text)
            with self._disk.lock:
                descriptor = os.open(path, flags, mode)
                self._open[descriptor] = (text, self._disk.opened(text))
            return descriptor
        return os.open(path, flags, mode)

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        os.close(descriptor)

    def pwrite(self, descriptor: int, content: bytes | memoryview, offset: int) -> int:
        if descriptor not in self._open:
            return os.pwrite(descriptor, content, offset)
        path, number = self._open[descriptor]
        if self._disk.writes_are_short and len(content) > 1:
            content = content[: len(content) // 2]  # as the kernel may at any time
        self._disk.ask("write", path)
        with self._disk.lock:
            written = os.pwrite(descriptor, content, offset)
            self._disk.note("write", number, offset, bytes(content[:written]))
        return written

    def fdatasync(self, descriptor: int) -> None:
        if descriptor not in self._open:
            return
        path, number = self._open[descriptor]
        try:
            self._disk.ask("sync", path)
        except OSError:
            self._disk.note("sync-failed", number)
            raise
        self._disk.note("sync", number)

    def fsync(self, _descriptor: int) -> None:
        self._disk.note("sync-directory")  # the photo log uses it for nothing else


def io_error(call: Call) -> BaseException:
    """Return what a broken disk answers to a call."""
    if call.path.endswith(".photos"):
        return OSError(errno.EIO, os.strerror(errno.EIO))
    codes = {
        "open": apsw.SQLITE_CANTOPEN,
        "read": apsw.SQLITE_IOERR_READ,
        "write": apsw.SQLITE_IOERR_WRITE,
        "sync": apsw.SQLITE_IOERR_FSYNC,
        "truncate": apsw.SQLITE_IOERR_TRUNCATE,
        "delete": apsw.SQLITE_IOERR_DELETE,
        "size": apsw.SQLITE_IOERR_FSTAT,
        "lock": apsw.SQLITE_IOERR_LOCK,
    }
    return apsw.exception_for(codes[call.name])


def disk_full(call: Call) -> BaseException | None:
    """Return what a full disk answers to a call: no room to write, everything else as ever."""
    if call.name != "write":
        return None
    if call.path.endswith(".photos"):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return apsw.exception_for(apsw.SQLITE_FULL)
