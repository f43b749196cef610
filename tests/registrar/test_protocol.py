"""Connections: requests in, replies out in order, over a real socket to an application that echoes."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from asgi import in_loop

from prakerja_load.registrar import protocol, site
from prakerja_load.registrar.acceptor import Acceptor
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.protocol import LARGEST_HEAD
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.request import ClientGoneError, Request
from prakerja_load.registrar.site import Site

LONG = b"0123456789" * 30_000  # a hundred of them are more than the kernel holds for a client that reads nothing


class Echo:
    """Answers with method, path, query and body; what it does at certain paths is told there."""

    def __init__(self) -> None:
        self.is_draining = False
        self.release = asyncio.Event()
        self.gone = asyncio.Event()
        self.taken: list[str] = []

    def turned_away(self, request: Request) -> Reply | None:
        return Reply(503, b"full") if request.path == "/full" else None

    async def answer(self, request: Request) -> Reply | None:
        self.taken.append(request.path)
        if request.path == "/full":
            return Reply(503, b"full")
        if request.path == "/refused":
            return Reply(403, b"no")
        if request.path == "/stream":
            return Reply(200, stream=_blocks())
        if request.path == "/endless":
            return Reply(200, stream=_endless())
        if request.path == "/long":
            return Reply(200, LONG)
        if request.path == "/closes":
            return Reply(413, b"too large", closes=True)
        if request.path == "/waits":
            await self.release.wait()
        if request.path == "/cut":
            return Reply(200, b"whole", cut_after=2)
        if request.path == "/dropped":
            return Reply(200, is_dropped=True)
        try:
            body = b"".join([piece async for piece in _pieces(request)])
        except ClientGoneError:
            self.gone.set()
            return None
        return Reply(200, b"%b %b?%b %b" % (request.method.encode(), request.path.encode(), request.query, body))

    def refused(self, refusal: RefusalError) -> Reply:
        return Reply(refusal.status, refusal.code.encode())

    def head(self, reply: Reply, date: bytes, *, closes: bool, is_chunked: bool = False) -> bytes:
        length = b"content-length: %d\r\n" % len(reply.body) if reply.stream is None else b""
        chunked = b"transfer-encoding: chunked\r\n" if is_chunked else b""
        end = b"connection: close\r\n\r\n" if closes else b"\r\n"
        return b"HTTP/1.1 %d x\r\n%b%b%b%b" % (reply.status, date, length, chunked, end)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    while piece := await request.read():
        yield piece


async def _blocks() -> AsyncIterator[bytes]:
    for block in (b"one", b"", b"two"):
        yield block


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield LONG


class Peer:
    """A client that says exactly what it is told."""

    def __init__(self, echo: Echo, site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.echo = echo
        self.site = site
        self.reader = reader
        self.writer = writer

    def say(self, content: bytes) -> None:
        self.writer.write(content)

    async def reply(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name: value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def rest(self) -> bytes:
        return await self.reader.read()


@asynccontextmanager
async def peer(read_timeout: float = 20, keep_alive: float = 300, write_timeout: float = 60) -> AsyncIterator[Peer]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    echo = Echo()
    site = Site(echo, read_timeout=read_timeout, keep_alive=keep_alive, write_timeout=write_timeout)
    acceptor = Acceptor(listener, site.connect)
    acceptor.start()
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        async with asyncio.timeout(20):
            yield Peer(echo, site, reader, writer)
    finally:
        writer.close()
        acceptor.stop()
        await site.close(0)


def get(path: bytes, *lines: bytes, version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"GET %b HTTP/%b" % (path, version), b"Host: x", *lines, b"", b""])


async def turns(count: int = 200) -> None:
    """Let the loop go round, so that everything that can happen without a wait has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


def post(path: bytes, body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"POST %b HTTP/1.1" % path, b"Host: x", b"Content-Length: %d" % len(body), *lines, b"", body])


@in_loop
async def test_a_request_is_answered_however_its_bytes_are_cut() -> None:
    whole = post(b"/a?b=c", b"body")
    async with peer() as client:
        for size in range(1, len(whole) + 1):
            for start in range(0, len(whole), size):
                client.say(whole[start : start + size])
                await asyncio.sleep(0)
            assert (await client.reply())[2] == b"POST /a?b=c body"


@in_loop
async def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    async with peer() as client:
        client.say(get(b"/waits") + post(b"/2", b"x") + get(b"/3"))
        while not client.echo.taken:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert client.echo.taken == ["/waits"]
        client.echo.release.set()
        assert [(await client.reply())[2] for _ in range(3)] == [b"GET /waits? ", b"POST /2? x", b"GET /3? "]


@in_loop
async def test_who_is_turned_away_is_answered_at_once_and_in_order() -> None:
    async with peer() as client:
        client.say(get(b"/1") + get(b"/full") * 2_000 + get(b"/waits") + get(b"/full") + get(b"/4"))
        client.echo.release.set()
        bodies = [(await client.reply())[2] for _ in range(2_004)]
        assert bodies == [b"GET /1? ", *[b"full"] * 2_000, b"GET /waits? ", b"full", b"GET /4? "]
        client.say(get(b"/full"))
        taken = list(client.echo.taken)
        assert (await client.reply())[0] == 503
        assert client.echo.taken == taken  # nothing was begun for it


@in_loop
async def test_a_connection_may_end_with_a_request_that_is_turned_away() -> None:
    async with peer() as client:
        client.say(b"GET /full HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        status, headers, body = await client.reply()
        assert (status, headers["connection"], body) == (503, "close", b"full")
        assert await client.rest() == b""


@in_loop
async def test_what_is_not_http_is_refused_after_what_came_before_it_is_answered() -> None:
    async with peer() as client:
        client.say(get(b"/waits") + b"NONSENSE\r\n\r\n")
        client.echo.release.set()
        assert (await client.reply())[2] == b"GET /waits? "
        status, headers, body = await client.reply()
        assert (status, headers["connection"], body) == (400, "close", b"malformed-request")
        assert await client.rest() == b""


@in_loop
async def test_a_large_body_is_read_while_it_comes() -> None:
    body = b"0123456789abcdef" * 40_000
    async with peer() as client:
        client.say(post(b"/large", body))
        assert (await client.reply())[2] == b"POST /large? " + body


@in_loop
async def test_a_chunked_body_is_put_together() -> None:
    async with peer() as client:
        client.say(b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert (await client.reply())[2] == b"POST /c? abcde"


@in_loop
async def test_a_client_that_asks_first_is_told_to_continue() -> None:
    async with peer() as client:
        client.say(b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.say(b"ok")
        assert (await client.reply())[2] == b"POST /e? ok"


@in_loop
async def test_a_client_that_asks_first_and_is_refused_is_not_told_to_continue() -> None:
    async with peer() as client:
        client.say(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.reply())[0] == 403


@in_loop
async def test_a_body_that_is_refused_unread_does_not_become_the_next_request() -> None:
    body = get(b"/smuggled") * 3_000  # more than is collected
    async with peer() as client:
        client.say(post(b"/refused", body) + get(b"/next"))
        assert (await client.reply())[0] == 403
        assert (await client.reply())[2] == b"GET /next? "
        assert client.echo.taken == ["/refused", "/next"]


@in_loop
async def test_who_is_refused_and_goes_on_sending_gets_the_reply_all_the_same() -> None:
    async with peer() as client:
        client.say(b"POST /closes HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n")
        while not client.echo.taken:
            await asyncio.sleep(0)
        for _ in range(30):
            client.say(b"x" * 100_000)
            await client.writer.drain()
            await turns(10)
        status, headers, body = await client.reply()
        assert (status, headers["connection"], body) == (413, "close", b"too large")
        assert await client.rest() == b""
        assert client.echo.taken == ["/closes"]


@in_loop
async def test_what_follows_the_last_reply_is_thrown_away_and_answered_by_nobody() -> None:
    async with peer() as client:
        client.say(post(b"/closes", b"x" * 100_000) + get(b"/after") + b"NONSENSE\r\n\r\n")
        assert (await client.reply())[0] == 413
        assert await client.rest() == b""
        assert client.echo.taken == ["/closes"]


@asynccontextmanager
async def lingering() -> AsyncIterator[Peer]:
    """A client that has its last reply and is still expected to send."""
    async with asyncio.timeout(20), peer(read_timeout=3600) as client:
        client.say(b"POST /closes HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n")
        assert (await client.reply())[0] == 413
        yield client


@pytest.mark.parametrize(
    ("limit", "value", "piece"),
    [("LINGER", 0.2, b""), ("LONGEST_LINGER", 0.2, b"x"), ("_LINGERED", 2_000_000, b"x" * 1_000_000)],
    ids=["silent", "slow", "endless"],
)
def test_a_connection_that_lingers_ends_after_a_while_or_some_bytes(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: float, piece: bytes
) -> None:
    for name in ("LINGER", "LONGEST_LINGER", "_LINGERED"):  # none but the one that is tested may end it
        monkeypatch.setattr(protocol, name, value if name == limit else 3600 * 10**9)
    monkeypatch.setattr(site, "SWEEP", 0.05)

    @in_loop
    async def scenario() -> None:
        async with lingering() as client:
            started = time.monotonic()
            while client.site.connections:
                client.say(piece)
                await asyncio.sleep(0.01)
            assert limit == "_LINGERED" or time.monotonic() - started >= 0.15  # the clock is as coarse as the sweep

    scenario()


def test_a_client_that_goes_on_sending_is_read_beyond_the_first_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER", 0.3)
    monkeypatch.setattr(site, "SWEEP", 0.02)

    @in_loop
    async def scenario() -> None:
        async with lingering() as client:
            started = time.monotonic()
            while time.monotonic() - started < 0.9:
                client.say(b"x")
                await asyncio.sleep(0.01)
            assert client.site.connections

    scenario()


@in_loop
async def test_two_lengths_or_a_length_beside_chunks_are_refused() -> None:
    for lines in (
        (b"Content-Length: 3", b"Content-Length: 4"),
        (b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Content-Length: 3"),
    ):
        async with peer() as client:
            client.say(b"\r\n".join([b"POST /s HTTP/1.1", b"Host: x", *lines, b"", b"abc"]))
            assert (await client.reply())[0] == 400
            assert client.echo.taken == []


@in_loop
async def test_a_stream_is_chunked_and_an_empty_block_does_not_end_it() -> None:
    async with peer() as client:
        client.say(get(b"/stream") + get(b"/next"))
        assert (await client.reply())[1]["transfer-encoding"] == "chunked"
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        assert (await client.reply())[2] == b"GET /next? "


@in_loop
async def test_a_stream_to_an_old_client_ends_with_its_connection() -> None:
    async with peer() as client:
        client.say(get(b"/stream", version=b"1.0"))
        status, headers, _ = await client.reply()
        assert (status, headers["connection"], await client.rest()) == (200, "close", b"onetwo")


@in_loop
async def test_head_of_a_stream_has_its_head_and_nothing_else() -> None:
    async with peer() as client:
        client.say(b"HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n" + get(b"/next"))
        assert (await client.reply())[1]["transfer-encoding"] == "chunked"
        assert (await client.reply())[2] == b"GET /next? "


@in_loop
async def test_replies_wait_until_the_client_takes_those_before_them() -> None:
    async with peer() as client:
        client.say(get(b"/long") * 100)
        while not client.echo.taken:
            await asyncio.sleep(0)
        await turns()
        assert len(client.echo.taken) < 100
        for _ in range(100):
            assert (await client.reply())[2] == LONG
        assert len(client.echo.taken) == 100


@pytest.mark.parametrize("requests", [get(b"/long") * 100, get(b"/endless"), get(b"/endless", version=b"1.0")])
def test_a_client_that_takes_nothing_of_what_it_asked_for_is_cut_off(requests: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        async with peer(read_timeout=0.2, write_timeout=0.3) as client:
            client.say(requests)
            while not client.echo.taken:
                await asyncio.sleep(0)
            while client.site.connections:
                await asyncio.sleep(0.01)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.reader.readexactly(100 * len(LONG))

    scenario()


@in_loop
async def test_a_client_that_takes_what_it_asked_for_slowly_is_not_cut_off() -> None:
    async with peer(read_timeout=0.2, write_timeout=0.5) as client:
        client.say(get(b"/long") * 100)
        for _ in range(15):
            for _ in range(6):
                assert (await client.reply())[2] == LONG
            await asyncio.sleep(0.1)  # which makes it slow
        for _ in range(10):
            assert (await client.reply())[2] == LONG


@in_loop
async def test_head_has_the_length_of_the_body_and_no_body() -> None:
    async with peer() as client:
        client.say(b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n" + get(b"/next"))
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 9\r\n" in head
        assert (await client.reply())[2] == b"GET /next? "


@pytest.mark.parametrize("line", [b"Connection: close", b"Connection: Upgrade\r\nUpgrade: h2c"])
def test_the_connection_ends_when_the_client_says_so_or_would_speak_something_else(line: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        async with peer() as client:
            client.say(get(b"/last", line))
            status, headers, _ = await client.reply()
            assert (status, headers["connection"], await client.rest()) == (200, "close", b"")

    scenario()


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: "])
def test_a_head_that_does_not_end_is_refused_before_it_fills_the_memory(start: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        async with peer() as client:
            client.say(get(b"/first") + start)
            await client.reply()
            client.say(b"a" * (LARGEST_HEAD + 1))
            status, _, body = await client.reply()
            assert (status, body) == (431, b"headers-too-large")

    scenario()


@in_loop
async def test_a_head_that_comes_in_pieces_may_be_as_long_as_one_that_comes_at_once() -> None:
    lines = [b"X-%d: %b" % (number, b"a" * 700) for number in range(20)]  # 14 KiB of the 16
    async with peer() as client:
        client.say(get(b"/at-once", *lines))
        assert (await client.reply())[0] == 200
        client.say(get(b"/in-pieces")[:-2])
        for line in lines:
            for piece in (line[:400], line[400:] + b"\r\n"):
                client.say(piece)
                await turns(10)
        client.say(b"\r\n")
        assert (await client.reply())[2] == b"GET /in-pieces? "


@in_loop
async def test_a_head_that_comes_in_pieces_and_is_too_long_is_refused() -> None:
    async with peer() as client:
        client.say(get(b"/in-pieces")[:-2])
        for number in range(25):
            client.say(b"X-%d: %b\r\n" % (number, b"a" * 700))
            await turns(10)
        assert (await client.reply())[::2] == (431, b"headers-too-large")
        assert await client.rest() == b""


CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nX-Key: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@in_loop
async def test_trailers_that_do_not_end_are_refused_before_they_fill_the_memory() -> None:
    async with peer() as client:
        client.say(CHUNKED + b"0\r\nX: ")
        await turns(10)
        for _ in range(17):
            client.say(b"a" * 1000)
            await turns(10)
        async with asyncio.timeout(5):  # long before its time for reading is over
            await client.echo.gone.wait()
            assert await client.rest() == b""


@in_loop
async def test_a_trailer_is_never_taken_for_a_header() -> None:
    async with peer() as client:
        (connection,) = client.site.connections
        seen: list[bytes] = []
        answer = client.echo.answer

        async def look(request: Request) -> Reply | None:
            reply = await answer(request)
            seen.append(request.headers[b"x-key"])
            return reply

        client.echo.answer = look  # type: ignore[method-assign]
        client.say(CHUNKED + b"3\r\nabc\r\n0\r\nX-Key: b\r\n\r\n")
        assert (await client.reply())[2] == b"POST /a? abc"
        assert seen == [b"a"]
        assert connection in client.site.connections


@in_loop
async def test_nobody_is_late_because_the_server_stood_still() -> None:
    whole = post(b"/a", b"body")
    async with peer(read_timeout=0.2, keep_alive=0.2) as client:
        for start in (b"", whole[:20], whole[:-2]):
            client.say(start)
            await turns()
            time.sleep(0.5)  # the loop is held up: what is tested here
            await turns()
            client.say(whole[len(start) :])
            assert (await client.reply())[2] == b"POST /a? body"


@pytest.mark.parametrize(
    "start", [b"GET /slow HTT", b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_a_request_that_comes_in_too_slowly_is_told_so_and_holds_nothing(start: bytes) -> None:
    @in_loop
    async def scenario() -> None:
        async with peer(read_timeout=0.2) as client:
            client.say(start)
            status, headers, body = await client.reply()
            assert (status, headers["connection"], body) == (408, "close", b"request-timeout")
            assert await client.rest() == b""
            assert client.echo.taken == []

    scenario()


@in_loop
async def test_a_body_that_is_being_read_and_stops_coming_ends_with_its_connection() -> None:
    async with peer(read_timeout=0.2) as client:
        client.say(b"POST /l HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\nhalf")
        assert await client.rest() == b""
        await client.echo.gone.wait()


@in_loop
async def test_a_body_that_is_being_read_and_is_no_longer_http_ends_with_its_connection() -> None:
    async with peer() as client:
        client.say(b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        while not client.echo.taken:
            await asyncio.sleep(0)
        client.say(b"no chunk\r\n")
        assert await client.rest() == b""
        await client.echo.gone.wait()


@in_loop
async def test_a_client_that_waits_for_its_answer_is_not_too_slow() -> None:
    async with peer(read_timeout=0.1, keep_alive=0.1) as client:
        client.say(get(b"/waits"))
        swept = client.site.now
        while client.site.now < swept + 0.5:
            await asyncio.sleep(0.01)
        client.echo.release.set()
        assert (await client.reply())[2] == b"GET /waits? "


@in_loop
async def test_an_idle_connection_is_closed_after_a_while() -> None:
    async with peer(read_timeout=0.1, keep_alive=0.2) as client:
        client.say(get(b"/once"))
        assert (await client.reply())[0] == 200
        assert await client.rest() == b""


@in_loop
async def test_draining_lets_the_request_under_way_finish_and_says_that_it_was_the_last() -> None:
    async with peer() as client:
        client.say(get(b"/waits"))
        while not client.echo.taken:
            await asyncio.sleep(0)
        client.echo.is_draining = True
        closing = asyncio.ensure_future(client.site.close(10))
        client.echo.release.set()
        status, headers, _ = await client.reply()
        assert (status, headers["connection"], await client.rest()) == (200, "close", b"")
        await closing


@in_loop
async def test_the_laboratory_can_cut_a_body_and_drop_a_connection() -> None:
    async with peer() as client:
        client.say(get(b"/cut"))
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 5\r\n" in head
        assert await client.rest() == b"wh"
    async with peer() as client:
        client.say(get(b"/dropped"))
        assert await client.rest() == b""


@in_loop
async def test_a_closed_connection_leaves_no_cycle_to_the_garbage_collector() -> None:
    async with peer() as client:
        client.say(get(b"/a"))
        await client.reply()
        (connection,) = client.site.connections
        watched = weakref.ref(connection)
        del connection
        gc.collect()
        gc.disable()
        try:
            client.writer.close()
            while client.site.connections:
                await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
            assert watched() is None
        finally:
            gc.enable()
