"""Group commit on PostgreSQL: groups run in threads of their own, two at a time, each in one transaction.

An operation waits on the event loop for its group; its future resolves after the COMMIT of the group has been
confirmed. As with the embedded store a group starts at once under light load and waits LINGER seconds for company
when groups grow, and an operation whose future was cancelled while it waited is left out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.store import group
from prakerja_load.registrar.store.postgresql import Pool
from prakerja_load.registrar.store.transaction import ReplyKey, Transaction
from prakerja_load.registrar.store.writer import LINGER, Observer

T = TypeVar("T")
_GROUPS = 2  # under way at once: one is on its way to the disk while the next one runs
_CROWDED = 3
_LARGEST_GROUP = 256
_MOST_WAITING = 20_000  # operations; the next are told to come back


class ServerWriter:
    """The only writer of this process; others may be writing too."""

    def __init__(self, pool: Pool, observer: Observer) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool = pool
        self._observer = observer
        self._threads = ThreadPoolExecutor(_GROUPS, thread_name_prefix="commit")
        self._waiting: deque[tuple[group.Entry, asyncio.Future[Any]]] = deque()
        self._under_way = 0  # groups
        self._depth = 0
        self._is_starting = False
        self._last_size = 0
        self._is_owned = False
        self._idle: asyncio.Future[None] | None = None

    @property
    def depth(self) -> int:
        """Return the number of operations that are not acknowledged yet."""
        return self._depth

    def submit(self, operation: Callable[[Transaction], T], key: ReplyKey | None) -> asyncio.Future[T]:
        """Run an operation in the next group; the future resolves after its COMMIT.

        The future's exception is the operation's own, or a RefusalError that says that the store failed.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._is_owned:
            future.set_exception(RefusalError("store-busy", "an import is under way", retry_after=5))
        elif self._depth >= _MOST_WAITING:
            future.set_exception(RefusalError("store-busy", retry_after=1))
        else:
            self._depth += 1
            self._waiting.append((group.Entry(operation, key), future))
            self._schedule()
        return future

    async def acquire(self) -> None:
        """Wait for what was submitted, then refuse operations until `release`."""
        if self._is_owned:
            raise RefusalError("store-busy", "an import is under way", retry_after=5)
        self._is_owned = True
        if self._depth:
            self._idle = self._loop.create_future()
            try:
                await self._idle
            except asyncio.CancelledError:
                self._is_owned = False
                raise
            finally:
                self._idle = None

    def release(self) -> None:
        """Take operations again."""
        self._is_owned = False

    async def close(self) -> None:
        """Commit what was submitted and end the threads; the writer is of no use afterwards."""
        if not self._is_owned:
            await self.acquire()
        await self._loop.run_in_executor(None, self._threads.shutdown)

    def _schedule(self) -> None:
        if self._is_starting or self._under_way == _GROUPS or not self._waiting:
            return
        self._is_starting = True
        if self._last_size >= _CROWDED:
            self._loop.call_later(LINGER, self._start)
        else:
            self._loop.call_soon(self._start)

    def _start(self) -> None:
        self._is_starting = False
        members: list[tuple[group.Entry, asyncio.Future[Any]]] = []
        while self._waiting and len(members) < _LARGEST_GROUP:
            member = self._waiting.popleft()
            if member[1].done():  # the client has gone
                self._depth -= 1
            else:
                members.append(member)
        if not members:
            self._tell_idle()
            return
        self._under_way += 1
        self._last_size = len(members)
        self._threads.submit(self._run, members, self._loop.time())
        self._schedule()

    def _run(self, members: list[tuple[group.Entry, asyncio.Future[Any]]], started: float) -> None:
        try:
            group.run(self._pool, [entry for entry, _ in members])
        except Exception as error:
            for entry, _ in members:
                entry.fault = error
        self._loop.call_soon_threadsafe(self._finished, members, started)

    def _finished(self, members: list[tuple[group.Entry, asyncio.Future[Any]]], started: float) -> None:
        self._under_way -= 1
        self._depth -= len(members)
        self._observer.group_committed(len(members), self._loop.time() - started)
        for entry, future in members:
            error = entry.fault or entry.refusal
            if future.done():  # the client has gone
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(entry.result)
        self._tell_idle()
        self._schedule()

    def _tell_idle(self) -> None:
        if self._idle is not None and not self._depth and not self._idle.done():
            self._idle.set_result(None)
