"""One connection and the exchange under way on it: bytes to the target at once, its answer by way of httptools.

What a short answer in one piece needs is kept to a minimum. Its head is read a second time only where somebody asks
for headers, the body is encoded, or the target sheds. A target says the same few heads over and over: what httptools
made of one is remembered, and whoever brings the same bytes again, with a body of the length they state, is not parsed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from prakerja_load.driver.body import UNREADABLE, decoded
from prakerja_load.driver.tls import explain, said_farewell
from prakerja_load.driver.wire import END_OF_HEAD, Headers, headers_of, retry_after_of, whole_heads
from prakerja_load.journey.answer import SHEDDING
from prakerja_load.journey.step import Outcome, Response
from prakerja_load.units import Seconds

if TYPE_CHECKING:
    from prakerja_load.driver.client import Client, Line

HEAD_LIMIT = 64 * 1024  # bytes before the body
HEADS_KEPT = 1024  # of a target that puts the time into each, those of some seconds
BODY_LIMIT: Final = 8 * 1024 * 1024  # bytes, decoded


class Connection(asyncio.Protocol):
    """One TCP or TLS connection, with at most one exchange under way; tells the line that asked what came of it.

    An answer counts only when it is whole: cut short it is an error, and what is no answer to the request is malformed.
    """

    __slots__ = (
        "_body",
        "_head",
        "_interim",
        "_is_complete",
        "_is_fresh",
        "_is_kept",
        "_parser",
        "_status",
        "client",
        "line",
        "opening",
        "transport",
    )

    def __init__(self, client: Client, line: Line) -> None:
        self.client = client
        self.line: Line | None = line
        self.opening: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None  # refers back to this connection, which must not keep it alive
        self._head = b""
        self._body: bytes | bytearray = b""
        self._is_fresh = True  # no answer came over it yet
        self._is_complete = self._is_kept = False
        self._status = self._interim = 0

    def send(self, payload: bytes) -> None:
        """Send a request."""
        assert self.transport is not None
        self.transport.write(payload)

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
        self.client.connections.add(self)
        self.send(self.line.payload)

    def data_received(self, data: bytes) -> None:
        line, parser = self.line, self._parser
        if line is None or parser is None:  # nobody asked
            self._retire()
            self.abort()
            return
        if not self._head and not line.is_curious:
            end = data.find(END_OF_HEAD) + 4
            known = self.client.heads.get(data[:end])
            if known is not None and known[1] == len(data) - end:
                self._hand_over(line, Response(known[0], data[end:]), known[2])
                return
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._break()
            return
        if self._is_complete:
            self._finish(data)
        else:
            self._keep(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.client.connections.discard(self)
        made, self.transport = self.transport, None
        self._retire()
        line, parser = self.line, self._parser
        self._parser = None
        if line is None or parser is None:
            return
        is_whole = error is None and self._has_head and _ends_with_the_connection(self._head)
        if is_whole and (made is None or said_farewell(made)):
            self._is_kept = False
            self._status = parser.get_status_code()
            self._finish(b"")
            return
        self.line = None
        why = explain(error) if isinstance(error, OSError) else "closed before the answer was whole"
        line.cut_off(why, is_untouched=not self._is_fresh and not self._head)

    # what the parser tells a connection

    def on_body(self, part: bytes) -> None:
        body = self._body
        if not body:
            self._body = body = part
        else:
            if type(body) is bytes:
                body = self._body = bytearray(body)
            body += part
        if len(body) > BODY_LIMIT:
            raise ValueError("the body is too large")

    def on_message_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        self._status = parser.get_status_code()
        if self._status < 200:  # an interim answer; the real one follows
            self._interim += 1
        elif self._is_complete:
            raise ValueError("two answers to one request")
        else:
            self._is_complete = True
            self._is_kept = parser.should_keep_alive()  # which the parser forgets with the message

    @property
    def _has_head(self) -> bool:
        """Tell whether the whole head was kept; interim answers are nothing but a head each."""
        return whole_heads(self._head) > self._interim

    def _keep(self, data: bytes) -> None:
        """Keep the head of an answer that comes in pieces; an answer to HEAD is over with it."""
        line, parser = self.line, self._parser
        assert line is not None
        assert parser is not None
        if not self._has_head:
            self._head += data
            if len(self._head) > HEAD_LIMIT and not self._has_head:
                self._break()
                return
        if line.is_head and self._has_head:
            if self._body or not self._head.endswith(END_OF_HEAD):
                self._break()
                return
            self._status, self._is_kept = parser.get_status_code(), parser.should_keep_alive()
            self._parser = HttpResponseParser(self)  # the old one waits for a body that does not come
            self._finish(b"")

    def _finish(self, data: bytes) -> None:
        """Hand the answer over; `data` is its last piece."""
        line, status = self.line, self._status
        assert line is not None
        body = self._body
        if type(body) is not bytes:
            body = bytes(body)
        retry_after: Seconds | None = None
        headers: Headers = ()
        if line.is_curious or status in SHEDDING:
            headers = headers_of(self._head if self._has_head else self._head + data)
            known = dict(headers)
            retry_after = retry_after_of(known) if status in SHEDDING else None
            try:
                if line.is_head and body:
                    raise ValueError("a body where there can be none")
                body = decoded(body, known.get("content-encoding", ""), BODY_LIMIT)
            except UNREADABLE:
                self._break()
                return
        elif not self._head:
            self._remember(data, len(body))
        if self._head:
            self._head = b""
        self._interim = 0
        self._body = b""
        self._is_complete = False
        headers = headers if line.wants_headers else ()
        self._hand_over(line, Response(status, body, retry_after, None, headers), self._is_kept)

    def _remember(self, data: bytes, length: int) -> None:
        """Remember what the parser made of the head of an answer that came in one piece, its body as it is."""
        end, heads = data.find(END_OF_HEAD) + 4, self.client.heads
        if len(data) - end == length and not self._interim:
            if len(heads) >= HEADS_KEPT:
                heads.clear()
            heads[data[:end]] = self._status, length, self._is_kept

    def _hand_over(self, line: Line, response: Response, is_kept: bool) -> None:
        """Let go of the line and answer it."""
        self.line = None
        self._is_fresh = False
        client = self.client
        client.waiting.pop(line, None)
        if not is_kept:
            line.connection = None
            self.close()
        elif client.idle is not None:
            line.connection = None
            client.idle.append(self)
        line.answer(response)

    def _break(self) -> None:
        """Give the connection up because what came over it is no answer."""
        line, self.line = self.line, None
        self.abort()
        if line is not None:
            line.connection = None
            line.fail(Outcome.MALFORMED, "what came is no answer")

    def _retire(self) -> None:
        """Leave the pool; the registrant whose connection this is sees that it has no transport."""
        idle = self.client.idle
        if idle is not None and self in idle:
            idle.remove(self)


def _ends_with_the_connection(head: bytes) -> bool:
    """Tell whether a body is what came until the target closed (RFC 9112 §6.3, case 8)."""
    names = {name for name, _ in headers_of(head)}
    return "content-length" not in names and "transfer-encoding" not in names
