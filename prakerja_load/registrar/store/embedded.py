"""The embedded store: one SQLite file with its photographs, one writer, readers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from prakerja_load.registrar.idempotency import Effect, Write, once
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.store import sqlite
from prakerja_load.registrar.store.bulk import BulkImport
from prakerja_load.registrar.store.checkpoint import Checkpointer
from prakerja_load.registrar.store.export import export
from prakerja_load.registrar.store.lookups import Lookups
from prakerja_load.registrar.store.photo_log import PhotoLog
from prakerja_load.registrar.store.writer import Observer, Transaction, Writer

T = TypeVar("T")
Wrapper = Callable[[Callable[[Transaction], Reply]], Callable[[Transaction], Reply]]


class EmbeddedStore:
    """Writes in groups through one connection, reads committed rows through another."""

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
        self.lookups = Lookups(sqlite.open_reader(path))

    def write(self, write: Write, effect: Effect) -> asyncio.Future[Reply]:
        """Have an effect once under its idempotency key; the future resolves when it is durable."""
        return self.writer.submit(once(write, effect))

    async def position(self) -> int:
        """Return a number such that `export` of it gives everything written from now on."""

        def operation(transaction: Transaction) -> int:
            transaction.epoch += 1
            transaction.execute("UPDATE settings SET value = ? WHERE name = 'epoch'", (transaction.epoch,))
            return transaction.epoch

        return await self.writer.submit(operation)

    async def open_wave(
        self, name: str, quota: int, opens_at: float | None, closes_at: float | None, now: float
    ) -> int:
        """Open a new current wave, close the one before, and return its number."""

        def operation(transaction: Transaction) -> int:
            transaction.execute(
                "UPDATE waves SET closes_at = ?1 WHERE wave = (SELECT max(wave) FROM waves)"
                " AND (closes_at IS NULL OR closes_at > ?1)",
                (now,),
            )
            transaction.execute(
                "INSERT INTO waves (name, quota, joined, opens_at, closes_at) VALUES (?, ?, 0, ?, ?)",
                (name, quota, opens_at, closes_at),
            )
            return int(transaction.connection.last_insert_rowid())

        return await self.writer.submit(operation)

    def has_wave(self) -> bool:
        """Tell whether there has ever been a wave."""
        return self.lookups.first("SELECT 1 FROM waves LIMIT 1") is not None

    async def begin_import(self, password: str, *, is_large: bool, is_lab: bool) -> BulkImport:
        """Return an import that has the writer's connection to itself until `end_import`."""
        connection = await self.writer.acquire()
        try:
            return BulkImport(connection, password, is_large=is_large, is_lab=is_lab)
        except BaseException:
            self.writer.release()
            raise

    def end_import(self) -> None:
        """Give the connection back to the journeys' writes."""
        self.writer.release()

    def export(self, after: int) -> Iterator[bytes]:
        """Return the blocks of an export; they may be drawn in any thread."""
        return export(self._path, after, self._photos.read)

    async def close(self) -> None:
        """Commit what was submitted, empty the log into the database and close it."""
        await self.writer.close()
        self._checkpointer.close()
        self.lookups.close()
        self._connection.close()
        self._photos.close()
