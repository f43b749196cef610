"""Bytes that are nearly HTTP, over a real socket: no crash, no hang, and a valid request is answered afterwards."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator

import pytest
from server_process import ServerProcess

WAIT = 10.0  # seconds until silence is a hang
SEEDS = range(12)
MUTANTS = 25  # of each seed
LOG_IN = json.dumps({"email": "nobody@example.com", "password": "not-a-real-one"}).encode()
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
WHOLE = POST + b"Content-Length: %d\r\n\r\n" % len(LOG_IN) + LOG_IN
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(LOG_IN), LOG_IN)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
PIECES = [
    b"\x00",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\xff\xfe",
    b": ",
    b"HTTP/1.1",
    b"Content-Length: 5\r\n",
    b"%00",
    b"0\r\n",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    started = ServerProcess(tmp_path_factory.mktemp("raw") / "store.db")
    yield started
    started.end()


def connect(server: ServerProcess) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=WAIT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def everything_from(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection; a time-out is a hang and fails."""
    received = []
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65_536):
            received.append(piece)
    return b"".join(received)


def exchange(server: ServerProcess, content: bytes) -> bytes:
    """Send bytes, end the sending side, and return the whole answer."""
    with connect(server) as connection:
        with contextlib.suppress(OSError):  # the server may have ended it by then
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
        return everything_from(connection)


def statuses(answer: bytes) -> list[int]:
    """Return the status codes of the responses in an answer, each told by its own Content-Length."""
    found = []
    while answer:
        head, end, rest = answer.partition(b"\r\n\r\n")
        assert end, answer[:100]
        lines = head.split(b"\r\n")
        assert lines[0].startswith(b"HTTP/1.1 "), answer[:100]
        found.append(int(lines[0].split()[1]))
        if found[-1] == 100:
            answer = rest
            continue
        (length,) = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")]
        assert len(rest) >= length
        answer = rest[length:]
    return found


def assert_lives(server: ServerProcess) -> None:
    assert server.process.poll() is None, server.log.read_text()
    with connect(server) as connection:
        connection.sendall(GET)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def mutant(content: bytes, source: random.Random) -> bytes:
    """Return the bytes with one to four things changed, removed, doubled or put in."""
    changed = bytearray(content)
    for _ in range(source.randint(1, 4)):
        at, length = source.randrange(len(changed) + 1), source.randint(1, 12)
        match source.randrange(5):
            case 0:
                changed[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                changed[at:at] = source.choice(PIECES)
            case _:
                changed[at:at] = source.randbytes(length)
    return bytes(changed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mutated_request_is_answered_or_the_connection_ends(server: ServerProcess, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(MUTANTS):
        content = mutant(source.choice([GET, WHOLE, CHUNKED, GET + WHOLE, CHUNKED + GET]), source)
        answer = exchange(server, content)
        assert all(status < 500 for status in statuses(answer)), (seed, content)
    assert_lives(server)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1_000, 1_100))
def test_many_mutated_requests(server: ServerProcess, seed: int) -> None:
    test_a_mutated_request_is_answered_or_the_connection_ends(server, seed)


@pytest.mark.parametrize("content", [GET, WHOLE, CHUNKED], ids=["get", "whole", "chunked"])
def test_a_request_split_at_any_byte_is_answered_as_in_one_piece(server: ServerProcess, content: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(content)
        expected = statuses(connection.recv(65_536))
        for at in range(1, len(content)):
            connection.sendall(content[:at])
            connection.sendall(content[at:])
            assert statuses(connection.recv(65_536)) == expected, at
    assert_lives(server)


def test_a_request_sent_byte_by_byte_is_answered(server: ServerProcess) -> None:
    with connect(server) as connection:
        for byte in CHUNKED:
            connection.sendall(bytes([byte]))
        assert statuses(connection.recv(65_536)) == [401]


def test_pipelined_requests_are_answered_in_their_order(server: ServerProcess) -> None:
    missing = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connect(server) as connection:
        connection.sendall((GET + missing + WHOLE + CHUNKED) * 50 + last)
        answer = everything_from(connection)
    assert statuses(answer) == [200, 404, 401, 401] * 50 + [200]


HEADS = {
    "one-long-header": GET[:-2] + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "many-headers": GET[:-2] + b"X: a\r\n" * 100_000 + b"\r\n",
    "long-target": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long-method": b"G" * 1_000_000 + b" / HTTP/1.1\r\n\r\n",
    "endless-header-name": GET[:-2] + b"X" * 1_000_000,
}


@pytest.mark.parametrize("name", HEADS)
def test_a_huge_head_is_refused_before_it_is_taken(server: ServerProcess, name: str) -> None:
    with connect(server) as connection:
        connection.sendall(HEADS[name])  # all of it, though it is refused long before its end
        (status,) = statuses(everything_from(connection))
    assert status == (400 if name == "long-method" else 431)
    assert_lives(server)


def test_a_body_refused_for_its_length_may_be_sent_to_its_end_and_the_reply_is_there(server: ServerProcess) -> None:
    body = b"x" * 6_000_000
    with connect(server) as connection:
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 100_000):
            connection.sendall(body[start : start + 100_000])
        assert statuses(everything_from(connection)) == [413]
    assert_lives(server)


BROKEN = {
    "no-size": b"\r\nabc\r\n0\r\n\r\n",
    "not-hexadecimal": b"xyz\r\nabc\r\n0\r\n\r\n",
    "negative": b"-1\r\nabc\r\n0\r\n\r\n",
    "larger-than-64-bits": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "more-than-said": b"2\r\nabcdef\r\n0\r\n\r\n",
    "no-end-of-chunk": b"3\r\nabcXX0\r\n\r\n",
    "nul": b"\x003\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_chunk_ends_the_connection(server: ServerProcess, name: str) -> None:
    answer = exchange(server, POST + b"Transfer-Encoding: chunked\r\n\r\n" + BROKEN[name] + SMUGGLED)
    assert set(statuses(answer)) <= {400}
    assert_lives(server)


TWO = b"Content-Length: %d\r\n" % len(LOG_IN)
SMUGGLING = {
    "length-and-chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-and-length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two-lengths": POST + TWO + b"Content-Length: 0\r\n\r\n" + LOG_IN,
    "two-equal-lengths": POST + TWO + TWO + b"\r\n" + LOG_IN,
    "length-of-two": POST + b"Content-Length: 5, 5\r\n\r\nabcde",
    "signed-length": POST + b"Content-Length: +5\r\n\r\nabcde",
    "length-in-hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nabcde",
    "huge-length": POST + b"Content-Length: 99999999999999999999\r\n\r\nabcde",
    "blank-before-colon": POST + b"Content-Length : 5\r\n\r\nabcde",
    "chunked-not-last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "unknown-coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "folded-header": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "nul-in-header": POST + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "nul-in-target": b"GET /health\x00z HTTP/1.1\r\nHost: x\r\n\r\n",
    "line-feed-in-header": POST + b"X: a\rContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_a_request_of_unclear_length_ends_the_connection(server: ServerProcess, name: str) -> None:
    """Nothing after it is ever read as a request of its own: one answer at most, and that a refusal."""
    answer = exchange(server, SMUGGLING[name] + SMUGGLED)
    assert statuses(answer) in ([400], []), answer
    assert b"404" not in answer[:12]
    assert_lives(server)
