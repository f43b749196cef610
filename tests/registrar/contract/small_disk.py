"""A small file system of its own for a database server: it can be filled to the last byte and emptied again.

It is a tmpfs in a mount namespace that ends with its holder, so nothing of it is left behind however a test ends.
"""

from __future__ import annotations

import errno
import subprocess
from io import FileIO
from pathlib import Path

import pytest

_MOUNT = 'mount -t tmpfs -o "size=$1m,mode=0777" disk "$0" && echo mounted && exec cat'
_BLOCK = bytes(64 * 1024)


class SmallDisk:
    """`size` MiB at `folder`, seen by what is started with the words of `inside` before its command."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        folder.mkdir()
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNT, folder, str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"mounted\n":
            self.remove()
            raise OSError(errno.EPERM, "no file system can be mounted", str(folder))
        self.inside = ["nsenter", "--mount", f"--target={self._holder.pid}"]
        self._ballast = Path(f"/proc/{self._holder.pid}/root{folder}/ballast")

    def fill(self) -> None:
        """Leave no room at all."""
        for block in (_BLOCK, b"\0"):
            with self._ballast.open("ab", buffering=0) as ballast, pytest.raises(OSError, match="No space left"):
                _write_on(ballast, block)

    def empty(self) -> None:
        """Take away what `fill` put there."""
        self._ballast.unlink()

    def remove(self) -> None:
        """Let go of the file system; it ends with the last process that works on it."""
        self._holder.communicate()


def _write_on(ballast: FileIO, block: bytes) -> None:
    while ballast.write(block):
        pass
