"""The client against a server that does, byte by byte, what its script says."""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import uvloop

from prakerja_load.driver.client import Client, Endpoint, Line
from prakerja_load.driver.guard import Target
from prakerja_load.driver.wire import RequestWriter
from prakerja_load.journey.step import Outcome, Request, Response, Step

STEP = Step(1, "x")
GET = Request(STEP, "GET", "/x")
POST = Request(STEP, "POST", "/x", b"{}")
KEYED = Request(STEP, "POST", "/x", b"{}", key="k1r1-0-2")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Script: TypeAlias = Callable[[Reader, Writer], Awaitable[None]]


async def take(reader: Reader) -> bytes:
    """Read one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


def says(*answers: bytes) -> Script:
    """Answer one request after another, then close."""

    async def script(reader: Reader, writer: Writer) -> None:
        for answer in answers:
            await take(reader)
            writer.write(answer)

    return script


def drips(answer: bytes, size: int = 1) -> Script:
    """Answer in pieces that arrive one by one, and stay open."""

    async def script(reader: Reader, writer: Writer) -> None:
        await take(reader)
        for start in range(0, len(answer), size):
            writer.write(answer[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    return script


async def resets(reader: Reader, writer: Writer) -> None:
    """Take a request and reset the connection."""
    await take(reader)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER
    writer.transport.abort()


async def keeps_silent(reader: Reader, writer: Writer) -> None:
    """Take a request and never answer."""
    await reader.read()


class Site:
    """A server with one script a connection, and a client of it."""

    def __init__(self, scripts: Sequence[Script], patience: float, is_reusing: bool) -> None:
        self.scripts = list(scripts)
        self.accepted = 0
        self.patience, self.is_reusing = patience, is_reusing
        self.running: set[asyncio.Task[Any]] = set()

    async def open(self, tls: ssl.SSLContext | None = None) -> Client:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        port = self.server.sockets[0].getsockname()[1]
        self.client = Client(
            asyncio.get_running_loop(),
            Endpoint("127.0.0.1", port, "127.0.0.1"),
            RequestWriter("127.0.0.1", "test"),
            time.perf_counter_ns,
            patience=self.patience,
            is_reusing=self.is_reusing,
        )
        return self.client

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        self.accepted += 1
        try:
            await self.scripts.pop(0)(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.running.discard(task)
            writer.close()

    async def close(self) -> None:
        await self.client.close()
        self.server.close()
        for task in list(self.running):
            task.cancel()
        await asyncio.sleep(0.01)


async def ask(line: Line, request: Request) -> Response:
    answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    line.ask(request, answered.set_result)
    return await asyncio.wait_for(answered, 5)


def talk(
    scripts: Sequence[Script], *requests: Request, patience: float = 2.0, is_reusing: bool = False, settle: bool = True
) -> tuple[list[Response], Site]:
    """Ask over one line; `settle` lets what the server does in between arrive."""
    site = Site(scripts, patience, is_reusing)

    async def main() -> list[Response]:
        line = (await site.open()).line()
        responses = []
        for request in requests:
            responses.append(await ask(line, request))
            if settle:
                await asyncio.sleep(0.02)
        line.hang_up()
        await site.close()
        return responses

    return uvloop.run(main()), site


def test_an_answer_with_a_length_comes_back() -> None:
    (response,), _ = talk([says(OK)], GET)

    assert (response.status, response.body, response.failure) == (200, b"ok", None)


def test_one_connection_serves_a_registrant_from_the_first_step_to_the_last() -> None:
    responses, site = talk([says(OK, OK, OK)], GET, POST, GET)

    assert [response.status for response in responses] == [200, 200, 200]
    assert site.accepted == 1


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\ntrailer: 1\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello",
    ],
    ids=["length", "chunked", "interim"],
)
def test_the_pieces_in_which_an_answer_comes_do_not_matter(answer: bytes, size: int) -> None:
    (response,), _ = talk([drips(answer, size)], GET)

    assert (response.status, response.body) == (201, b"hello")


def test_a_body_may_end_with_the_connection() -> None:
    (response,), _ = talk([says(b"HTTP/1.1 200 OK\r\n\r\nall of it")], GET)

    assert (response.status, response.body) == (200, b"all of it")


def test_a_body_cut_short_is_an_error() -> None:
    (response,), _ = talk([says(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")], GET)

    assert response.failure == Outcome.ERROR


def test_an_answer_without_a_body_is_complete() -> None:
    responses, site = talk([says(b"HTTP/1.1 204 No Content\r\n\r\n", OK)], POST, GET)

    assert [response.status for response in responses] == [204, 200]
    assert site.accepted == 1


def test_a_server_that_closes_is_connected_to_again() -> None:
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    responses, site = talk([says(closing), says(OK)], GET, POST)

    assert [response.status for response in responses] == [200, 200]
    assert site.accepted == 2


@pytest.mark.parametrize("settle", [True, False])
@pytest.mark.parametrize("request_", [GET, KEYED])
def test_an_idle_connection_that_closed_is_replaced_unnoticed(request_: Request, settle: bool) -> None:
    responses, site = talk([says(OK), says(OK)], GET, request_, settle=settle)

    assert [response.status for response in responses] == [200, 200]
    assert site.accepted == 2


async def _answers_once_then_resets(reader: Reader, writer: Writer) -> None:
    await says(OK)(reader, writer)
    await resets(reader, writer)


@pytest.mark.parametrize(("request_", "status"), [(GET, 200), (KEYED, 200), (POST, 0)])
def test_only_what_may_be_repeated_is_repeated(request_: Request, status: int) -> None:
    responses, _ = talk([_answers_once_then_resets, says(OK)], GET, request_)

    assert responses[1].status == status
    assert responses[1].failure == (None if status else Outcome.ERROR)


def test_it_is_repeated_once_and_not_again() -> None:
    responses, site = talk([_answers_once_then_resets, resets, says(OK)], GET, GET)

    assert responses[1].failure == Outcome.ERROR
    assert site.accepted == 2


def test_a_fresh_connection_that_breaks_is_an_error() -> None:
    (response,), site = talk([resets, says(OK)], GET)

    assert response.failure == Outcome.ERROR
    assert site.accepted == 1


async def _breaks_off_after_a_byte(reader: Reader, writer: Writer) -> None:
    await says(OK)(reader, writer)
    await take(reader)
    writer.write(b"H")


def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    responses, site = talk([_breaks_off_after_a_byte, says(OK)], GET, GET)

    assert responses[1].failure == Outcome.ERROR
    assert site.accepted == 1


def test_nobody_listening_is_an_error() -> None:
    async def main() -> Response:
        site = Site([], 2.0, False)
        client = await site.open()
        site.server.close()
        await site.server.wait_closed()
        response = await ask(client.line(), GET)
        await site.close()
        return response

    assert uvloop.run(main()).failure == Outcome.ERROR


def test_patience_ends_and_the_connection_with_it() -> None:
    started = time.perf_counter()
    responses, site = talk([keeps_silent, says(OK)], KEYED, GET, patience=0.15)
    elapsed = time.perf_counter() - started

    assert responses[0].failure == Outcome.TIMEOUT
    assert responses[1].status == 200
    assert site.accepted == 2
    assert 0.15 <= elapsed < 2.0


def test_each_request_has_the_whole_patience() -> None:
    async def late(reader: Reader, writer: Writer) -> None:
        for _ in range(3):
            await take(reader)
            await asyncio.sleep(0.1)
            writer.write(OK)

    responses, _ = talk([late], GET, GET, GET, patience=0.2)

    assert [response.status for response in responses] == [200, 200, 200]


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        OK + OK,
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n" + b"a" * 9_000_000,
    ],
    ids=["not-http", "bad-length", "bad-chunk", "two-answers", "endless-head", "huge-body"],
)
def test_what_is_no_answer_is_malformed(answer: bytes) -> None:
    responses, site = talk([drips(answer, 1 << 20), says(OK)], GET, GET)

    assert responses[0].failure == Outcome.MALFORMED
    assert responses[1].status == 200
    assert site.accepted == 2


def test_a_redirect_is_handed_over_and_not_followed() -> None:
    (response,), site = talk([says(b"HTTP/1.1 302 Found\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n", OK)], GET)

    assert response.status == 302
    assert site.accepted == 1


@pytest.mark.parametrize(("status", "expected"), [(b"503", 3.0), (b"429", 3.0), (b"500", None)])
def test_retry_after_is_read_where_the_system_sheds(status: bytes, expected: float | None) -> None:
    answer = b"HTTP/1.1 " + status + b" X\r\nRetry-After: 3\r\ncontent-length: 0\r\n\r\n"
    (response,), _ = talk([drips(answer, 5)], GET)

    assert response.retry_after == expected


def test_a_token_that_no_header_can_carry_is_malformed_and_not_sent() -> None:
    bad = Request(STEP, "GET", "/x", token="a\r\nX-Injected: 1")
    responses, site = talk([says(OK)], bad, GET)

    assert responses[0].failure == Outcome.MALFORMED
    assert site.accepted == 1


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    async def chatty(reader: Reader, writer: Writer) -> None:
        await says(OK)(reader, writer)
        await asyncio.sleep(0.01)  # not together with the answer
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    responses, site = talk([chatty, says(OK)], GET, GET)

    assert [response.status for response in responses] == [200, 200]
    assert site.accepted == 2


def test_with_reuse_registrants_share_connections_one_exchange_at_a_time() -> None:
    async def main() -> tuple[int, int, int]:
        site = Site([says(*[OK] * 20), says(*[OK] * 20)], 2.0, True)
        client = await site.open()
        both = await asyncio.gather(ask(client.line(), GET), ask(client.line(), GET))
        busiest = site.accepted
        for _ in range(5):
            line = client.line()
            both.append(await ask(line, GET))
            line.hang_up()
        await site.close()
        return busiest, site.accepted, sum(response.status == 200 for response in both)

    assert uvloop.run(main()) == (2, 2, 7)


def test_with_reuse_a_connection_that_closed_leaves_the_pool() -> None:
    responses, site = talk([says(OK), says(OK), says(OK)], GET, GET, GET, is_reusing=True)

    assert [response.status for response in responses] == [200, 200, 200]
    assert site.accepted == 3


def test_a_dropped_line_is_never_answered() -> None:
    async def main() -> list[Response]:
        site = Site([keeps_silent], 0.1, False)
        client = await site.open()
        heard: list[Response] = []
        connecting, waiting = client.line(), client.line()
        waiting.ask(GET, heard.append)
        await asyncio.sleep(0.05)
        connecting.ask(GET, heard.append)
        connecting.drop()
        waiting.drop()
        await asyncio.sleep(0.2)
        assert client.sockets == 0
        await site.close()
        return heard

    assert uvloop.run(main()) == []


def test_every_connection_is_closed_in_the_end() -> None:
    async def main() -> tuple[int, int]:
        site = Site([keeps_silent, keeps_silent], 5.0, False)
        client = await site.open()
        for _ in range(2):
            client.line().ask(GET, lambda _: None)
        await asyncio.sleep(0.05)
        before = client.sockets
        await client.close()
        after = client.sockets
        await site.close()
        return before, after

    assert uvloop.run(main()) == (2, 0)


CERTIFICATE = str(Path(__file__).parent / "loopback.pem")
"""Key and certificate of 127.0.0.1, signed by itself, good for a hundred years and for nothing but this."""


@pytest.mark.parametrize(
    ("host", "authority", "status"),
    [("127.0.0.1", CERTIFICATE, 200), ("127.0.0.1", "", 0), ("127.0.0.2", CERTIFICATE, 0)],
    ids=["private-authority", "unknown-authority", "other-host"],
)
def test_certificates_are_verified(host: str, authority: str, status: int) -> None:
    async def main() -> Response:
        site = Site([says(OK)], 2.0, False)
        server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server_side.load_cert_chain(CERTIFICATE)
        client = await site.open(server_side)
        client.endpoint = Target("https", host, client.endpoint.port, ("127.0.0.1",)).endpoint(authority)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the server's refused handshake
        response = await ask(client.line(), GET)
        await site.close()
        return response

    response = uvloop.run(main())

    assert response.status == status
    assert response.failure == (None if status else Outcome.ERROR)
