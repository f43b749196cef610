"""The exploratory locustfile under the guard: the checked address, the scenario's authority, and consent."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from ramp_rig import KEY
from stock_rig import counts, finish, locust
from tiny_system import TinySystem

from prakerja_load.driver.guard import token_of

NAME = "registration.example"
LOCUSTFILE = f"""
import socket

from prakerja_load.driver import guard
from prakerja_load.driver.exploratory import Explorer

looked_up = []
resolve = socket.getaddrinfo


def resolve_once(host, *rest, **options):
    if host != "{NAME}":
        return resolve(host, *rest, **options)
    looked_up.append(host)
    assert len(looked_up) == 1, "the name was looked up again"
    return resolve("127.0.0.1", *rest, **options)


socket.getaddrinfo = resolve_once
guard.is_loopback = lambda address: False


class Exploration(Explorer):
    pass
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[TinySystem]:
    """Yield a system that is on another machine as far as the guard knows, and consents."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(NAME).configure_cert(context)
    system = TinySystem(0.0, context)
    system.consent = {
        "token": token_of(KEY, NAME, system.port),
        "max_rps": 100,
        "contact": "ops@x",
        "not_before": "2020-01-01T00:00:00+00:00",
        "not_after": "2999-01-01T00:00:00+00:00",
    }
    yield system
    system.close()


def explore(folder: Path, system: TinySystem) -> subprocess.Popen[str]:
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    target = f"""
[target]
authorized_by = "Ibu Sari, PMO"
ca = "{folder / "ca.pem"}"
"""
    where = ("-f", str(folder / "locustfile.py"), "--host", f"https://{NAME}:{system.port}")
    return locust(folder, "--headless", "-u", "2", *where, more=target)


def test_it_plays_at_the_checked_address_until_the_consent_is_gone(
    elsewhere: TinySystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRAKERJA_PROJECT_KEY", KEY)
    process = explore(tmp_path, elsewhere)
    deadline = time.monotonic() + 40
    while elsewhere.served < 60 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    elsewhere.consent = None
    withdrawn = time.monotonic()
    while process.poll() is None and time.monotonic() < withdrawn + 5.0:
        time.sleep(0.05)
    served = elsewhere.served
    code, said = finish(process)

    assert code == 2, said
    assert "authorisation withdrawn" in said
    assert elsewhere.served == served >= 60
    assert len((tmp_path / "out_failures.csv").read_text().splitlines()) == 1  # no more than its head
    assert counts(tmp_path)["14 read-status"] > 0


def test_without_consent_it_ends_at_once(
    elsewhere: TinySystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRAKERJA_PROJECT_KEY", "another")
    code, said = finish(explore(tmp_path, elsewhere))

    assert code == 2, said
    assert "not made with this project's key" in said
    assert elsewhere.served <= 2  # each user asked for the file
