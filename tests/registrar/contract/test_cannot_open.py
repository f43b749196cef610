"""A PostgreSQL that cannot be opened: one sentence that names it, shows no password and says why; status 2."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from asgi import in_loop
from stores import laboratory_on

from prakerja_load.errors import UsageError
from prakerja_load.registrar.store import postgresql
from prakerja_load.registrar.store.address import parse

SECRET = "sangat-rahasia"
ON_SERVER = [pytest.param("postgresql", marks=pytest.mark.postgresql)]


def started(database: str) -> str:
    """Start a registrar that cannot be; return what it says, which is one line, and look that it ends with status 2."""
    command = [sys.executable, "-m", "prakerja_load.registrar", "--database", database]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1
    assert SECRET not in ended.stderr
    return ended.stderr


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_a_port_that_nobody_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said = started(f"postgresql://nobody:{SECRET}@127.0.0.1:{port}/none")
    assert said.startswith(f"--database: cannot open postgresql://nobody@127.0.0.1:{port}/none: ")
    assert "refused" in said


def test_a_host_that_takes_connections_and_never_answers(deaf_port: int) -> None:
    began = time.monotonic()
    said = started(f"postgresql://nobody:{SECRET}@127.0.0.1:{deaf_port}/none")
    assert time.monotonic() - began < 20  # given up after 5 s; the rest is what a crowded machine may take
    assert said.startswith(f"--database: cannot open postgresql://nobody@127.0.0.1:{deaf_port}/none: ")
    assert "timeout" in said


def test_a_name_that_no_host_has() -> None:
    said = started(f"postgresql://nobody:{SECRET}@no-such-host.invalid/none")
    assert said.startswith("--database: cannot open postgresql://nobody@no-such-host.invalid/none: failed to resolve")


@pytest.mark.parametrize("store", ON_SERVER, indirect=True)
def test_a_database_that_is_not_there(database: str) -> None:
    said = started(database.replace("/store", "/no_store").replace("postgres@", f"postgres:{SECRET}@"))
    assert said.startswith("--database: cannot open postgresql://postgres@/no_store")
    assert "does not exist" in said


@pytest.mark.parametrize("store", ON_SERVER, indirect=True)
def test_a_user_that_is_not_there(database: str) -> None:
    said = started(database.replace("postgres@", f"nobody_here:{SECRET}@"))
    assert said.startswith("--database: cannot open postgresql://nobody_here@/store")
    assert 'role "nobody_here" does not exist' in said


@pytest.mark.parametrize("store", ON_SERVER, indirect=True)
def test_a_server_that_takes_fewer_connections_than_a_pool_begins_with(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database()
    name = url.partition("@/")[2].partition("?")[0]
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS lonely")
        owner.execute("CREATE ROLE lonely LOGIN CONNECTION LIMIT 1")
        owner.execute(f"ALTER DATABASE {name} OWNER TO lonely".encode())
    monkeypatch.setattr(postgresql, "_OPENING", 0.5)

    @in_loop
    async def scenario() -> None:
        with pytest.raises(UsageError, match=f"cannot open postgresql://lonely@/{name}: pool initialization"):
            async with laboratory_on(url.replace("postgres@", "lonely@"))():
                pass

    scenario()


@pytest.mark.parametrize(
    ("password", "quoted"),
    [
        ("geheim%zz", 'invalid percent-encoded token: "…"'),
        ("geheim ofw", 'unexpected spaces found in "…"'),
        ("geheim@ofw", "failed to resolve host '…@127.0.0.1'"),
        ("geheim/ofw", "failed"),
        ("geheim#ofw", "failed"),
        ("geheim?ofw", "failed"),
    ],
)
def test_no_part_of_a_password_is_shown_however_wrongly_it_is_written(password: str, quoted: str) -> None:
    url = f"postgresql://u:{password}@127.0.0.1:1/n"
    with pytest.raises(UsageError) as refused, postgresql.opening(url):
        postgresql.prepare(url)
    said = str(refused.value)
    assert said.startswith("--database: cannot open postgresql://u@127.0.0.1:1/n: ")
    assert quoted in said
    assert "geheim" not in said
    assert "ofw" not in said


def test_a_password_among_the_parameters_is_not_shown_either() -> None:
    url = "postgresql://u@127.0.0.1:1/n?password=geheim%zz"
    with pytest.raises(UsageError) as refused, postgresql.opening(url):
        postgresql.prepare(url)
    assert str(refused.value) == (
        '--database: cannot open postgresql://u@127.0.0.1:1/n: invalid percent-encoded token: "…"'
    )


def test_an_argument_that_is_refused_shows_no_password_either() -> None:
    with pytest.raises(UsageError) as refused:
        parse("postgres+ssl://u:geheim@h/n?password=ofw")
    assert str(refused.value).startswith("--database: got postgres+ssl://u@h/n?password=…, allowed: ")
