"""Opening SQLite so that an acknowledged write survives: WAL, synchronous FULL, numbered migrations."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import apsw

from prakerja_load.errors import UsageError

_SQLITE_FIXED = 3_051_003  # the WAL-reset corruption bug was fixed in 3.51.3
_WRITER_CACHE_KIB = 262_144  # holds the inner and most leaf pages of three unique indexes over 2 000 000 registrants
_STATEMENTS = 512  # kept prepared; apsw puts each behind the last, so one of 100 is gone after 99 others
_READER_CACHE_KIB = 8_192  # another connection's commit empties it anyway
_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 0",
    f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}",
)


def open_writer(path: Path) -> apsw.Connection:
    """Return the one connection that writes, its schema brought up to date."""
    if apsw.SQLITE_VERSION_NUMBER < _SQLITE_FIXED:
        raise UsageError(f"SQLite {apsw.sqlite_lib_version()} can corrupt a database; 3.51.3 or newer is needed")
    connection = apsw.Connection(str(path), statementcachesize=_STATEMENTS)
    _keep_plans(connection)
    try:
        for pragma in _WRITER:
            connection.execute(pragma).fetchall()
        migrate(connection)
    except Exception:
        connection.close(True)
        raise
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """Return a connection that sees only what is committed."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=_STATEMENTS)
    _keep_plans(connection)
    connection.set_busy_timeout(1000)
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}").fetchall()
    return connection


def _keep_plans(connection: apsw.Connection) -> None:
    """Prepare each statement once: without this a join is planned anew for the values of each call, 6 µs a time."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def migrate(connection: apsw.Connection) -> None:
    """Bring the schema to the newest version: the numbered files, each in a transaction, forward only."""
    files = sorted((resources.files(__package__) / "migrations" / "sqlite").iterdir(), key=lambda file: file.name)
    version = int(first(connection.execute("PRAGMA user_version"))[0])
    steps = [(int(file.name[:4]), file) for file in files if file.name.endswith(".sql")]
    if version > steps[-1][0]:
        raise UsageError(f"the database has schema version {version}, this program knows up to {steps[-1][0]}")
    for number, file in steps:
        if number > version:
            script = file.read_text(encoding="utf-8")
            connection.execute(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT").fetchall()


def first(cursor: apsw.Cursor) -> Any:
    """Return the first row of a result or None, and run the statement to its end.

    A statement left half read would hold its snapshot and keep the WAL from starting over.
    """
    rows = cursor.fetchall()
    return rows[0] if rows else None


def settings_of(connection: apsw.Connection) -> dict[str, Any]:
    """Return the table of settings."""
    return {str(name): value for name, value in connection.execute("SELECT name, value FROM settings").fetchall()}


def durability_of(connection: apsw.Connection) -> tuple[str, str]:
    """Return journal mode and synchronous level, as SQLite reports them."""
    levels = {0: "off", 1: "normal", 2: "full", 3: "extra"}
    journal = first(connection.execute("PRAGMA journal_mode"))[0]
    return str(journal), levels[int(first(connection.execute("PRAGMA synchronous"))[0])]
