"""The thread in which groups are committed, so that the event loop goes on while the disk works."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import apsw

from prakerja_load.registrar.store.photo_log import PhotoLog


class CommitThread:
    """Runs one job at a time and reports its fault, or None, through a callback called in this thread."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], Callable[[BaseException | None], None]] | None]
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="commit", daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], None], report: Callable[[BaseException | None], None]) -> None:
        """Hand a job over."""
        self._jobs.put((job, report))

    def close(self) -> None:
        """Finish what was handed over and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, report = item
            fault: BaseException | None = None
            try:
                job()
            except Exception as error:
                fault = error
            report(fault)


class Committer:
    """Makes an open transaction durable: the pictures first, then the rows that point to them."""

    def __init__(self, connection: apsw.Connection, photos: PhotoLog) -> None:
        self._connection = connection
        self._photos = photos
        self._cursor = connection.cursor()

    def __call__(self) -> None:
        try:
            self._photos.flush()
            self._cursor.execute("COMMIT")
        except Exception:
            self.give_up()
            raise

    def give_up(self) -> None:
        """Roll back whatever is open."""
        self._photos.forget()
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")
