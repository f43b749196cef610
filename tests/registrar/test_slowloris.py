"""Clients that send too slowly: each is cut off within the stated time, and nobody else waits for them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from server_process import ServerProcess

READ_TIMEOUT = 1.5  # seconds, `--read-timeout`
LATEST = READ_TIMEOUT + 3.0  # the server looks every quarter of it; the rest is a busy machine's
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"GET /healthz HTTP/1.1\r\nHost: a-name-that-takes-a-while\r\nX-Header: "
BODY = b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"
CHUNKS = BODY.replace(b"Content-Length: 90", b"Transfer-Encoding: chunked").removesuffix(b"{") + b"5a\r\n{"
SILENT = {"nothing": b"", "part-of-a-head": HEAD, "part-of-a-body": BODY, "part-of-a-chunk": CHUNKS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    database = tmp_path_factory.mktemp("slow") / "store.db"
    started = ServerProcess(database, "--read-timeout", str(READ_TIMEOUT))
    yield started
    started.end()


def connect(server: ServerProcess) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def cut_off_after(connection: socket.socket, drip: bytes = b"") -> tuple[float, bytes]:
    """Return the seconds until the server ends the connection, while `drip` is sent again and again, and its answer."""
    started, received = time.monotonic(), b""
    connection.settimeout(0.2)
    while time.monotonic() - started < 2 * LATEST:
        try:
            piece = connection.recv(65_536)
            if not piece:
                break
            received += piece
        except TimeoutError:
            with contextlib.suppress(ConnectionError):
                connection.sendall(drip)
        except ConnectionError:
            break
    return time.monotonic() - started, received


@pytest.mark.parametrize("name", SILENT)
def test_a_client_that_falls_silent_is_cut_off(server: ServerProcess, name: str) -> None:
    with connect(server) as connection:
        connection.sendall(SILENT[name])
        seconds, answer = cut_off_after(connection)
    assert READ_TIMEOUT * 0.5 < seconds < LATEST
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(("name", "start"), [("head", HEAD), ("body", BODY)])
def test_a_client_that_drips_is_cut_off_all_the_same(server: ServerProcess, name: str, start: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(start)
        seconds, answer = cut_off_after(connection, b"a")
    assert READ_TIMEOUT * 0.5 < seconds < LATEST
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_keeps_a_fair_pace_is_not_cut_off(server: ServerProcess) -> None:
    with connect(server) as connection:
        connection.sendall(BODY)
        started = time.monotonic()
        for byte in b" " * 88 + b"}":
            connection.sendall(bytes([byte]))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 422 ")
        assert time.monotonic() - started < READ_TIMEOUT


def test_a_crowd_of_slow_clients_delays_nobody(server: ServerProcess) -> None:
    slow = [connect(server) for _ in range(300)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall((HEAD, BODY, CHUNKS)[number % 3])
        with connect(server) as quick:
            waits = []
            for _ in range(50):
                started = time.monotonic()
                quick.sendall(GET)
                assert quick.recv(65_536).startswith(b"HTTP/1.1 200 ")
                waits.append(time.monotonic() - started)
        assert sorted(waits)[25] < 0.25
        ends = [threading.Thread(target=cut_off_after, args=(connection,)) for connection in slow]
        started = time.monotonic()
        for thread in ends:
            thread.start()
        for thread in ends:
            thread.join(2 * LATEST)
        assert time.monotonic() - started < LATEST
    finally:
        for connection in slow:
            connection.close()
    assert server.process.poll() is None
