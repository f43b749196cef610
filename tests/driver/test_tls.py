"""HTTPS against servers with certificates of an authority made here: verified, explained, and never waved through."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trustme
import uvloop
from test_client import GET, OK, Site, ask, says

from prakerja_load.driver.client import Client
from prakerja_load.driver.guard import Target, reach
from prakerja_load.driver.tls import client_context, read_authorities
from prakerja_load.driver.wire import RequestWriter
from prakerja_load.errors import HarnessError, UsageError
from prakerja_load.journey.step import Outcome, Response

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Town:
    """An authority, the certificates it gave out, and another authority that nobody knows."""

    def __init__(self) -> None:
        self.ca, self.stranger = trustme.CA(), trustme.CA()
        self.authorities = self.ca.cert_pem.bytes().decode()
        past = NOW - 2 * DAY
        self.papers = {
            "good": self.ca.issue_cert("localhost", "127.0.0.1"),
            "expired": self.ca.issue_cert("localhost", not_before=past, not_after=NOW - DAY),
            "early": self.ca.issue_cert("localhost", not_before=NOW + DAY, not_after=NOW + 2 * DAY),
            "elsewhere": self.ca.issue_cert("elsewhere.example"),
            "strange": self.stranger.issue_cert("localhost"),
        }

    def server_side(self, name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.papers[name].configure_cert(context)
        return context


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


WRONG = [
    ("expired", "it has expired"),
    ("early", "it is not valid yet"),
    ("elsewhere", "made out for another host"),
    ("strange", "an authority unknown here signed it; target.ca names"),
]


Script: TypeAlias = Callable[[ssl.SSLSocket], None]


class ThreadServer:
    """Shakes hands with whoever comes, one after another in a thread, then does what its script says and closes TCP."""

    def __init__(self, context: ssl.SSLContext, script: Script, hesitation: float) -> None:
        self.names: list[str] = []
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._context, self._script, self._hesitation = context, script, hesitation
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listening.accept()
                time.sleep(self._hesitation)
                with contextlib.suppress(OSError), plain, self._context.wrap_socket(plain, server_side=True) as secure:
                    self._script(secure)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


@pytest.fixture
def shaking(town: Town) -> Iterator[Callable[..., ThreadServer]]:
    opened: list[ThreadServer] = []

    def open_(name: str, script: Script = lambda _: None, hesitation: float = 0.0) -> ThreadServer:
        opened.append(ThreadServer(town.server_side(name), script, hesitation))
        return opened[-1]

    yield open_
    for server in opened:
        server.close()


def at(port: int, host: str = "localhost") -> Target:
    return Target("https", host, port, ("127.0.0.1",))


def test_a_target_with_a_good_certificate_is_reached_by_its_name(town: Town, shaking: Any) -> None:
    server = shaking("good")

    reach(at(server.port), authorities=town.authorities)

    assert server.names == ["localhost"]


@pytest.mark.parametrize(("name", "reason"), WRONG)
def test_what_is_wrong_with_a_certificate_is_said_before_the_first_request(
    town: Town, shaking: Any, name: str, reason: str
) -> None:
    server = shaking(name)

    with pytest.raises(HarnessError, match=reason) as refusal:
        reach(at(server.port), authorities=town.authorities)

    assert f"localhost:{server.port} was never reached: its certificate is not accepted" in str(refusal.value)


def test_an_authority_of_ones_own_is_believed_only_where_it_is_named(town: Town, shaking: Any) -> None:
    with pytest.raises(HarnessError, match=r"unknown here|signed by itself"):
        reach(at(shaking("good").port))


def test_a_target_that_speaks_no_tls_is_named_as_such(town: Town) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            plain, _ = listening.accept()
            with plain:
                plain.recv(1024)
                plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(HarnessError, match="the TLS handshake failed: "):
            reach(at(port), authorities=town.authorities)
        thread.join(5)


class Talk:
    """Two requests over one line to an HTTPS target, and how long each took."""

    def __init__(self, port: int, authorities: str) -> None:
        self.responses: list[Response] = []
        self.took: list[float] = []
        self.endpoint = at(port).endpoint(authorities)

    async def hold(self) -> Talk:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)  # a server's refused handshake
        self.client = Client(loop, self.endpoint, RequestWriter("a", "b"), time.perf_counter_ns, patience=3.0)
        line = self.client.line()
        for _ in range(2):
            started = time.perf_counter()
            self.responses.append(await ask(line, GET))
            self.took.append(time.perf_counter() - started)
        line.hang_up()
        await self.client.close()
        return self


def converse(site: Site, context: ssl.SSLContext, authorities: str) -> Talk:
    """Hold a talk with an asyncio server."""

    async def main() -> Talk:
        port = (await site.open(context)).endpoint.port
        talk = await Talk(port, authorities).hold()
        await site.close()
        return talk

    return uvloop.run(main())


def test_requests_go_over_one_verified_connection(town: Town) -> None:
    site = Site([says(OK, OK)], 2.0, False)

    talk = converse(site, town.server_side("good"), town.authorities)

    assert [response.body for response in talk.responses] == [b"ok", b"ok"]
    assert site.accepted == 1


@pytest.mark.parametrize(("name", "reason"), WRONG)
def test_a_certificate_that_is_not_accepted_is_an_error_with_its_reason_and_nothing_is_sent(
    town: Town, name: str, reason: str
) -> None:
    async def must_not_be_asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("a request over a connection that was not verified")

    site = Site([must_not_be_asked] * 2, 2.0, False)

    talk = converse(site, town.server_side(name), town.authorities)

    assert [response.failure for response in talk.responses] == [Outcome.ERROR] * 2
    (trouble,) = talk.client.troubles
    assert reason in trouble
    assert talk.client.troubles[trouble] == 2


def read_request(secure: ssl.SSLSocket) -> None:
    """Read one request without a body."""
    heard = b""
    while not heard.endswith(b"\r\n\r\n"):
        heard += secure.recv(4096)


def test_the_handshake_counts_in_the_time_of_the_first_request_and_of_no_other(town: Town, shaking: Any) -> None:
    def answers_twice(secure: ssl.SSLSocket) -> None:
        for _ in range(2):
            read_request(secure)
            secure.sendall(OK)

    server = shaking("good", answers_twice, hesitation=0.12)

    talk = uvloop.run(Talk(server.port, town.authorities).hold())

    assert [response.status for response in talk.responses] == [200, 200]
    assert talk.took[0] >= 0.12 > talk.took[1]


@pytest.mark.parametrize("says_farewell", [True, False])
def test_only_a_farewell_in_tls_ends_a_body_without_a_length(town: Town, shaking: Any, says_farewell: bool) -> None:
    """Anybody on the way can cut the TCP connection; half a body must not pass for a whole one."""

    def ends(secure: ssl.SSLSocket) -> None:
        read_request(secure)
        secure.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        if says_farewell:
            secure.unwrap()

    talk = uvloop.run(Talk(shaking("good", ends).port, town.authorities).hold())

    expected = (200, None) if says_farewell else (0, Outcome.ERROR)
    assert [(response.status, response.failure) for response in talk.responses] == [expected] * 2


@pytest.mark.parametrize("content", ["", "not a certificate", None], ids=["empty", "rubbish", "missing"])
def test_a_file_that_holds_no_authority_is_refused_by_its_key(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(UsageError, match=r"target\.ca: got .*ca\.pem, allowed: a file of certificates in PEM form"):
        read_authorities(str(path))


def test_certificates_are_checked_by_default() -> None:
    context = client_context()

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
