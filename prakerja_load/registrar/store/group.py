"""One group of operations in one PostgreSQL transaction, on whichever thread runs it.

Answers kept under idempotency keys are looked up before and stored after all operations, in one statement each. An
operation that fails is left out, the group rolled back and run again without it. Another process can be at work on
the same rows: an operation that runs into a uniqueness rule which it had found free runs once more, and one whose
idempotency key another process has taken meanwhile is told that it is in flight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import errors

from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.store.postgresql import (
    LOCK,
    Connection,
    Pool,
    borrowed,
    commit,
    refusal_of,
    rows_of,
    translated,
)
from prakerja_load.registrar.store.transaction import FIND_REPLY, ReplyKey, SavedReply, Transaction

_BEGIN = (
    f"BEGIN; SELECT pg_advisory_xact_lock_shared({LOCK});"  # noqa: S608 (a number of our own)
    "SELECT value FROM settings WHERE name = 'epoch'"
)
_FIND_ALL = """
SELECT r.scope, r.key, r.operation, r.digest, r.status, r.body
FROM unnest(%s::bigint[], %s::text[], %s::integer[]) AS k (scope, key, operation)
JOIN replies AS r USING (scope, key, operation)
"""
_KEEP_ALL = """
INSERT INTO replies (scope, key, operation, digest, status, body)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::integer[], %s::bytea[], %s::integer[], %s::bytea[])
ON CONFLICT DO NOTHING RETURNING scope, key, operation
"""
_TRIES = 3  # of a group that PostgreSQL cancels to end a deadlock
_AGAIN = (errors.DeadlockDetected, errors.SerializationFailure)


class _LostRaceError(Exception):
    """Another process wrote first what an operation had found free."""


class Entry:
    """One operation and what came out of it."""

    __slots__ = ("fault", "key", "operation", "refusal", "result", "tries")

    def __init__(self, operation: Callable[[Transaction], Any], key: ReplyKey | None) -> None:
        self.operation = operation
        self.key = key
        self.tries = 0
        self.clear()

    def clear(self) -> None:
        """Forget what came out."""
        self.result: Any = None
        self.refusal: RefusalError | None = None  # an answer; what was written before it stays
        self.fault: BaseException | None = None  # nothing of it was stored


class ServerTransaction:
    """A transaction of PostgreSQL, as operations see it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[ReplyKey, SavedReply | None] = {}
        self._kept: dict[ReplyKey, SavedReply] = {}
        self._kept_before_part: dict[ReplyKey, SavedReply] = {}
        self.epoch = 0

    def begin(self, keys: Sequence[ReplyKey]) -> None:
        """Open the transaction and look up what was answered under these keys."""
        cursor = self._connection.execute(_BEGIN)
        while cursor.nextset():
            pass
        (self.epoch,) = cursor.fetchone() or (0,)
        self._known = dict.fromkeys(keys)
        if keys:
            for scope, key, operation, *reply in self._connection.execute(
                _FIND_ALL, [*map(list, zip(*keys, strict=True))]
            ):
                self._known[scope, key, operation] = (bytes(reply[0]), reply[1], bytes(reply[2]))

    def store_replies(self) -> set[ReplyKey]:
        """Store the answers that were kept and return the keys that another process has taken meanwhile."""
        if not self._kept:
            return set()
        columns = zip(*(key + reply for key, reply in self._kept.items()), strict=True)
        stored = {
            (scope, key, number) for scope, key, number in self._connection.execute(_KEEP_ALL, [*map(list, columns)])
        }
        return self._kept.keys() - stored

    def execute(self, statement: str, bindings: tuple[Any, ...] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run a statement."""
        return self._connection.execute(translated(statement), bindings)

    def first(self, statement: str, bindings: tuple[Any, ...] = ()) -> Any:
        """Return the first row of a query, or None."""
        return self.execute(statement, bindings).fetchone()

    def changes(self, statement: str, bindings: tuple[Any, ...]) -> int:
        """Run a statement and return the number of rows it changed."""
        return self.execute(statement, bindings).rowcount

    def insert_account(self, statement: str, bindings: tuple[Any, ...]) -> int | None:
        """Insert an account and return its number, or None when a uniqueness rule kept it out."""
        row = self.first(f"{statement} RETURNING account", bindings)
        return int(row[0]) if row else None

    def add_picture(self, picture: bytes) -> int:
        """Keep a photograph and return its number."""
        return int(self.first("INSERT INTO pictures (content) VALUES (?) RETURNING picture", (picture,))[0])

    def wait_for(self, number: int) -> None:
        """Wait until no other transaction that waited for the same number is open."""
        self.execute("SELECT pg_advisory_xact_lock(?, hashint8(?))", (LOCK, number))

    def find_reply(self, key: ReplyKey) -> SavedReply | None:
        """Return the answer kept under an idempotency key, or None."""
        if key in self._kept:
            return self._kept[key]
        if key not in self._known:
            rows = rows_of(self._connection, FIND_REPLY, key)
            self._known[key] = rows[0] if rows else None
        return self._known[key]

    def keep_reply(self, key: ReplyKey, reply: SavedReply) -> None:
        """Keep the first answer given under an idempotency key."""
        self._kept[key] = reply

    def begin_part(self) -> None:
        """Begin a part of the transaction that can be undone alone."""
        self._kept_before_part = dict(self._kept)
        self._connection.execute("SAVEPOINT part")

    def end_part(self, *, is_undone: bool) -> None:
        """End the part, as if it had never been when it is undone."""
        if is_undone:
            self._kept = self._kept_before_part
            self._connection.execute("ROLLBACK TO part")
        self._connection.execute("RELEASE part")


def run(pool: Pool, entries: Sequence[Entry]) -> None:
    """Run operations and commit what they wrote; every entry says afterwards what became of it."""
    try:
        with borrowed(pool) as connection:
            _run_until_committed(connection, list(entries))
    except psycopg.Error as fault:
        for entry in entries:
            if entry.fault is None:
                entry.fault = refusal_of(fault)


def _run_until_committed(connection: Connection, entries: list[Entry]) -> None:
    tries = 0
    while entries:
        try:
            failed = _attempt(connection, entries)
        except _AGAIN:
            tries += 1
            if tries == _TRIES:
                raise
            failed = set()
        except _LostRaceError:
            failed = set()
        else:
            if not failed:
                return
        connection.execute("ROLLBACK")
        entries = [entry for entry in entries if entry not in failed]
        for entry in entries:
            entry.clear()


def _attempt(connection: Connection, entries: list[Entry]) -> set[Entry]:
    """Run and commit the operations; return those that failed, in which case nothing is committed."""
    transaction = ServerTransaction(connection)
    transaction.begin([entry.key for entry in entries if entry.key is not None])
    for entry in entries:
        try:
            entry.result = entry.operation(transaction)
        except RefusalError as refusal:
            entry.refusal = refusal.with_traceback(None)  # a traceback would keep the whole group in a cycle
        except errors.UniqueViolation as fault:
            entry.tries += 1
            if entry.tries == 1:
                raise _LostRaceError from fault
            entry.fault = fault
            return {entry}
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as fault:
            entry.fault = fault
            return {entry}
        except psycopg.Error:
            raise
        except Exception as error:
            entry.fault = error
            return {entry}
    taken = transaction.store_replies()
    if taken:
        return _told_in_flight(entries, taken)
    commit(connection)
    return set()


def _told_in_flight(entries: list[Entry], taken: set[ReplyKey]) -> set[Entry]:
    failed = {entry for entry in entries if entry.key in taken}
    for entry in failed:
        entry.fault = RefusalError("idempotency-key-in-flight", retry_after=1)
    return failed
