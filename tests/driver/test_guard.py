"""What may be put under load."""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from prakerja_load.driver import guard
from prakerja_load.driver.guard import CONSENT_PATH, PROJECT_KEY, Target, check_consent, is_loopback, parse_target
from prakerja_load.errors import AuthorizationError, HarnessError

NOW = datetime.datetime(2020, 8, 1, 12, tzinfo=datetime.UTC)
REMOTE = Target("https", "staging.example", 443, ("192.0.2.7",))
KEY = "project key"
CONSENT = {
    "token": guard.token_of(KEY, "staging.example", 443),
    "max_rps": 500,
    "not_before": "2020-08-01T00:00:00+07:00",
    "not_after": "2020-08-02T00:00:00+07:00",
    "contact": "ops@staging.example",
}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("126.255.255.255", False),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", False),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("fe80::1%eth0", False),
        ("localhost", False),
        ("2130706433", False),
        ("", False),
    ],
)
def test_loopback_is_127_and_1_and_nothing_else(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


@pytest.mark.parametrize(
    "host",
    [
        "prakerja.go.id",
        "dashboard.prakerja.go.id",
        "DASHBOARD.Prakerja.GO.ID",
        "www.prakerja.go.id.",
        "www。prakerja．go｡id",
        "ｗｗｗ.ｐｒａｋｅｒｊａ.go.id",
        "a.b.c.prakerja.go.id",
        "pra\u00adkerja.go.id",
    ],
)
def test_the_real_system_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(AuthorizationError, match="never"):
        parse_target(f"https://{host}/")
    with pytest.raises(AuthorizationError, match="never"):
        guard.authorize(f"http://{host}:8080", authorized_by="the minister")


@pytest.mark.parametrize("host", ["notprakerja.go.id", "prakerja.go.id.example", "prakerja.example"])
def test_other_hosts_are_not_mistaken_for_the_real_system(host: str) -> None:
    assert parse_target(f"http://{host}:81") == ("http", host, 81)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1",
        "127.0.0.1:80",
        "http://",
        "http://user:word@127.0.0.1",
        "http://127.0.0.1:0",
        "http://a:99999",
    ],
)
def test_what_is_no_target_is_refused(url: str) -> None:
    with pytest.raises(AuthorizationError, match="a target is"):
        parse_target(url)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://127.0.0.1", ("http", "127.0.0.1", 80)),
        ("https://[::1]/", ("https", "::1", 443)),
        ("http://LOCALHOST:8020", ("http", "localhost", 8020)),
    ],
)
def test_a_target_is_read_from_its_url(url: str, parts: tuple[str, str, int]) -> None:
    assert parse_target(url) == parts


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        (Target("http", "localhost", 8020, ()), "localhost:8020"),
        (Target("https", "x.example", 443, ()), "x.example"),
        (Target("http", "::1", 81, ()), "[::1]:81"),
    ],
)
def test_the_host_header_names_the_target_as_its_url_does(target: Target, authority: str) -> None:
    assert target.authority == authority


def test_loopback_needs_no_consent() -> None:
    target = guard.authorize("http://127.0.0.1:9")

    assert target.addresses == ("127.0.0.1",)
    assert target.endpoint().tls is None


def test_one_foreign_address_among_its_own_makes_a_target_foreign() -> None:
    assert not Target("http", "both.example", 80, ("127.0.0.1", "192.0.2.7")).is_loopback


def test_consent_that_fits_is_returned() -> None:
    consent = check_consent(json.dumps(CONSENT).encode(), REMOTE, KEY, 500.0, NOW)

    assert consent.contact == "ops@staging.example"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"token": guard.token_of("another key", "staging.example", 443)}, "token"),
        ({"token": guard.token_of(KEY, "staging.example", 8443)}, "token"),
        ({"token": guard.token_of(KEY, "other.example", 443)}, "token"),
        ({"token": ""}, "token"),
        ({"token": "é"}, "token"),
        ({"max_rps": 499.9}, "requests/s"),
        ({"max_rps": 0}, "requests/s"),
        ({"not_after": "2020-08-01T11:59:59+00:00"}, "only"),
        ({"not_before": "2020-08-01T12:00:01+00:00"}, "only"),
        ({"not_before": "2020-08-01T00:00:00"}, "time zone"),
        ({"not_after": "tomorrow"}, "not an authorisation file"),
        ({"max_rps": "many"}, "not an authorisation file"),
        ({"contact": None}, "not an authorisation file"),
    ],
)
def test_consent_that_does_not_fit_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AuthorizationError, match=complaint):
        check_consent(json.dumps({**CONSENT, **changes}).encode(), REMOTE, KEY, 500.0, NOW)


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b"null", b"\xff\xfe", b'{"token": "x"}'])
def test_what_is_no_authorisation_file_is_refused(document: bytes) -> None:
    with pytest.raises(AuthorizationError, match="not an authorisation file"):
        check_consent(document, REMOTE, KEY, 1.0, NOW)


def test_a_planned_rate_that_is_no_number_is_refused() -> None:
    with pytest.raises(AuthorizationError, match="requests/s"):
        check_consent(json.dumps(CONSENT).encode(), REMOTE, KEY, float("nan"), NOW)


class Owner:
    """A target's own web server, reached by an address that counts as foreign here."""

    def __init__(self) -> None:
        owner = self
        self.status, self.consent = 200, dict(CONSENT)
        self.asked: list[tuple[str, str | None]] = []

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append((self.path, self.headers["Host"]))
                body = json.dumps(owner.consent).encode()
                self.send_response(owner.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Page)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.consent["token"] = guard.token_of(KEY, "staging.example", self.port)
        self.consent["not_after"] = "2999-01-01T00:00:00+00:00"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    opened = Owner()
    monkeypatch.setenv(PROJECT_KEY, KEY)
    monkeypatch.setattr(guard, "is_loopback", lambda address: False)
    answer = [(2, 1, 6, "", ("127.0.0.1", opened.port))]
    monkeypatch.setattr(guard.socket, "getaddrinfo", lambda *_, **__: answer)
    yield opened
    opened.close()


def authorize(owner: Owner, planned: float = 1.0, by: str | None = "Ibu Sari, PMO") -> Target:
    return guard.authorize(f"http://staging.example:{owner.port}", authorized_by=by, planned=planned)


def test_a_target_that_consents_is_connected_to_at_the_address_that_was_checked(owner: Owner) -> None:
    target = authorize(owner)

    assert target.endpoint().address == "127.0.0.1"
    assert owner.asked == [(CONSENT_PATH, f"staging.example:{owner.port}")]


def test_a_target_that_took_its_file_away_is_refused(owner: Owner) -> None:
    target = authorize(owner)
    owner.status = 404

    with pytest.raises(AuthorizationError, match="404"):
        guard.recheck(target, authorized_by="Ibu Sari, PMO", planned=1.0)


@pytest.mark.parametrize("by", [None, ""])
def test_somebody_must_have_allowed_it(owner: Owner, by: str | None) -> None:
    with pytest.raises(AuthorizationError, match="authorized_by"):
        authorize(owner, by=by)
    assert owner.asked == []


def test_without_the_project_key_nothing_is_allowed(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROJECT_KEY)

    with pytest.raises(AuthorizationError, match=PROJECT_KEY):
        authorize(owner)


def test_a_run_above_the_ceiling_of_the_target_is_refused(owner: Owner) -> None:
    with pytest.raises(AuthorizationError, match="501 requests/s"):
        authorize(owner, planned=501.0)


def test_a_redirected_file_is_no_consent(owner: Owner) -> None:
    owner.status = 302

    with pytest.raises(AuthorizationError, match="302"):
        authorize(owner)


def test_an_alias_of_the_real_system_is_refused(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    alias = [(2, 1, 6, "www.prakerja.go.id", ("127.0.0.1", owner.port))]
    monkeypatch.setattr(guard.socket, "getaddrinfo", lambda *_, **__: alias)

    with pytest.raises(AuthorizationError, match="alias"):
        authorize(owner)


def test_a_name_without_an_address_cannot_be_put_under_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no such name")

    monkeypatch.setattr(guard.socket, "getaddrinfo", fail)

    with pytest.raises(HarnessError, match=r"nowhere\.example cannot be resolved"):
        guard.authorize("http://nowhere.example")


def test_a_target_where_nobody_listens_was_never_reached() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port

    with pytest.raises(HarnessError, match="never reached"):
        guard.reach(Target("http", "127.0.0.1", port, ("127.0.0.1",)))
