"""The client against a server that does, byte by byte, what its script says."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import ssl
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import pytest
import uvloop
from msgspec.structs import replace

from prakerja_load.driver.client import Client, Endpoint, Line
from prakerja_load.driver.connection import HEADS_KEPT
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
        await drip_once(reader, writer, answer, size)
        await reader.read()

    return script


async def drip_once(reader: Reader, writer: Writer, answer: bytes, size: int) -> None:
    """Answer one request in pieces."""
    await take(reader)
    for start in range(0, len(answer), size):
        writer.write(answer[start : start + size])
        await writer.drain()
        await asyncio.sleep(0)


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


async def ask_as_registrants_do(line: Line, request: Request) -> list[Response]:
    """Ask again what may be asked again; return every response."""
    responses = [await ask(line, request)]
    while responses[-1].may_be_sent_again:
        responses.append(await ask(line, request))
    return responses


def talk(
    scripts: Sequence[Script], *requests: Request, patience: float = 2.0, is_reusing: bool = False, settle: bool = True
) -> tuple[list[Response], Site]:
    """Ask over one line; `settle` lets what the server does in between arrive."""
    site = Site(scripts, patience, is_reusing)

    async def main() -> list[Response]:
        line = (await site.open()).line()
        responses = []
        for request in requests:
            responses += await ask_as_registrants_do(line, request)
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


@pytest.mark.parametrize("head", [b"204 No Content", b"304 Not Modified\r\ncontent-length: 9\r\netag: 1"])
def test_an_answer_without_a_body_is_complete(head: bytes) -> None:
    responses, site = talk([says(b"HTTP/1.1 " + head + b"\r\n\r\n", OK)], POST, GET)

    assert [response.status for response in responses] == [int(head[:3]), 200]
    assert site.accepted == 1


HEAD = Request(STEP, "HEAD", "/x")


@pytest.mark.parametrize("size", [1, 9, 1000])
@pytest.mark.parametrize("fields", [b"content-length: 9", b"transfer-encoding: chunked", b"content-length: 0"])
def test_an_answer_to_head_is_over_with_its_head(fields: bytes, size: int) -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await drip_once(reader, writer, b"HTTP/1.1 103 Hint\r\n\r\nHTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n", size)
        await says(OK)(reader, writer)

    responses, site = talk([script], HEAD, GET)

    assert [(response.status, response.body) for response in responses] == [(200, b""), (200, b"ok")]
    assert site.accepted == 1


def test_a_body_after_an_answer_to_head_is_malformed() -> None:
    responses, _ = talk([says(OK), says(OK)], HEAD, GET)

    assert responses[0].failure == Outcome.MALFORMED
    assert responses[1].status == 200


PACKED = gzip.compress(b'{"a": 1}' * 50)


def packed(body: bytes, coding: bytes = b"gzip") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\ncontent-length: %d\r\n\r\n%s" % (coding, len(body), body)


WANTS_GZIP = replace(GET, headers=(("accept-encoding", "gzip"),))


@pytest.mark.parametrize("size", [7, 1 << 20])
@pytest.mark.parametrize(
    "answer",
    [
        packed(PACKED),
        packed(PACKED, b"x-gzip"),
        packed(b'{"a": 1}' * 50, b"identity"),
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(PACKED), PACKED),
        packed(gzip.compress(b'{"a": 1}' * 20) + gzip.compress(b'{"a": 1}' * 30)),
    ],
    ids=["gzip", "x-gzip", "identity", "chunked", "two-members"],
)
def test_a_packed_body_is_unpacked(answer: bytes, size: int) -> None:
    (response,), _ = talk([drips(answer, size)], WANTS_GZIP)

    assert (response.status, response.body) == (200, b'{"a": 1}' * 50)


@pytest.mark.parametrize(
    "answer",
    [
        packed(PACKED[:-9]),
        packed(PACKED + b"more"),
        packed(b"not packed"),
        packed(PACKED, b"br"),
        packed(gzip.compress(bytes(9_000_000))),
    ],
    ids=["cut-short", "followed", "not-gzip", "not-asked-for", "bomb"],
)
def test_a_body_that_is_not_what_its_coding_says_is_malformed(answer: bytes) -> None:
    responses, site = talk([says(answer), says(OK)], WANTS_GZIP, GET)

    assert responses[0].failure == Outcome.MALFORMED
    assert responses[1].status == 200
    assert site.accepted == 2


def test_a_change_of_protocol_that_nobody_asked_for_is_malformed() -> None:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
    responses, _ = talk([says(upgrade), says(OK)], GET, GET)

    assert responses[0].failure == Outcome.MALFORMED
    assert responses[1].status == 200


def test_a_body_of_very_many_pieces_costs_no_more_than_its_bytes() -> None:
    chunks = b"1\r\nx\r\n" * 200_000
    answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    (response,), _ = talk([drips(answer, 1 << 20)], GET)

    assert response.body == b"x" * 200_000


def test_a_server_that_closes_is_connected_to_again() -> None:
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    responses, site = talk([says(closing), says(OK)], GET, POST)

    assert [response.status for response in responses] == [200, 200]
    assert site.accepted == 2


@pytest.mark.parametrize("request_", [GET, KEYED, POST])
def test_an_idle_connection_that_is_seen_to_have_closed_is_replaced_unnoticed(request_: Request) -> None:
    responses, site = talk([says(OK), says(OK)], GET, request_)

    assert [response.status for response in responses] == [200, 200]
    assert site.accepted == 2


@pytest.mark.parametrize("request_", [GET, KEYED])
def test_a_request_that_meets_the_close_of_an_idle_connection_may_be_sent_again(request_: Request) -> None:
    responses, site = talk([says(OK), says(OK)], GET, request_, settle=False)

    assert [response.status for response in responses] in ([200, 0, 200], [200, 200])  # the close may be heard of first
    assert site.accepted == 2


async def _answers_once_then_resets(reader: Reader, writer: Writer) -> None:
    await says(OK)(reader, writer)
    await resets(reader, writer)


PUT = Request(STEP, "PUT", "/x", b"{}")


@pytest.mark.parametrize(("request_", "status"), [(GET, 200), (HEAD, 200), (PUT, 200), (KEYED, 200), (POST, 0)])
def test_a_request_that_dies_with_its_connection_has_failed_and_only_what_does_no_harm_may_be_sent_again(
    request_: Request, status: int
) -> None:
    again = OK if request_ is not HEAD else OK[:-2]
    (_, failed, *rest), _ = talk([_answers_once_then_resets, says(again)], GET, request_)

    assert (failed.failure, failed.status) == (Outcome.ERROR, 0)
    assert failed.may_be_sent_again == bool(status)
    assert [response.status for response in rest] == [status] * bool(status)


@pytest.mark.parametrize("is_reusing", [False, True])
def test_it_may_be_sent_again_once_and_not_once_more(is_reusing: bool) -> None:
    responses, site = talk([_answers_once_then_resets, resets, says(OK)], GET, GET, is_reusing=is_reusing)

    assert [response.failure for response in responses] == [None, Outcome.ERROR, Outcome.ERROR]
    assert [response.may_be_sent_again for response in responses] == [False, True, False]
    assert site.accepted == 2


def test_what_is_sent_again_gets_a_new_connection_and_none_that_may_be_dead_as_well() -> None:
    async def main() -> list[Response]:
        site = Site([_answers_once_then_resets, _answers_once_then_resets, says(OK)], 2.0, is_reusing=True)
        client = await site.open()
        first, second = client.line(), client.line()
        await asyncio.gather(ask(first, GET), ask(second, GET))  # leaves two connections to be used again
        responses = await ask_as_registrants_do(first, GET)
        await site.close()
        return responses

    assert [response.status for response in uvloop.run(main())] == [0, 200]


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


class Scarce:
    """A loop on a machine that has no port left for the first attempts."""

    def __init__(self, loop: asyncio.AbstractEventLoop, failures: int, number: int) -> None:
        self._loop, self.failures, self._number = loop, failures, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise OSError(self._number, os.strerror(self._number))
        return await self._loop.create_connection(*arguments, **options)


def ask_where_ports_are_scarce(failures: int, number: int, patience: float) -> tuple[Response, Client]:
    async def main() -> tuple[Response, Client]:
        site = Site([says(OK)], patience, False)
        client = await site.open()
        client.loop = Scarce(client.loop, failures, number)  # type: ignore[assignment]
        response = await ask(client.line(), POST)
        await site.close()
        return response, client

    return uvloop.run(main())


@pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENOBUFS])
def test_a_machine_without_ports_is_counted_and_asked_again(number: int) -> None:
    response, client = ask_where_ports_are_scarce(2, number, 2.0)

    assert response.status == 200
    assert client.exhausted == 2


def test_a_machine_that_stays_without_ports_is_a_timeout_that_says_so_and_no_error_of_the_system() -> None:
    response, client = ask_where_ports_are_scarce(1_000_000, errno.EADDRNOTAVAIL, 0.2)

    assert response.failure == Outcome.TIMEOUT
    assert client.exhausted >= 3
    assert client.troubles["this machine: cannot assign requested address"] == client.exhausted


def test_a_refused_connection_is_the_systems_and_not_this_machines() -> None:
    response, client = ask_where_ports_are_scarce(1, errno.ECONNREFUSED, 2.0)

    assert response.failure == Outcome.ERROR
    assert client.exhausted == 0
    assert client.troubles == {"connection refused": 1}


def test_connections_come_from_the_source_addresses_in_turn() -> None:
    sources = ("127.0.0.2", "127.0.0.3")
    seen: list[str] = []

    async def looks(reader: Reader, writer: Writer) -> None:
        seen.append(writer.get_extra_info("peername")[0])
        await says(OK)(reader, writer)

    async def main() -> list[int]:
        site = Site([looks] * 4, 2.0, False)
        client = await site.open()
        client.endpoint = client.endpoint.coming_from(sources)
        statuses = [(await ask(client.line(), GET)).status for _ in range(4)]
        await site.close()
        return statuses

    assert uvloop.run(main()) == [200] * 4
    assert sorted(seen) == sorted(sources * 2)


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


@pytest.mark.parametrize("size", [1, 9, 1000])
@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"], ids=["plain", "interim"])
def test_headers_come_with_the_answer_to_who_asked_for_them(size: int, before: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\ncontent-length: 0\r\nset-cookie: b=2\r\n\r\n"
    (response,), _ = talk([drips(before + answer, size)], replace(GET, wants_headers=True))

    assert response.headers == (("set-cookie", "a=1"), ("content-length", "0"), ("set-cookie", "b=2"))


def test_headers_do_not_come_unasked() -> None:
    responses, _ = talk([says(OK, OK, OK)], GET, replace(GET, wants_headers=True), GET)

    assert [response.headers for response in responses] == [(), (("content-length", "2"),), ()]


@pytest.mark.parametrize("size", [16, 1000])
def test_a_body_cut_short_after_an_interim_answer_is_an_error(size: int) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    cut = interim + b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"

    async def script(reader: Reader, writer: Writer) -> None:
        await take(reader)
        for start in range(0, len(cut), size):
            writer.write(cut[start : start + size])
            await asyncio.sleep(0.005)

    (response,), _ = talk([script], GET)

    assert response.failure == Outcome.ERROR


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


# what is remembered of heads


def with_length(body: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"content-length: %d" % len(body), b"", body])


def test_an_answer_whose_head_came_before_has_a_body_of_its_own() -> None:
    bodies = [b"ok", b"no", b"ok!", b"", b"so", b""]
    responses, site = talk([says(*map(with_length, bodies))], *[GET] * len(bodies))

    assert [(response.status, response.body) for response in responses] == [(200, body) for body in bodies]
    assert site.accepted == 1
    assert len(site.client.heads) == len(set(map(len, bodies)))


@pytest.mark.parametrize("size", [1, 7, 38, 39])
def test_an_answer_whose_head_came_before_may_come_in_pieces(size: int) -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await take(reader)
        writer.write(with_length(b"all of it"))
        await drip_once(reader, writer, with_length(b"and again"), size)
        await says(with_length(b"and later"))(reader, writer)

    responses, _ = talk([script], GET, GET, GET)

    assert [response.body for response in responses] == [b"all of it", b"and again", b"and later"]


@pytest.mark.parametrize(
    ("second", "failure"), [(OK + b"x", Outcome.MALFORMED), (OK + OK, Outcome.MALFORMED), (OK[:-1], Outcome.ERROR)]
)
def test_more_or_less_than_a_head_states_is_seen_though_the_head_came_before(second: bytes, failure: Outcome) -> None:
    responses, _ = talk([says(OK, second)], GET, POST)

    assert [response.failure for response in responses] == [None, failure]


def test_headers_and_waits_are_read_from_a_head_that_came_before() -> None:
    shed = b"HTTP/1.1 503 No\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n"
    plain = with_length(b"ok", b"a: b")
    curious = replace(GET, wants_headers=True)
    responses, _ = talk([says(plain, plain, shed, shed)], GET, curious, GET, GET)

    assert responses[1].headers == (("a", "b"), ("content-length", "2"))
    assert [response.retry_after for response in responses[2:]] == [3, 3]


def test_a_head_that_closes_closes_every_time_it_comes() -> None:
    last = with_length(b"ok", b"connection: close")
    responses, site = talk([says(last, OK)] * 3, GET, GET, GET)

    assert [response.body for response in responses] == [b"ok"] * 3
    assert site.accepted == 3


def test_the_heads_that_are_remembered_are_few() -> None:
    count = HEADS_KEPT + 10
    answers = [with_length(b"ok", b"x: %d" % number) for number in range(count)]
    responses, site = talk([says(*answers)], *[GET] * count, settle=False)

    assert [response.body for response in responses] == [b"ok"] * count
    assert 0 < len(site.client.heads) <= HEADS_KEPT
