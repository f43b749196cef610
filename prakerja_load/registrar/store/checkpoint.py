"""Moves the write-ahead log into the database without holding up the writer.

A background thread copies what the log holds when it starts; the little that was written meanwhile is copied after
the next commit, so that the log starts over instead of growing for as long as the load lasts.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import apsw

LOG_PAGES = 16_384  # 64 MiB of 4-KiB pages


class Checkpointer:
    """Watches the length of the log; `after_commit` is called in the commit thread."""

    def __init__(self, path: Path, writer: apsw.Connection) -> None:
        self._path = path
        self._writer = writer
        self._pages = 0
        self._background: threading.Thread | None = None
        writer.set_wal_hook(self._note)

    def after_commit(self) -> None:
        """Begin or finish a checkpoint when one is due; after a failure the log still holds everything."""
        if self._background is not None:
            if not self._background.is_alive():
                self._background = None
                with contextlib.suppress(apsw.Error):
                    self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        elif self._pages >= LOG_PAGES:
            self._background = threading.Thread(target=self._copy, name="checkpoint", daemon=True)
            self._background.start()

    def close(self) -> None:
        """Copy everything and empty the log; after a failure the log still holds everything."""
        if self._background is not None:
            self._background.join()
        with contextlib.suppress(apsw.Error):
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _note(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def _copy(self) -> None:
        with contextlib.suppress(apsw.Error):
            connection = apsw.Connection(str(self._path))
            try:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            finally:
                connection.close()
