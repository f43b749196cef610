"""The embedded store: one SQLite file with its photographs, one writer, readers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import apsw

from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.store import sqlite
from prakerja_load.registrar.store.bulk import BulkImport
from prakerja_load.registrar.store.checkpoint import Checkpointer
from prakerja_load.registrar.store.export import export
from prakerja_load.registrar.store.loader import EmbeddedLoader
from prakerja_load.registrar.store.lookups import Lookups
from prakerja_load.registrar.store.photo_log import PhotoLog
from prakerja_load.registrar.store.transaction import ReplyKey, Transaction
from prakerja_load.registrar.store.writer import Observer, Writer

_REMEMBERED: tuple[Callable[..., Any], ...] = (
    Lookups.wave_page,
    Lookups.pending_identities,
)  # their rows are read once a commit
T = TypeVar("T")
P = ParamSpec("P")


class EmbeddedStore:
    """Writes in groups through one connection; reads through another what is committed, or with a group."""

    kind = "sqlite"

    def __init__(self, path: Path, observer: Observer, *, has_family_limit: bool = False) -> None:
        self._path = path
        self._photos = PhotoLog(path.with_name(path.name + ".photos"))
        self._connection = sqlite.open_writer(path)
        if has_family_limit:
            self._connection.execute("CREATE INDEX IF NOT EXISTS identities_kk ON identities (kk)").fetchall()
        self._checkpointer = Checkpointer(path, self._connection)
        self.token_key = bytes(sqlite.settings_of(self._connection)["token_key"])
        self.journal, self.synchronous = sqlite.durability_of(self._connection)
        self.writer = Writer(self._connection, self._photos, observer)
        self.writer.after_commit = self._checkpointer.after_commit
        self._reader = sqlite.open_reader(path)
        self._ask = self._reader.cursor().execute
        self._answers: dict[str, list[Any]] = {}  # to questions without a parameter, since the last commit
        self._answered_at = self.writer.commits
        self.lookups = Lookups(self._rows)
        self._lookups_of_writer = Lookups(self.writer.rows)

    @property
    def depth(self) -> int:
        """Return the number of writes that are not acknowledged yet."""
        return self.writer.depth

    def submit(self, operation: Callable[[Transaction], T], _key: ReplyKey | None = None) -> asyncio.Future[T]:
        """Run an operation in the current or next group; the future resolves when it is durable."""
        return self.writer.submit(operation)

    async def read(self, query: Callable[Concatenate[Lookups, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer a question about what is committed.

        Every commit empties the reader's page cache. A question therefore goes through the writer's warm one: at once
        while no group is under way, else as part of it. Then its answer may rest on rows of the group, and is given
        when they are durable. Should they fail to become so, or take long over it, the reader is asked.
        """
        if query in _REMEMBERED:
            return query(self.lookups, *args, **kwargs)
        if self.writer.is_free:
            return query(self._lookups_of_writer, *args, **kwargs)
        if self.writer.is_busy:
            try:
                return await self.writer.ask(lambda _: query(self._lookups_of_writer, *args, **kwargs))
            except RefusalError:  # the questions have no refusals of their own
                pass
        return query(self.lookups, *args, **kwargs)

    def _rows(self, statement: str, bindings: tuple[Any, ...]) -> list[Any]:
        if bindings:
            return self._ask(statement, bindings).fetchall()
        if self._answered_at != self.writer.commits:  # nobody else writes to this store
            self._answered_at = self.writer.commits
            self._answers.clear()
        rows = self._answers.get(statement)
        if rows is None:
            rows = self._answers[statement] = self._ask(statement).fetchall()
        return rows

    async def position(self) -> int:
        """Return a number such that `export` of it gives everything written from now on."""

        def operation(transaction: Transaction) -> int:
            transaction.epoch += 1
            transaction.execute("UPDATE settings SET value = ? WHERE name = 'epoch'", (transaction.epoch,))
            return transaction.epoch

        return await self.writer.submit(operation)

    async def begin_import(self, password: str, *, is_large: bool, is_lab: bool) -> BulkImport:
        """Return an import that has the writer's connection to itself until `end_import`."""
        connection = await self.writer.acquire()
        try:
            return BulkImport(EmbeddedLoader(connection), password, is_large=is_large, is_lab=is_lab)
        except BaseException:
            self.writer.release()
            raise

    def end_import(self) -> None:
        """Give the connection back to the journeys' writes."""
        self.writer.release()

    def export(self, after: int) -> Iterator[bytes]:
        """Return the blocks of an export; they may be drawn in any thread."""
        return export(self._snapshot, after)

    async def close(self) -> None:
        """Commit what was submitted, empty the log into the database and close it."""
        await self.writer.close()
        self._checkpointer.close()
        self._reader.close()
        self._connection.close()
        self._photos.close()

    def _snapshot(self) -> _Snapshot:
        return _Snapshot(sqlite.open_reader(self._path), self._photos)


class _Snapshot:
    def __init__(self, connection: apsw.Connection, photos: PhotoLog) -> None:
        self._connection = connection
        self._connection.execute("BEGIN")
        self.picture = photos.read

    def rows(self, query: str, bindings: tuple[Any, ...] = ()) -> Iterator[Any]:
        return iter(self._connection.execute(query, bindings))

    def close(self) -> None:
        self._connection.close(True)
