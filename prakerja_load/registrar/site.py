"""What the connections of a server share: the application, a coarse clock, and the end of everything."""

from __future__ import annotations

import asyncio
import email.utils
import heapq
import time
from operator import attrgetter
from typing import Protocol

from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.protocol import Connection, TimeLimits
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.request import Request
from prakerja_load.units import Seconds

SWEEP: Seconds = 1.0  # between two looks at who is idle or too slow
WRITE_TIMEOUT: Seconds = 60.0  # for a client to take anything of what it is sent
QUIET: Seconds = 5.0  # after which a connection may have to make room for a newcomer
_SHARE = 16  # one in so many makes room at a time, so that the quietest are rarely looked for


class Application(Protocol):
    """What answers requests and knows what every answer says."""

    @property
    def is_draining(self) -> bool:
        """Tell whether connections end after their next reply."""

    def turned_away(self, request: Request) -> Reply | None:
        """Return the reply to a request that is not even begun; None when it is to be answered."""

    async def answer(self, request: Request) -> Reply | None:
        """Return the reply to a request; None when its client has gone."""

    def refused(self, refusal: RefusalError) -> Reply:
        """Return the reply to what is not a request."""

    def head(self, reply: Reply, date: bytes, *, closes: bool, is_chunked: bool = False) -> bytes:
        """Return status line and headers as they go out; `date` is a header line."""


class Site:
    """Makes connections, looks after their time, and lets them finish."""

    def __init__(
        self,
        app: Application,
        *,
        read_timeout: Seconds,
        keep_alive: Seconds,
        write_timeout: Seconds = WRITE_TIMEOUT,
    ) -> None:
        self.app = app
        self.connections: set[Connection] = set()
        self._tasks: dict[Connection, asyncio.Task[None]] = {}  # of the request that each has under way
        self._loop = asyncio.get_running_loop()
        self._limits = TimeLimits(read_timeout, keep_alive, write_timeout)
        self._pause = min(SWEEP, read_timeout / 4)
        self._swept_at = self._loop.time()
        self._has_skipped = False
        self.now: Seconds = 0.0  # as coarse as the sweep; it stands still while the loop does
        self._made_room_at: Seconds = -1.0
        self.date = b""
        self._sweep()

    def connect(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self)

    def serve(self, connection: Connection, request: Request) -> None:
        """Have a request answered in a task of its own."""
        self._tasks[connection] = self._loop.create_task(self._answer(connection, request))

    def lost(self, connection: Connection) -> None:
        """Give up the request under way: nobody waits for it, so it need not begin what it has not begun."""
        task = self._tasks.get(connection)
        if task is not None:
            task.cancel()
            task.add_done_callback(lambda _: self._tasks.pop(connection, None))  # one not yet begun never will be

    def make_room(self) -> None:
        """Close the connections that have been quiet longest, once a sweep: somebody waits outside."""
        if self._made_room_at == self.now:
            return
        self._made_room_at = self.now
        quiet = [connection for connection in self.connections if connection.quiet_since <= self.now - QUIET]
        for connection in heapq.nsmallest(1 + len(self.connections) // _SHARE, quiet, key=attrgetter("quiet_since")):
            connection.close_when_idle()

    async def close(self, patience: Seconds) -> None:
        """Close what is idle, wait for what is under way, and after `patience` close that too."""
        deadline = self._loop.time() + patience
        for connection in tuple(self.connections):
            connection.close_when_idle()
        while self._tasks and (left := deadline - self._loop.time()) > 0:
            await asyncio.wait(self._tasks.values(), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for connection in tuple(self.connections):
            if not connection.close_when_idle():
                connection.abort()
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        self._timer.cancel()

    async def _answer(self, connection: Connection, request: Request) -> None:
        try:
            await connection.answer(request)
        except Exception as error:
            self._loop.call_exception_handler({"message": "a reply could not be sent", "exception": error})
            connection.abort()
        finally:
            if self._tasks.get(connection) is asyncio.current_task():  # it may be that of the next request already
                del self._tasks[connection]

    def _sweep(self) -> None:
        time_of_loop = self._loop.time()
        passed, self._swept_at = time_of_loop - self._swept_at, time_of_loop
        has_stalled = passed > 2 * self._pause
        self.now += self._pause if has_stalled else passed
        self.date = b"date: " + email.utils.formatdate(time.time(), usegmt=True).encode() + b"\r\n"
        # After a stall what clients have sent meanwhile is still in their sockets: nobody is late before it is read.
        self._has_skipped = has_stalled and not self._has_skipped
        if not self._has_skipped:
            for connection in tuple(self.connections):
                connection.check_time(self.now, self._limits)
        self._timer = self._loop.call_later(self._pause, self._sweep)
