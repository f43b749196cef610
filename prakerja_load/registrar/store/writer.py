"""Group commit: operations run on the event loop in one open transaction, COMMIT runs in a thread.

While a group is being committed the operations that arrive wait; they form the next group. A future resolves only
after the COMMIT of its group has returned, so no acknowledgement precedes the disk. Under light load a group is
committed at once; when groups grow, the next waits LINGER seconds for company, LONGEST_LINGER at most.

An operation that fails unexpectedly is expelled: its group is rolled back and the others run again without it, which
costs nothing as long as nothing fails (a savepoint per operation costs 6–9 µs). Operations must therefore be
functions of the transaction alone. A `RefusalError` is a planned answer: what was written before it was raised stays.

An operation whose future was cancelled while it waited is left out: its client has gone. One that has run is finished.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import apsw

from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.store.commit_thread import Committer, CommitThread
from prakerja_load.registrar.store.faults import STORE_FAULTS, concerns_everybody, refusal_of
from prakerja_load.registrar.store.photo_log import PhotoLog
from prakerja_load.registrar.store.transaction import FIND_REPLY, KEEP_REPLY, ReplyKey, SavedReply, Transaction
from prakerja_load.units import Seconds

T = TypeVar("T")
LINGER: Seconds = 0.004
LONGEST_LINGER: Seconds = 0.008
SLOW_COMMIT: Seconds = 0.05  # after which questions no longer wait for the group under way
_CROWDED = 3  # operations in a group from which on the next group waits LINGER for company
_PACKED = 24  # and from which on it waits twice as long: a commit costs as much as two writes, and empties the reader
_LARGEST_GROUP = 512
_MOST_WAITING = 20_000  # operations, those whose client has gone included; the next are told to come back


class EmbeddedTransaction:
    """SQLite's transaction; there is only one at a time, so nothing has to wait for anybody."""

    __slots__ = ("connection", "epoch", "execute", "photos")

    def __init__(self, connection: apsw.Connection, photos: PhotoLog) -> None:
        self.connection = connection
        self.photos = photos
        self.execute: Callable[..., apsw.Cursor] = connection.cursor().execute
        self.epoch = 0

    def first(self, statement: str, bindings: tuple[Any, ...] = ()) -> Any:
        """Return the first row of a query, or None."""
        rows = self.execute(statement, bindings).fetchall()
        return rows[0] if rows else None

    def changes(self, statement: str, bindings: tuple[Any, ...]) -> int:
        """Run a statement and return the number of rows it changed."""
        self.execute(statement, bindings)
        return self.connection.changes()

    def insert_account(self, statement: str, bindings: tuple[Any, ...]) -> int | None:
        """Insert an account and return its number, or None when a uniqueness rule kept it out."""
        self.execute(statement, bindings)
        return self.connection.last_insert_rowid() if self.connection.changes() else None

    def add_picture(self, picture: bytes) -> int:
        """Keep a photograph and return its position in the log."""
        return self.photos.add(picture)

    def wait_for(self, number: int) -> None:
        """Return at once."""

    def find_reply(self, key: ReplyKey) -> SavedReply | None:
        """Return the answer kept under an idempotency key, or None."""
        rows: list[Any] = self.execute(FIND_REPLY, key).fetchall()
        return rows[0] if rows else None

    def keep_reply(self, key: ReplyKey, reply: SavedReply) -> None:
        """Keep the first answer given under an idempotency key."""
        self.execute(KEEP_REPLY, key + reply)

    def begin_part(self) -> None:
        """Begin a part of the transaction that can be undone alone."""
        self.execute("SAVEPOINT part")

    def end_part(self, *, is_undone: bool) -> None:
        """End the part, as if it had never been when it is undone."""
        if is_undone:
            self.execute("ROLLBACK TO part")
        self.execute("RELEASE part")


class Observer(Protocol):
    """Somebody who wants to know about groups."""

    def group_committed(self, size: int, seconds: Seconds) -> None:
        """Take note of one group."""


class _Entry:
    """One operation, the future that waits for it and what came out of it."""

    __slots__ = ("future", "is_question", "operation", "refusal", "result")

    def __init__(
        self, operation: Callable[[Transaction], Any], future: asyncio.Future[Any], *, is_question: bool = False
    ) -> None:
        self.operation = operation
        self.future = future
        self.is_question = is_question  # it writes nothing, so it does not count as part of the group
        self.result: Any = None
        self.refusal: RefusalError | None = None

    def resolve(self) -> None:
        if self.future.done():  # the client has gone
            return
        if self.refusal is not None:
            self.future.set_exception(self.refusal)
        else:
            self.future.set_result(self.result)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Writer:
    """The only writer of a store."""

    def __init__(self, connection: apsw.Connection, photos: PhotoLog, observer: Observer) -> None:
        self._loop = asyncio.get_running_loop()
        self._transaction = EmbeddedTransaction(connection, photos)
        self._committer = Committer(connection, photos)
        self._thread = CommitThread()
        self._observer = observer
        self._group: list[_Entry] = []
        self._waiting: deque[_Entry] = deque()
        self._is_open = False  # a transaction is open and takes operations
        self._is_away = False  # the connection is with the commit thread
        self._is_owned = False  # the connection is with an exclusive owner
        self._owner_waits: asyncio.Future[None] | None = None
        self._last_size = 0
        self.commits = 0  # what was read before the last one may be out of date
        self._started = 0.0
        self.after_commit: Callable[[], None] | None = None  # runs in the commit thread; must not raise

    @property
    def depth(self) -> int:
        """Return the number of operations that are not acknowledged yet."""
        return len(self._group) + len(self._waiting)

    @property
    def is_free(self) -> bool:
        """Tell whether nothing is under way, so that the connection shows what is committed and nothing else."""
        return not (self._is_open or self._is_away or self._is_owned)

    @property
    def is_busy(self) -> bool:
        """Tell whether a group is under way that is likely to end soon."""
        return self._is_open or (self._is_away and self._loop.time() - self._started < SLOW_COMMIT)

    def rows(self, statement: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
        """Return every row of a query; for operations, and while the writer is free."""
        return self._transaction.execute(statement, bindings).fetchall()

    def submit(self, operation: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Run an operation in the current or next group; the future resolves after its COMMIT.

        The future's exception is the operation's own, or a RefusalError that says that the store failed.
        """
        return self._take(operation, is_question=False)

    def ask(self, operation: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Run what only reads while a group is under way; its answer may rest on rows of it and comes after COMMIT."""
        return self._take(operation, is_question=True)

    def _take(self, operation: Callable[[Transaction], T], *, is_question: bool) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        entry = _Entry(operation, future, is_question=is_question)
        if self._is_owned:
            entry.fail(RefusalError("store-busy", "an import is under way", retry_after=5))
        elif self._owner_waits is not None:
            entry.fail(RefusalError("store-busy", "an import is about to begin", retry_after=1))
        elif not self._is_away:
            self._run(entry)
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting.append(entry)
        else:
            entry.fail(RefusalError("store-busy", retry_after=1))
        return future

    async def acquire(self) -> apsw.Connection:
        """Wait for the group under way, then hand over the connection until `release`; others are told to come back."""
        if self._is_owned or self._owner_waits is not None:
            raise RefusalError("store-busy", "an import is under way", retry_after=5)
        if self._is_open or self._is_away:
            await self._ownership()
        self._is_owned = True
        return self._transaction.connection

    def release(self) -> None:
        """Take the connection back from its exclusive owner."""
        self._is_owned = False
        self.commits += 1
        self._next_group()

    async def close(self) -> None:
        """Commit what was submitted and end the commit thread; the writer is of no use afterwards."""
        if not self._is_owned:
            await self.acquire()
        await self._loop.run_in_executor(None, self._thread.close)

    async def _ownership(self) -> None:
        self._owner_waits = self._loop.create_future()
        try:
            await self._owner_waits
        except asyncio.CancelledError:
            if self._is_owned:
                self.release()
            raise
        finally:
            self._owner_waits = None

    def _run(self, entry: _Entry) -> None:
        if not self._is_open and not self._begin(entry):
            return
        try:
            entry.result = entry.operation(self._transaction)
        except RefusalError as refusal:
            entry.refusal = refusal.with_traceback(None)  # a traceback would keep the entry in a cycle
        except Exception as error:
            self._expel(entry, error)
            return
        self._group.append(entry)

    def _begin(self, entry: _Entry) -> bool:
        try:
            self._open_transaction()
        except STORE_FAULTS as fault:
            self._committer.give_up()
            entry.fail(refusal_of(fault))
            return False
        self._is_open = True
        if self._last_size >= _CROWDED:
            self._loop.call_later(LONGEST_LINGER if self._last_size >= _PACKED else LINGER, self._commit)
        else:
            self._loop.call_soon(self._commit)
        return True

    def _open_transaction(self) -> None:
        self._transaction.execute("BEGIN IMMEDIATE")
        (self._transaction.epoch,) = self._transaction.first("SELECT value FROM settings WHERE name = 'epoch'")

    def _expel(self, culprit: _Entry, error: Exception) -> None:
        """Roll the group back and run the others again without the one that failed."""
        survivors, self._group = self._group, []
        if concerns_everybody(error):
            for entry in (*survivors, culprit):
                entry.fail(refusal_of(error))
            survivors = []
        else:
            culprit.fail(error)
        try:
            self._committer.give_up()
            self._open_transaction()
        except STORE_FAULTS as fault:
            for entry in survivors:
                entry.fail(refusal_of(fault))
            survivors = []
            self._is_open = False
        for entry in survivors:
            entry.refusal = None
            self._run(entry)

    def _commit(self) -> None:
        if not self._is_open:  # its transaction was given up
            return
        self._is_open = False
        self._is_away = True
        self._started = self._loop.time()
        self._thread.run(self._job, self._report)

    def _job(self) -> None:
        self._committer()  # fails when the transaction is gone, whatever ended it
        if self.after_commit is not None:
            self.after_commit()

    def _report(self, fault: BaseException | None) -> None:
        self._loop.call_soon_threadsafe(self._committed, fault)

    def _committed(self, fault: BaseException | None) -> None:
        group, self._group = self._group, []
        self._last_size = sum(not entry.is_question for entry in group)
        self._is_away = False
        self.commits += 1
        self._observer.group_committed(self._last_size, self._loop.time() - self._started)
        if fault is None:
            for entry in group:
                entry.resolve()
        else:
            for entry in group:
                entry.fail(refusal_of(fault))
        self._next_group()

    def _answer_questions(self) -> None:
        """Answer who asked during a commit, now that the connection shows what is committed and nothing else."""
        questions = [entry for entry in self._waiting if entry.is_question]
        if questions:
            self._waiting = deque(entry for entry in self._waiting if not entry.is_question)
        for entry in questions:
            try:
                entry.result = entry.operation(self._transaction)
            except Exception as error:
                entry.fail(error)
            else:
                entry.resolve()

    def _next_group(self) -> None:
        self._answer_questions()
        while self._waiting and len(self._group) < _LARGEST_GROUP:
            entry = self._waiting.popleft()
            if not entry.future.done():
                self._run(entry)
        if self._owner_waits is not None and not self._is_open and not self._owner_waits.done():
            self._is_owned = True
            self._owner_waits.set_result(None)
