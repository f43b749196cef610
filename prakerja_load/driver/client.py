"""The HTTP/1.1 client of the hot path: one connection per registrant or a keep-alive pool, answers by callback.

Answers are parsed by httptools; a request is written at once. Redirects are not followed: a journey does not expect
their status, so they are errors. Every connection goes to an address that the guard has checked.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

from httptools import HttpParserError, HttpResponseParser

from prakerja_load.driver.wire import RequestWriter, headers_of, retry_after_of
from prakerja_load.journey.answer import SHEDDING
from prakerja_load.journey.step import Outcome, Request, Response
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

Respond: TypeAlias = Callable[[Response], None]

_HEAD_LIMIT = 64 * 1024  # bytes before the body
_BODY_LIMIT = 8 * 1024 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_FAILED = {outcome: Response(failure=outcome) for outcome in (Outcome.ERROR, Outcome.TIMEOUT, Outcome.MALFORMED)}


@dataclass(frozen=True)
class Endpoint:
    """Where connections go: a checked address, and the name that stands in its certificate."""

    address: str  # numeric
    port: int
    host: str  # as the target's URL names it
    tls: ssl.SSLContext | None = None


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
    ) -> None:
        self.loop, self.endpoint, self.write, self.clock = loop, endpoint, write, clock
        self.idle: list[Connection] | None = [] if is_reusing else None
        self.connections: set[Connection] = set()
        self._patience = round(patience * SECOND_NS)
        self.waiting: dict[Line, Nanoseconds] = {}  # deadlines; rising, because patience is the same for all
        self._timer: asyncio.Handle | None = None
        self._opening: dict[asyncio.Task[None], Connection] = {}

    @property
    def sockets(self) -> int:
        """Return how many connections are open or being opened."""
        return len(self.connections) + len(self._opening)

    def line(self) -> Line:
        """Return a new line for one registrant."""
        return Line(self)

    async def close(self) -> None:
        """Drop every connection and wait until it is gone; lines that wait for an answer are not told."""
        if self._timer is not None:
            self._timer.cancel()
        self.waiting.clear()
        while self.connections or self._opening:
            for connection in [*self._opening.values(), *self.connections]:
                connection.give_up()
            await asyncio.sleep(0)  # the loop tells them in its next turns

    def wait(self, line: Line) -> None:
        """Let a line wait for its answer for as long as patience lasts."""
        self.waiting[line] = self.clock() + self._patience
        if self._timer is None:
            self._timer = self.loop.call_later(self._patience / SECOND_NS, self._lose_patience)

    def open(self, line: Line) -> None:
        """Open a connection and send the line's request over it."""
        connection = line.connection = Connection(self, line)
        connection.opening = task = self.loop.create_task(self._open(connection))
        self._opening[task] = connection
        task.add_done_callback(self._opening.pop)

    async def _open(self, connection: Connection) -> None:
        endpoint = self.endpoint
        try:
            await self.loop.create_connection(
                lambda: connection,
                endpoint.address,
                endpoint.port,
                ssl=endpoint.tls,
                server_hostname=endpoint.host if endpoint.tls else None,
            )
        except OSError:  # refused, unreachable, no certificate we trust
            connection.opening = None
            line, connection.line = connection.line, None
            if line is not None:
                line.connection = None
                line.fail(Outcome.ERROR)

    def _lose_patience(self) -> None:
        """Give up every line whose deadline has passed, and wait for the next."""
        self._timer = None
        now = self.clock()
        late = []
        for line, deadline in self.waiting.items():
            if deadline > now:
                wait = -(-(deadline - now) // 1_000_000) / 1000
                self._timer = self.loop.call_later(wait, self._lose_patience)
                break
            late.append(line)
        for line in late:
            line.give_up()


class Line:
    """One registrant's way to the target: asks one thing at a time and is answered by callback."""

    __slots__ = ("_client", "_is_repeatable", "connection", "payload", "respond")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_repeatable = False
        self.payload = b""  # the request under way
        self.connection: Connection | None = None
        self.respond: Respond | None = None

    def ask(self, request: Request, respond: Respond) -> None:
        """Send a request; `respond` gets the response, or what kept it from coming."""
        client = self._client
        try:
            self.payload = payload = client.write(request)
        except ValueError:  # a token of the target's making that no header can carry
            respond(_FAILED[Outcome.MALFORMED])
            return
        self.respond = respond
        # a request that the target may have processed is repeated only where that changes nothing
        self._is_repeatable = request.method == "GET" or bool(request.key)
        client.wait(self)
        connection = self.connection
        if client.idle:
            connection = self.connection = client.idle.pop()
        if connection is None or connection.transport is None:
            client.open(self)
        else:
            connection.line = self
            connection.transport.write(payload)

    def answer(self, response: Response) -> None:
        """Hand the response over."""
        respond, self.respond = self.respond, None
        if respond is not None:
            respond(response)

    def cut_off(self, is_untouched: bool) -> None:
        """Note that the connection is gone; an idle one that closed before any answer is replaced, once."""
        self.connection = None
        if is_untouched and self._is_repeatable:
            self._is_repeatable = False
            self._client.open(self)
        else:
            self.fail(Outcome.ERROR)

    def fail(self, outcome: Outcome) -> None:
        """Answer that nothing usable came."""
        self._client.waiting.pop(self, None)
        self.answer(_FAILED[outcome])

    def give_up(self) -> None:
        """Lose patience: drop the connection and answer that time ran out."""
        self.drop()
        self.fail(Outcome.TIMEOUT)

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


class Connection(asyncio.Protocol):
    """One TCP or TLS connection, with at most one exchange under way.

    What a short answer in one piece needs is kept to a minimum: the head is looked at again only where it matters.
    """

    __slots__ = (
        "_body",
        "_client",
        "_head",
        "_is_complete",
        "_is_fresh",
        "_is_kept",
        "_parser",
        "_status",
        "line",
        "opening",
        "transport",
    )

    def __init__(self, client: Client, line: Line) -> None:
        self._client = client
        self.line: Line | None = line
        self.opening: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None  # refers back to this connection, which must not keep it alive
        self._head = self._body = b""
        self._is_fresh = True  # no answer came over it yet
        self._is_complete = self._is_kept = False
        self._status = 0

    def close(self) -> None:
        """Close after what was written has gone out."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def give_up(self) -> None:
        """Close at once, or stop opening, without a word to the line."""
        self.line = None
        self.abort()
        if self.opening is not None:
            self.opening.cancel()
            self.opening = None

    # what the loop tells a connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.opening = None
        made = cast("asyncio.Transport", transport)
        if self.line is None:  # given up in the meantime; it may be closed already, and is not heard of again
            made.abort()
            return
        self.transport = made
        self._parser = HttpResponseParser(self)
        self._client.connections.add(self)
        made.write(self.line.payload)

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if self.line is None or parser is None:  # nobody asked
            self._retire()
            self.abort()
            return
        try:
            parser.feed_data(data)
        except HttpParserError:
            self._break()
            return
        if self._is_complete:
            self._finish(data)
        else:
            self._keep(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.connections.discard(self)
        self.transport = None
        self._retire()
        line, parser = self.line, self._parser
        self._parser = None
        if line is None or parser is None:
            return
        if error is None and _ends_with_the_connection(self._head):
            self._is_kept = False
            self._status = parser.get_status_code()
            self._finish(b"")
            return
        self.line = None
        line.cut_off(is_untouched=not self._is_fresh and not self._head)

    # what the parser tells a connection

    def on_body(self, part: bytes) -> None:
        self._body = self._body + part if self._body else part
        if len(self._body) > _BODY_LIMIT:
            raise ValueError("the body is too large")

    def on_message_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        self._status = parser.get_status_code()
        if self._status < 200:  # an interim answer; the real one follows
            self._head = self._body = b""
        elif self._is_complete:
            raise ValueError("two answers to one request")
        else:
            self._is_complete = True
            self._is_kept = parser.should_keep_alive()  # which the parser forgets with the message

    def _keep(self, data: bytes) -> None:
        """Keep the head of an answer that comes in pieces."""
        if _END_OF_HEAD not in self._head:
            self._head += data
            if len(self._head) > _HEAD_LIMIT and _END_OF_HEAD not in self._head:
                self._break()

    def _finish(self, data: bytes) -> None:
        """Hand the answer over; `data` is its last piece."""
        line, client, head, status = self.line, self._client, self._head, self._status
        assert line is not None
        self.line = None
        retry_after = retry_after_of(head or data) if status in SHEDDING else None
        if head:
            self._head = b""
        body, self._body = self._body, b""
        self._is_fresh = self._is_complete = False
        client.waiting.pop(line, None)
        if not self._is_kept:
            line.connection = None
            self.close()
        elif client.idle is not None:
            line.connection = None
            client.idle.append(self)
        line.answer(Response(status, body, retry_after))

    def _break(self) -> None:
        """Give the connection up because what came over it is no answer."""
        line, self.line = self.line, None
        self.abort()
        if line is not None:
            line.connection = None
            line.fail(Outcome.MALFORMED)

    def _retire(self) -> None:
        """Leave the pool; the registrant whose connection this is sees that it has no transport."""
        idle = self._client.idle
        if idle is not None and self in idle:
            idle.remove(self)


def _ends_with_the_connection(head: bytes) -> bool:
    """Tell whether a body is what came until the target closed (RFC 9112 §6.3, case 8)."""
    headers = headers_of(head) if _END_OF_HEAD in head else {b"content-length": b""}
    return b"content-length" not in headers and b"transfer-encoding" not in headers
