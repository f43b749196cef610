"""The store on a PostgreSQL server: several registrars may work on one database at once."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout

from prakerja_load.registrar.store import postgresql
from prakerja_load.registrar.store.bulk import BulkImport, Start, conflict_over
from prakerja_load.registrar.store.export import export
from prakerja_load.registrar.store.lookups import Lookups
from prakerja_load.registrar.store.postgresql import LOCK, Connection, answered, borrowed, commit, rows_of
from prakerja_load.registrar.store.server_writer import ServerWriter
from prakerja_load.registrar.store.transaction import ReplyKey, Transaction
from prakerja_load.registrar.store.writer import Observer
from prakerja_load.units import Seconds

T = TypeVar("T")
P = ParamSpec("P")
_READERS = 4
_SWITCH: Seconds = 0.0005  # a thread back from the server waits that long for Python at most; the usual 5 ms add up
_FETCH = 2_000  # rows at a time of an export


class ServerStore:
    """Writes in groups and reads through a pool of connections, in threads."""

    def __init__(self, url: str, observer: Observer, *, allows_unsafe: bool, has_family_limit: bool = False) -> None:
        postgresql.prepare(url)
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            if not allows_unsafe:
                postgresql.refuse_unsafe(connection)
            if has_family_limit:
                connection.execute("CREATE INDEX IF NOT EXISTS identities_kk ON identities (kk)")
            fsync, synchronous, version = postgresql.settings_of(connection)
            ((key,),) = rows_of(connection, "SELECT value FROM secrets WHERE name = 'token_key'")
        self.token_key = bytes(key)
        self.kind = f"postgresql {version}"
        self.journal = "wal"
        self.synchronous = synchronous if fsync == "on" else f"{synchronous}, fsync {fsync}"
        sys.setswitchinterval(_SWITCH)
        self._pool = postgresql.open_pool(url, allows_unsafe=allows_unsafe)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")
        self._import: Connection | None = None
        self.writer = ServerWriter(self._pool, observer)

    @property
    def depth(self) -> int:
        """Return the number of writes that are not acknowledged yet."""
        return self.writer.depth

    def submit(self, operation: Callable[[Transaction], T], key: ReplyKey | None = None) -> asyncio.Future[T]:
        """Run an operation in the next group; the future resolves when it is durable."""
        return self.writer.submit(operation, key)

    async def read(self, query: Callable[Concatenate[Lookups, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer a question about what is committed."""
        return await self._in_thread(partial(self._read, lambda lookups: query(lookups, *args, **kwargs)))

    async def position(self) -> int:
        """Return a number such that `export` of it gives everything written from now on.

        It waits for every group under way, of other registrars too, since they write what belongs before it.
        """
        return await self._in_thread(self._next_epoch)

    async def begin_import(self, password: str, *, is_large: bool, is_lab: bool) -> BulkImport:
        """Return an import during which nobody else writes, until `end_import`."""
        await self.writer.acquire()
        beginning = asyncio.get_running_loop().run_in_executor(
            self._readers, lambda: BulkImport(self._loader(), password, is_large=is_large, is_lab=is_lab)
        )
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(self._end_unwanted)  # until then the thread works with the connection
            raise
        except BaseException:
            self.end_import()
            raise

    def end_import(self) -> None:
        """Give the connection back and let the journeys write again."""
        if self._import is not None:
            self._pool.putconn(self._import)  # which rolls back what is left open
            self._import = None
        self.writer.release()

    def _end_unwanted(self, beginning: asyncio.Future[BulkImport]) -> None:
        beginning.exception()  # of no interest: nobody waits for the import
        self.end_import()

    def export(self, after: int) -> Iterator[bytes]:
        """Return the blocks of an export; they may be drawn in any thread."""
        return export(lambda: _Snapshot(self._pool), after)

    async def close(self) -> None:
        """Commit what was submitted and close the connections."""
        await self.writer.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._readers.shutdown)
        await loop.run_in_executor(None, self._pool.close)

    async def _in_thread(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, job)

    def _read(self, query: Callable[[Lookups], T]) -> T:
        with answered():
            try:
                return self._read_once(query)
            except PoolTimeout:
                raise
            except psycopg.OperationalError:  # the server went away meanwhile; a question can be repeated
                return self._read_once(query)

    def _read_once(self, query: Callable[[Lookups], T]) -> T:
        with borrowed(self._pool) as connection:
            return query(Lookups(partial(rows_of, connection)))

    def _next_epoch(self) -> int:
        with answered(), borrowed(self._pool) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            update = "UPDATE settings SET value = value + 1 WHERE name = 'epoch' RETURNING value"
            ((epoch,),) = rows_of(connection, update)
            commit(connection)
        return int(epoch)

    def _loader(self) -> ServerLoader:
        with answered():
            self._import = self._pool.getconn()
        return ServerLoader(self._import)


class ServerLoader:
    """Loads an import with COPY; indexes stay, for to drop one would lock out those who read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_large = False

    def begin(self, password: str, *, is_large: bool) -> Start:
        """Open the transaction, keep other writers out and note the import."""
        self._is_large = is_large
        with answered():
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            ((number,),) = rows_of(
                self._connection, "INSERT INTO imports (password, count) VALUES (?, 0) RETURNING import", (password,)
            )
            ((before, last),) = rows_of(self._connection, "SELECT count(*), coalesce(max(account), 0) FROM accounts")
        return Start(int(number), int(before), int(last))

    def load(self, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Copy rows; raises RefusalError when one breaks a uniqueness rule."""
        names = ", ".join(columns)
        try:
            with self._connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
        except errors.UniqueViolation as fault:
            raise conflict_over(fault.diag.constraint_name or "") from fault
        except psycopg.Error as fault:
            raise postgresql.refusal_of(fault) from fault

    def commit(self, number: int, count: int) -> None:
        """Make everything durable; accounts made from here on are numbered after the imported ones."""
        with answered():
            self._connection.execute("UPDATE imports SET count = %s WHERE import = %s", (count, number))
            self._connection.execute(
                "SELECT setval(pg_get_serial_sequence('accounts', 'account'), greatest(max(account), 1),"
                " max(account) IS NOT NULL) FROM accounts"
            )
            commit(self._connection)
            if self._is_large:
                self._connection.execute("ANALYZE")

    def give_up(self) -> None:
        """Leave the store as it was before the import."""
        with contextlib.suppress(psycopg.Error):
            if self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self._connection.execute("ROLLBACK")


class _Snapshot:
    def __init__(self, pool: postgresql.Pool) -> None:
        self._pool = pool
        with answered():
            self._connection = pool.getconn()
            try:
                self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            except psycopg.Error:
                pool.putconn(self._connection)
                raise

    def rows(self, query: str, bindings: tuple[Any, ...] = ()) -> Iterator[Any]:
        with answered(), self._connection.cursor(name="export") as cursor:
            cursor.itersize = _FETCH
            cursor.execute(postgresql.translated(query), bindings)
            yield from cursor

    def picture(self, position: int, size: int) -> bytes:
        with answered():
            found = rows_of(self._connection, "SELECT content FROM pictures WHERE picture = ?", (position,))
        return bytes(found[0][0])[:size]

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.execute("ROLLBACK")
        self._pool.putconn(self._connection)
