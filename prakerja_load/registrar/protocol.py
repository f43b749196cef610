"""One client's connection: requests in, replies out, in order.

The parser is llhttp's, by httptools. A small request is taken up when it is whole, so that nothing waits for its body
and a client that sends one byte a second holds nothing but its connection; a large one when its head is complete.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools

from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.request import Request
from prakerja_load.units import Seconds

if TYPE_CHECKING:
    from prakerja_load.registrar.site import Site

LARGEST_HEAD = 16 * 1024  # bytes of address and headers
_COLLECTED = 16 * 1024  # bytes; a body announced as no longer is collected before its request is taken up, uncounted
_HIGH_WATER = 64 * 1024  # bytes of a body that nobody has read yet; no more are taken from the socket then
SLOWEST = 1024  # bytes/s that a request has to come in at, once the time for reading is over
LINGER: Seconds = 1.0  # for which a connection that ends still waits for bytes, so that its last reply is not lost
LONGEST_LINGER: Seconds = 30.0  # even if they go on coming
_LINGERED = 8 * 1024 * 1024  # bytes that are thrown away meanwhile
_NOTHING: Seconds = -1.0
_NOT_LINGERING = -1
_NOBODY = Request()


@dataclass(frozen=True)
class TimeLimits:
    """How long a client may take: to send a small request, to think between two, to take any of what it is sent."""

    read: Seconds
    keep_alive: Seconds
    write: Seconds


class _HeadersTooLargeError(Exception):
    pass


class Connection(asyncio.Protocol):
    """Parses what comes, has one request at a time answered, closes what is too slow or is not HTTP."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._transport: Any = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._incoming = Request(self)  # the one being parsed
        self._url = b""
        self._head_size = 0  # of names and values that the parser has told
        self._head_pieces = 0  # of the bytes that hold nothing but a part of one head
        self._is_in_head = False
        self._is_in_trailer = False
        self._started = site.now  # of the request that is incomplete; _NOTHING while there is none
        self._received = 0  # bytes since then
        self._idle_since = site.now
        self._serving: Request | None = None
        self._waiting: deque[Request] = deque()
        self._refusal = ""  # code of a refusal that ends the connection when its turn has come
        self._is_last = False  # no request comes after those that have come
        self._is_reading_paused = False
        self._lingered = _NOT_LINGERING  # bytes thrown away since the last reply
        self._lingers_since = _NOTHING
        self._writable: asyncio.Event | None = None
        self._unsent = 0  # bytes that the client had not taken when that was looked at last
        self._taken_at = site.now  # when it last took some

    @property
    def peer(self) -> str:
        """Return the address of the client."""
        name = self._transport.get_extra_info("peername")
        return str(name[0]) if name else ""

    @property
    def quiet_since(self) -> Seconds:
        """Return when the client was heard of last, infinity while something is done for it or it is being let go."""
        if self._serving is not None or self._waiting or self._transport.is_closing():
            return math.inf
        return max(self._idle_since, self._started)  # of a request that is coming in, its beginning

    # from the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._site.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._site.connections.discard(self)
        is_whole = self._serving is not None and self._serving.is_whole
        for request in (self._incoming, self._serving, *self._waiting):
            if request is not None:
                request.lose()
        self._waiting.clear()
        self._parser = None
        self._incoming = _NOBODY  # a request refers to its connection: leave no cycle to the garbage collector
        self._serving = None
        self.resume_writing()
        if is_whole:  # one that is not is told so where its body is read
            self._site.lost(self)

    def data_received(self, data: bytes) -> None:
        if self._lingered != _NOT_LINGERING:
            self._throw_away(len(data))
            return
        in_head_of = self._incoming if self._is_in_head else None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_last = True
        except httptools.HttpParserError as error:
            is_too_large = isinstance(error.__context__, _HeadersTooLargeError)
            self._give_up("headers-too-large" if is_too_large else "malformed-request")
            return
        self._received += len(data)
        if self._is_in_head:  # a header whose end has not come is not counted by the parser
            self._head_pieces = self._head_pieces + len(data) if in_head_of is self._incoming else 0
            if self._head_pieces > LARGEST_HEAD:
                self._give_up("headers-too-large")

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        self._taken_at = self._site.now
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # from the parser

    def on_message_begin(self) -> None:
        self._incoming = Request(self)
        self._url = b""
        self._head_size = 0
        self._is_in_head = True
        self._started = self._site.now
        self._received = 0

    def on_chunk_header(self) -> None:
        self._is_in_head = self._is_in_trailer = True  # the last chunk may be followed by headers
        self._head_pieces = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_trailer:  # counted, and never taken for a header: the request may be under way
            self._count(len(name) + len(value))
            return
        self._incoming.headers[name.lower()] = value
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        request, parser = self._incoming, self._parser
        request.method = parser.get_method().decode("ascii")
        request.path, request.query = _target(self._url)
        request.is_old = parser.get_http_version() == "1.0"
        request.keeps_alive = not request.is_old and parser.should_keep_alive()
        headers = request.headers
        request.is_collected = b"transfer-encoding" not in headers and b"expect" not in headers
        if request.is_collected and b"content-length" in headers:
            request.is_collected = int(headers[b"content-length"]) <= _COLLECTED
        if not request.is_collected:
            self._take_up(request)

    def on_body(self, body: bytes) -> None:
        self._is_in_head = self._is_in_trailer = False
        if self._incoming.add(body) > _HIGH_WATER and not self._incoming.is_collected:
            self._pause_reading()

    def on_message_complete(self) -> None:
        self._is_in_head = self._is_in_trailer = False
        self._started = _NOTHING
        self._idle_since = self._site.now
        request = self._incoming
        request.complete()
        if request.is_collected:
            self._take_up(request)

    # requests

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > LARGEST_HEAD:
            raise _HeadersTooLargeError

    def _take_up(self, request: Request) -> None:
        if self._serving is None:
            self._serve(request)
        else:
            self._waiting.append(request)
            self._pause_reading()

    def _serve(self, request: Request) -> None:
        self._serving = request
        if not self._waiting and self._writable is None and not self._transport.is_closing():
            reply = self._site.app.turned_away(request)
            if reply is not None:
                self._finish(self._send(request, reply))
                return
        self._site.serve(self, request)

    def _finish(self, closes: bool) -> None:
        if closes:
            self._end()
        else:
            self._next()

    async def answer(self, request: Request) -> None:
        """Have a request answered and send the reply."""
        reply = await self._site.app.answer(request)
        if self._transport.is_closing():
            return
        if reply is None or reply.is_dropped:
            self._transport.abort()
            return
        closes = self._send(request, reply)
        if reply.stream is not None and request.method != "HEAD":
            await self._send_stream(request, reply.stream)
        if self._writable is not None:  # the next reply has to wait until the client takes this one
            await self._writable.wait()
        self._finish(closes or reply.cut_after is not None)

    def _send(self, request: Request, reply: Reply) -> bool:
        """Send a reply but for its stream; return whether the connection ends with it."""
        app = self._site.app
        is_streamed = reply.stream is not None
        closes = (
            not request.keeps_alive
            or app.is_draining
            or reply.closes
            or (self._is_last and not self._waiting)
            or (request.is_old and is_streamed)
        )
        head = app.head(reply, self._site.date, closes=closes, is_chunked=is_streamed and not request.is_old)
        body = b"" if request.method == "HEAD" else reply.body
        if reply.cut_after is not None:
            body = body[: reply.cut_after]
        self._transport.write(head + body)
        return closes

    async def _send_stream(self, request: Request, stream: Any) -> None:
        async for block in stream:
            if self._transport.is_closing():
                return
            if not block:  # would end a chunked body
                continue
            self._transport.write(block if request.is_old else b"%x\r\n%b\r\n" % (len(block), block))
            if self._writable is not None:
                await self._writable.wait()
        if not request.is_old and not self._transport.is_closing():
            self._transport.write(b"0\r\n\r\n")

    def _next(self) -> None:
        """Take up the next request that waits, or wait for one."""
        if self._serving is not None:
            self._serving.discard()
        self._serving = None
        self._idle_since = self._site.now
        if self._waiting:
            self._serve(self._waiting.popleft())
        elif self._refusal:
            self._give_up(self._refusal)
        if not self._waiting:
            self.resume_reading()

    def _give_up(self, code: str) -> None:
        """Refuse what cannot be read, once everything before it has been answered, and close the connection."""
        self._refusal = code
        if self._serving is not None:
            if self._serving is self._incoming and not self._incoming.is_whole:
                self._incoming.lose()  # the rest of its body will never be understood
            self._pause_reading()
            return
        if not self._transport.is_closing():
            reply = self._site.app.refused(RefusalError(code))
            self._transport.write(self._site.app.head(reply, self._site.date, closes=True) + reply.body)
            self._linger()

    # the end

    def _end(self) -> None:
        """Close the connection after its last reply."""
        if self._started == _NOTHING and not self._waiting and not self._is_reading_paused:  # nothing more has come
            self._transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Close the sending side, and the other when the client has, or sends nothing for a while.

        What is in the socket unread when it is closed makes the kernel reset the connection, and then a client that
        is still sending loses the reply that says why (nginx calls this a lingering close).
        """
        if self._transport.is_closing():
            return
        if self._serving is not None:
            self._serving.discard()
            self._serving = None
        self._waiting.clear()
        self._lingered = 0
        self._lingers_since = self._idle_since = self._site.now
        self._transport.write_eof()
        self.resume_reading()

    def _throw_away(self, size: int) -> None:
        self._lingered += size
        self._idle_since = self._site.now
        if self._lingered > _LINGERED:
            self._transport.close()

    # reading

    def send_continue(self) -> None:
        """Tell a client that waits for it to send its body."""
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _pause_reading(self) -> None:
        if not self._is_reading_paused and not self._transport.is_closing():
            self._is_reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more from the socket."""
        if self._is_reading_paused and not self._transport.is_closing():
            self._is_reading_paused = False
            self._transport.resume_reading()

    # time

    def check_time(self, now: Seconds, limits: TimeLimits) -> None:
        """Close the connection of a client that is idle, sends a request more slowly than is allowed, or takes nothing.

        A request has `limits.read` and a second for each SLOWEST bytes of it (the rule of Apache's mod_reqtimeout).
        """
        if self._takes_nothing(now, limits.write):
            self._transport.abort()
        elif self._transport.is_closing() or self._is_reading_paused:
            return
        elif self._lingered != _NOT_LINGERING:
            if now - self._idle_since > LINGER or now - self._lingers_since > LONGEST_LINGER:
                self._transport.close()
        elif self._started != _NOTHING:
            if now - self._started > limits.read + self._received / SLOWEST:
                self._give_up_late()
        elif self._serving is None and now - self._idle_since > limits.keep_alive:
            self._transport.close()

    def _takes_nothing(self, now: Seconds, limit: Seconds) -> bool:
        """Tell whether the client has left what it was sent lying for longer than is allowed."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent or not unsent:
            self._unsent, self._taken_at = unsent, now
        return now - self._taken_at > limit

    def _give_up_late(self) -> None:
        if self._serving is None and self._received and not self._incoming.is_discarded:
            self._give_up("request-timeout")
        else:  # its request is being served and waits for the rest, or nothing has come at all
            self._transport.close()

    def close_when_idle(self) -> bool:
        """Close the connection unless a request is being served; return whether it was."""
        if self._serving is None and not self._waiting:
            self._transport.close()
            return True
        return False

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()


def _target(url: bytes) -> tuple[str, bytes]:
    """Return path and query of a request's target; raises ValueError when it is none."""
    if url[:1] != b"/" or b"#" in url or url[:2] == b"//":
        parsed = httptools.parse_url(url)
        path, query = parsed.path or b"/", parsed.query or b""
    else:
        path, _, query = url.partition(b"?")
    text = path.decode("ascii")
    return (unquote(text) if "%" in text else text), query
