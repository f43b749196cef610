"""How an import reaches the embedded store: its own transaction on the writer's connection.

An import announced as larger than one request drops the unique indexes first and builds them anew at the end, in the
same transaction: two million rows then cost a sort instead of two million times three scattered pages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from prakerja_load.registrar.store.bulk import Start, conflict_over
from prakerja_load.registrar.store.sqlite import first

_INDEXES = """
SELECT name, sql FROM sqlite_master
WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('accounts', 'identities', 'phones')
"""


class EmbeddedLoader:
    """Loads rows through a connection that nobody else uses meanwhile."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._indexes: list[str] = []

    def begin(self, password: str, *, is_large: bool) -> Start:
        """Open the transaction and note the import."""
        self._cursor.execute("BEGIN IMMEDIATE")
        self._cursor.execute("INSERT INTO imports (password, count) VALUES (?, 0)", (password,))
        number = self._connection.last_insert_rowid()
        (before,) = first(self._cursor.execute("SELECT coalesce(max(account), 0) FROM accounts"))
        if is_large:
            for name, statement in self._cursor.execute(_INDEXES).fetchall():
                self._cursor.execute(f"DROP INDEX {name}")
                self._indexes.append(str(statement))
        return Start(number, before, before)

    def load(self, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert rows; raises RefusalError when one breaks a uniqueness rule."""
        places = ", ".join("?" * len(columns))
        names = ", ".join(columns)
        self._guarded(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)  # noqa: S608 (names of our own)

    def commit(self, number: int, count: int) -> None:
        """Build the indexes again, make everything durable and try to empty the log into the database file proper."""
        for statement in self._indexes:
            self._guarded(statement)
        self._cursor.execute("UPDATE imports SET count = ? WHERE import = ?", (count, number))
        self._cursor.execute("COMMIT")
        with contextlib.suppress(apsw.Error):  # the import is stored by now, whatever becomes of the log
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def give_up(self) -> None:
        """Leave the store as it was before the import."""
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")

    def _guarded(self, statement: str, rows: Iterable[tuple[Any, ...]] = ((),)) -> None:
        try:
            self._cursor.executemany(statement, rows)
        except apsw.ConstraintError as error:
            raise conflict_over(str(error)) from error
