"""Opening PostgreSQL so that an acknowledged write survives: durable settings, numbered migrations, a pool."""

from __future__ import annotations

import contextlib
import functools
import re
import select
from collections.abc import Iterator
from importlib import resources
from typing import Any, TypeAlias

import psycopg
from psycopg import errors
from psycopg_pool import ConnectionPool, PoolTimeout

from prakerja_load.errors import UsageError
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.store.address import Address
from prakerja_load.units import Seconds

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

LOCK = 1_347_047_248  # the advisory lock: shared by groups of writes, exclusive for imports, positions, migrations
_CONNECTIONS = 12
_PATIENCE: Seconds = 3.0  # for a connection of the pool
_IMPATIENCE: Seconds = 0.25  # the same, once somebody has waited in vain: whoever is to be refused is refused soon
_PATIENCE_AT_START = 5  # seconds, for the first connection; libpq takes whole ones
_OPENING: Seconds = 10.0  # for those that a pool has from the start
_SESSION = "SET lock_timeout = '2s'"  # the answer is then "come back", as it is when SQLite is busy
_SETTINGS = "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_version')"
_BUSY = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
_FULL = (errors.DiskFull, errors.ConfigurationLimitExceeded)
_HINT = re.compile(r"/\* (FOR UPDATE[^*]*) \*/")


class Pool(ConnectionPool[Connection]):
    """A pool that lends no connection which the server has ended, and lets nobody wait long when it can make none."""

    _is_dry = False

    def getconn(self, timeout: Seconds | None = None) -> Connection:
        """Lend a connection; raises PoolTimeout when there is none."""
        while True:
            try:
                connection = super().getconn(_IMPATIENCE if self._is_dry else timeout)
            except PoolTimeout:
                self._is_dry = True
                raise
            self._is_dry = False
            if not _is_ended(connection):
                return connection
            connection.close()
            self.putconn(connection)  # which makes another in its place


def _is_ended(connection: Connection) -> bool:
    """Tell whether the server has something to say to a connection at rest: that it is over, before all."""
    if connection.closed:
        return True
    ear = select.poll()
    ear.register(connection.pgconn.socket, select.POLLIN)
    return bool(ear.poll(0))


@functools.cache
def translated(statement: str) -> str:
    """Return a statement of both databases as PostgreSQL's driver takes it."""
    return _HINT.sub(r"\1", statement).replace("CROSS JOIN", "JOIN").replace("?", "%s")


def rows_of(connection: Connection, statement: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
    """Return every row of a query."""
    return connection.execute(translated(statement), bindings).fetchall()


def settings_of(connection: Connection) -> tuple[str, str, str]:
    """Return fsync, synchronous_commit and the server's version."""
    fsync, synchronous, version = connection.execute(_SETTINGS).fetchone() or ("", "", "")
    return str(fsync), str(synchronous), str(version)


def refuse_unsafe(connection: Connection) -> None:
    """Raise UsageError when the server is set so that it can lose what it has acknowledged."""
    fsync, synchronous, _ = settings_of(connection)
    if fsync == "off" or synchronous == "off":
        raise UsageError(
            f"--database: got fsync={fsync}, synchronous_commit={synchronous}; allowed: neither off, "
            "unless --unsafe-database is given, for acknowledged registrations can be lost"
        )


@contextlib.contextmanager
def opening(url: str) -> Iterator[None]:
    """Turn what a database cannot be opened with into a UsageError that shows no password."""
    try:
        yield
    except (psycopg.Error, UnicodeError) as error:
        shown = Address(url=url)
        reason = shown.without_secrets(" ".join(str(error).split()) or type(error).__name__)
        raise UsageError(f"--database: cannot open {shown}: {reason}") from error


def prepare(url: str) -> None:
    """Reach the database and bring its schema up to date."""
    with psycopg.connect(url, autocommit=True, connect_timeout=_PATIENCE_AT_START) as connection:
        migrate(connection)


def migrate(connection: Connection) -> None:
    """Bring the schema to the newest version: the numbered files, all in one transaction, forward only."""
    folder = resources.files(__package__) / "migrations" / "postgresql"
    files = {int(file.name[:4]): file for file in folder.iterdir() if file.name.endswith(".sql")}
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))  # another registrar may be starting too
        connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)")
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        version = (row[0] if row else None) or 0
        if version > max(files):
            raise UsageError(f"the database has schema version {version}, this program knows up to {max(files)}")
        for number in sorted(files):
            if number > version:
                connection.execute(files[number].read_bytes())
                connection.execute("INSERT INTO schema_version VALUES (%s)", (number,))


def open_pool(url: str, *, allows_unsafe: bool) -> Pool:
    """Return a pool that makes new connections when the server comes back; each is checked to be durable."""

    def configure(connection: Connection) -> None:
        connection.execute(_SESSION)
        if not allows_unsafe:
            refuse_unsafe(connection)

    pool = Pool(
        url,
        min_size=2,
        max_size=_CONNECTIONS,
        timeout=_PATIENCE,
        reconnect_timeout=2,  # then the next request tries again: no pause longer than the server's own
        kwargs={
            "autocommit": True,
            "connect_timeout": 3,
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 5,  # a host that went silent after it took a COMMIT is noticed in eleven seconds
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "prepare_threshold": 1,
        },
        configure=configure,
        open=False,
        name="registrar",
    )
    try:
        pool.open(wait=True, timeout=_OPENING)
    except BaseException:
        pool.close()
        raise
    return pool


def refusal_of(fault: psycopg.Error) -> RefusalError:
    """Return the answer to a request that the database failed: 507 when there is no room, else 503."""
    if isinstance(fault, _FULL):
        return RefusalError("store-full")
    if isinstance(fault, _BUSY):
        return RefusalError("store-busy", retry_after=1)
    return RefusalError("store-unavailable", retry_after=5)


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """Turn what the database fails with into an answer."""
    try:
        yield
    except psycopg.Error as fault:
        raise refusal_of(fault) from fault


@contextlib.contextmanager
def borrowed(pool: Pool) -> Iterator[Connection]:
    """Lend a connection; whatever is left open on it is rolled back, never committed."""
    connection = pool.getconn()
    try:
        yield connection
    finally:
        with contextlib.suppress(psycopg.Error):
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
        pool.putconn(connection)


def commit(connection: Connection) -> None:
    """Commit; raises psycopg.Error unless the server says that it has: it answers ROLLBACK where something failed."""
    if connection.execute("COMMIT").statusmessage != "COMMIT":
        raise errors.InFailedSqlTransaction("the transaction had failed")
