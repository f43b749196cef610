"""The HTTP/1.1 client of the hot path: one connection per registrant or a keep-alive pool, answers by callback.

Redirects are handed over and never followed; a journey that follows one asks for it, within its origin. Every
connection goes to an address that the guard has checked.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from prakerja_load.driver.connection import Connection
from prakerja_load.driver.tls import explain
from prakerja_load.driver.wire import RequestWriter
from prakerja_load.journey.step import Outcome, Request, Response
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

Respond: TypeAlias = Callable[[Response], None]

EXHAUSTED = frozenset({errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What the system says when this machine, not the target, has nothing left to connect with."""
AGAIN_AFTER: Seconds = 0.05  # before a machine that had nothing left is asked again

_FAILED = {outcome: Response(failure=outcome) for outcome in (Outcome.ERROR, Outcome.TIMEOUT, Outcome.MALFORMED)}
_CUT_OFF = Response(failure=Outcome.ERROR, may_be_sent_again=True)
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110 §9.2.2
_MOST_TROUBLES = 50
_BIND_ADDRESS_NO_PORT = 24  # of Linux: the port is chosen when connecting, so that one port serves many targets


@dataclass(frozen=True)
class Endpoint:
    """Where connections go: a checked address, and the name that stands in its certificate; and where they come from.

    Without `sources`, addresses of this machine used in turn, the system chooses.
    """

    address: str  # numeric
    port: int
    host: str  # as the target's URL names it
    tls: ssl.SSLContext | None = None
    sources: tuple[str, ...] = ()

    def coming_from(self, sources: tuple[str, ...]) -> Endpoint:
        """Return the same endpoint, connected to from these addresses."""
        return replace(self, sources=sources)


class Links(Protocol):
    """What stands between a registrant and the target; see driver.network."""

    def connection(self, client: Client, line: Line) -> Connection:
        """Return the connection of a line, not open yet."""


class Client:
    """Connections of one process to one endpoint; `line()` is what one registrant speaks through.

    A request without an answer is given up after `patience`. With `is_reusing`, connections outlive registrants.
    Not thread-safe: it belongs to its loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        write: RequestWriter,
        clock: Callable[[], Nanoseconds],
        *,
        patience: Seconds,
        is_reusing: bool = False,
        links: Links | None = None,
    ) -> None:
        self.loop, self.endpoint, self.write, self.clock = loop, endpoint, write, clock
        self.idle: list[Connection] | None = [] if is_reusing else None
        self.connections: set[Connection] = set()
        self.exhausted = 0
        """How often this machine had no port, descriptor or memory left for a connection."""
        self.troubles: Counter[str] = Counter()
        """What kept answers from coming, and how often; a closed list for people."""
        self.patience = round(patience * SECOND_NS)
        self.heads: dict[bytes, tuple[int, int, bool]] = {}
        """Heads of answers as they came: status, length of the body, whether the connection is kept."""
        self.waiting: dict[Line, Nanoseconds] = {}  # deadlines; rising, because patience is the same for all
        self.timer: asyncio.Handle | None = None
        self._opening: dict[asyncio.Task[None], Connection] = {}
        self._links = links
        self._opened = 0

    @property
    def sockets(self) -> int:
        """Return how many connections are open or being opened."""
        return len(self.connections) + len(self._opening)

    def line(self, index: int = 0) -> Line:
        """Return a new line for one registrant, the one of arrival `index`."""
        return Line(self, index)

    async def close(self) -> None:
        """Drop every connection and wait until it is gone; lines that wait for an answer are not told."""
        if self.timer is not None:
            self.timer.cancel()
        self.waiting.clear()
        while self.connections or self._opening:
            for connection in [*self._opening.values(), *self.connections]:
                connection.give_up()
            await asyncio.sleep(0)  # the loop tells them in its next turns

    def open(self, line: Line) -> None:
        """Open a connection and send the line's request over it."""
        links = self._links
        connection = line.connection = Connection(self, line) if links is None else links.connection(self, line)
        connection.opening = task = self.loop.create_task(self._open(connection))
        self._opening[task] = connection
        task.add_done_callback(self._opening.pop)

    def note(self, trouble: str) -> None:
        """Count what kept an answer from coming."""
        known = trouble in self.troubles or len(self.troubles) < _MOST_TROUBLES
        self.troubles[trouble if known else "something else"] += 1

    async def _open(self, connection: Connection) -> None:
        """Open a connection; a machine with nothing left to connect with is asked again as long as patience lasts."""
        while True:
            try:
                await self._connect(connection)
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self.exhausted += 1
                    self.note(f"this machine: {explain(error)}")
                    await asyncio.sleep(AGAIN_AFTER)
                    continue
                connection.opening = None
                line, connection.line = connection.line, None
                if line is not None:
                    line.connection = None
                    line.fail(Outcome.ERROR, explain(error))
            return

    async def _connect(self, connection: Connection) -> None:
        endpoint, loop = self.endpoint, self.loop
        name = endpoint.host if endpoint.tls else None
        if not endpoint.sources:
            await loop.create_connection(
                lambda: connection, endpoint.address, endpoint.port, ssl=endpoint.tls, server_hostname=name
            )
            return
        self._opened += 1
        source = endpoint.sources[self._opened % len(endpoint.sources)]
        plain = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        try:
            plain.setblocking(False)
            plain.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            plain.bind((source, 0))
            await loop.sock_connect(plain, (endpoint.address, endpoint.port))
            await loop.create_connection(lambda: connection, sock=plain, ssl=endpoint.tls, server_hostname=name)
        except BaseException:
            plain.close()
            raise

    def lose_patience(self) -> None:
        """Give up every line whose deadline has passed, and wait for the next."""
        self.timer = None
        now = self.clock()
        late = []
        for line, deadline in self.waiting.items():
            if deadline > now:
                wait = -(-(deadline - now) // 1_000_000) / 1000
                self.timer = self.loop.call_later(wait, self.lose_patience)
                break
            late.append(line)
        for line in late:
            line.give_up()


class Line:
    """One registrant's way to the target: asks one thing at a time and is answered by callback."""

    __slots__ = ("_client", "_needs_new", "_request", "connection", "index", "is_curious", "payload", "respond")

    def __init__(self, client: Client, index: int) -> None:
        self._client = client
        self.index = index
        self.payload = b""  # the request under way
        self._request: Request | None = None
        self._needs_new = False  # what was kept alive has just died: the next request gets a new connection
        self.is_curious = False
        """Whether more than the status and the body of the answer matters."""
        self.connection: Connection | None = None
        self.respond: Respond | None = None

    @property
    def wants_headers(self) -> bool:
        """Tell whether the request under way asked for the headers of its answer."""
        return self._request is not None and self._request.wants_headers

    @property
    def is_head(self) -> bool:
        """Tell whether the answer has no body whatever its headers say."""
        return self._request is not None and self._request.method == "HEAD"

    def ask(self, request: Request, respond: Respond, now: Nanoseconds | None = None) -> None:
        """Send a request; `respond` gets the response, or what kept it from coming. `now` saves a look at the clock."""
        client = self._client
        write = client.write
        try:
            self.payload = payload = write(request)
        except ValueError as mistake:  # a token of the target's making that no header can carry
            client.note(f"a request that cannot be written: {mistake}")
            respond(_FAILED[Outcome.MALFORMED])
            return
        self._request, self.respond = request, respond
        self.is_curious = (
            request.wants_headers or write.accepts_gzip or request.headers != () or request.method == "HEAD"
        )
        client.waiting[self] = (client.clock() if now is None else now) + client.patience
        if client.timer is None:
            client.timer = client.loop.call_later(client.patience / SECOND_NS, client.lose_patience)
        connection = self.connection
        if client.idle and not self._needs_new:
            connection = self.connection = client.idle.pop()
        self._needs_new = False
        if connection is None or connection.transport is None:
            client.open(self)
        else:
            connection.line = self
            connection.send(payload)

    def answer(self, response: Response) -> None:
        """Hand the response over."""
        respond, self.respond = self.respond, None
        if respond is not None:
            respond(response)

    def cut_off(self, why: str, is_untouched: bool) -> None:
        """Answer that the connection is gone, and whether whoever asked may ask again.

        A kept-alive connection that closes before any of an answer came may have been closed before the request
        arrived, as servers do with idle ones, or by a target that processed it and dropped the answer: the two cannot
        be told apart. What may be repeated without harm may therefore be sent again, but never in silence: this
        attempt has failed. The next one gets a new connection, of which the same cannot be said, so it is the last.
        """
        self.connection = None
        request = self._request
        assert request is not None
        if is_untouched and (request.key or request.method in _IDEMPOTENT):
            self._needs_new = True
            self._tell(_CUT_OFF, why)
        else:
            self.fail(Outcome.ERROR, why)

    def fail(self, outcome: Outcome, why: str) -> None:
        """Answer that nothing usable came."""
        self._tell(_FAILED[outcome], why)

    def _tell(self, response: Response, why: str) -> None:
        self._client.note(why)
        self._client.waiting.pop(self, None)
        self.answer(response)

    def give_up(self) -> None:
        """Lose patience: drop the connection and answer that time ran out."""
        is_opening = self.connection is None or self.connection.transport is None
        self.drop()
        self.fail(Outcome.TIMEOUT, "no connection within patience" if is_opening else "no answer within patience")

    def hang_up(self) -> None:
        """Close the connection politely; the registrant has left."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def drop(self) -> None:
        """Drop the connection, or the attempt to open one, without an answer."""
        self._client.waiting.pop(self, None)
        if self.connection is not None:
            self.connection.give_up()
            self.connection = None
