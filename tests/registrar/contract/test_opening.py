"""Opening a store: from every earlier version, only when it is durable, soon after a kill, once each."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from asgi import LAB_TOKEN, in_loop
from cluster import Cluster, programs
from load import Load, exported
from people import Person, Visit, picture
from server_process import ServerProcess, StartServer
from stores import laboratory_on
from wire import Wire

from prakerja_load.errors import UsageError

OLD = Path(__file__).parent / "old"


def versions(kind: str) -> list[int]:
    return sorted(int(path.stem.rpartition("-")[2]) for path in OLD.glob(f"{kind}-*.sql"))


EARLIER = [(kind, version) for kind in ("sqlite", "postgresql") for version in versions(kind)]


def restore(database: str, kind: str, version: int) -> None:
    """Make a store as the program of that version left it: one person who joined, one who was imported."""
    script = (OLD / f"{kind}-{version:04d}.sql").read_text()
    if kind == "sqlite":
        path = Path(database.removeprefix("sqlite:"))
        connection = apsw.Connection(str(path))
        connection.execute(f"{script}; PRAGMA user_version = {version}").fetchall()
        connection.close()
        pictures = picture("ktp", Person(1)) + picture("selfie", Person(1))
        path.with_name(path.name + ".photos").write_bytes(pictures)
    else:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(script.encode())


def schema_of(database: str) -> list[Any]:
    """Return tables, columns and indexes as the database describes them."""
    if database.startswith("sqlite:"):
        connection = apsw.Connection(database.removeprefix("sqlite:"))
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        connection.close()
        return [(kind, name, "".join(str(sql).replace('"', "").split())) for kind, name, sql in rows]
    with psycopg.connect(database) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, is_identity FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY table_name, column_name"
        ).fetchall()
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"
        ).fetchall()
    return [*columns, *indexes]


@pytest.mark.parametrize(("store", "version"), EARLIER, indirect=["store"])
def test_a_store_of_every_earlier_version_is_opened(store: str, version: int, new_database: Callable[[], str]) -> None:
    old, new = new_database(), new_database()
    restore(old, store, version)

    @in_loop
    async def scenario() -> None:
        async with laboratory_on(old)() as lab:
            *rows, end = await lab.export()
            assert [row["key"] for row in rows] == [Person(1).key(row["kind"]) for row in rows]
            assert len(rows) == 9
            assert (end["accounts"], end["imported"], end["joined"]) == (2, 1, {"1": 1})
            repeated = await Visit(lab, Person(1)).create()
            assert (repeated.status, repeated.headers["idempotency-replayed"]) == (201, "true")
            imported = Visit(lab, Person(2, password="rahasia-bersama"))
            assert (await imported.log_in()).status == 201
            assert (await imported.join()).status == 201
            assert (await Visit(lab, Person(3)).create()).json()["account"] == 3
        async with laboratory_on(new)():
            pass

    scenario()
    assert schema_of(old) == schema_of(new)


def test_every_version_has_its_old_store(store: str) -> None:
    import prakerja_load.registrar.store as package

    folder = Path(str(package.__file__)).parent / "migrations" / store
    assert versions(store) == sorted(int(path.stem) for path in folder.glob("*.sql"))


def test_a_store_of_a_newer_program_is_refused(store: str, database: str) -> None:
    if store == "sqlite":
        connection = apsw.Connection(database.removeprefix("sqlite:"))
        connection.execute("PRAGMA user_version = 999")
        connection.close()
    else:
        with psycopg.connect(database, autocommit=True) as server:
            server.execute("CREATE TABLE schema_version (version integer); INSERT INTO schema_version VALUES (999)")

    @in_loop
    async def scenario() -> None:
        with pytest.raises(UsageError, match="schema version 999"):
            async with laboratory_on(database)():
                pass

    scenario()


@pytest.mark.postgresql
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_two_registrars_may_open_a_new_database_at_once(database: str) -> None:
    @in_loop
    async def scenario() -> None:
        async def open_one() -> int:
            async with laboratory_on(database)() as lab:
                return int((await lab.send("GET", "/api/v1/waves/current")).json()["wave"])

        assert await asyncio.gather(open_one(), open_one()) == [1, 1]

    scenario()


@pytest.fixture(scope="module")
def careless() -> Iterator[Cluster]:
    found = programs()
    if found is None:
        pytest.skip("no initdb: PostgreSQL's programs are not installed")
    made = Cluster(found, "-c", "fsync=off")
    yield made
    made.remove()


def started(database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prakerja_load.registrar", "--database", database, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.postgresql
def test_a_server_without_fsync_is_refused_and_disclosed_when_it_is_wanted(careless: Cluster) -> None:
    database = careless.new_database()
    refused = started(database)
    assert refused.returncode == 2
    assert refused.stderr.startswith("--database: got fsync=off, synchronous_commit=on; allowed: neither off, unless")
    assert len(refused.stderr.splitlines()) == 1

    @in_loop
    async def scenario() -> None:
        async with laboratory_on(database)(allows_unsafe_database=True) as lab:
            health = (await lab.send("GET", "/healthz")).json()
            assert (health["database"].split()[0], health["synchronous"]) == ("postgresql", "on, fsync off")

    scenario()


@pytest.mark.postgresql
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_role_that_does_not_wait_for_the_disk_is_refused(database: str) -> None:
    refused = started(f"{database}&options=-csynchronous_commit%3Doff")
    assert refused.returncode == 2
    assert refused.stderr.startswith("--database: got fsync=on, synchronous_commit=off; allowed: neither off, unless")


@pytest.mark.parametrize(
    "database", ["postgresql://nobody@127.0.0.1:1/none", "postgresql://h/n?nonsense=1", "mysql://h/n"]
)
def test_a_server_that_cannot_be_reached_is_said_in_a_sentence(database: str) -> None:
    ended = started(database)
    assert ended.returncode == 2
    assert ended.stderr.startswith("--database: ")
    assert len(ended.stderr.splitlines()) == 1


LINE = (
    b'{"person":%d,"email":"p%d@example.com","nik":"%d0000","kk":"%d0000","birth_date":"1990-05-17","phone":"08%010d",'
    b'"full_name":"Siti Rahayu","sex":"P","province":"Jawa Barat","regency":"Bogor","district":"Cibinong",'
    b'"address":"Jl. Mawar 1","education":"SMA","employment":"unemployed"}\n'
)
PART = 100_000  # registrants a request


async def fill(url: str, registrants: int) -> None:
    """Import registrants whose NIKs lie scattered, as people's do."""
    wire = await Wire.open(url)
    for start in range(0, registrants, PART):
        numbers = (10**11 + n * 7_368_787 % 10**10 for n in range(start, start + PART))
        body = b"".join(LINE % (n, n, nik, nik, n) for n, nik in enumerate(numbers, start))
        headers = {"lab_token": LAB_TOKEN, "import_password": "rahasia-bersama", "content_type": "application/x-ndjson"}
        more = {"import_more": "true"} if start + PART < registrants else {}
        answer = await wire.send("POST", "/lab/import", body, **headers, **more)
        assert answer.status == 200, answer.body
    assert answer.json()["total"] == registrants
    await wire.close()


class Refilled:
    """A store of many registrants whose registrar is killed under load and started again."""

    def __init__(self, start_server: StartServer, registrants: int) -> None:
        server = start_server()
        self.empty_start = cpu_of(server)  # CPU seconds
        self._registrants = registrants
        self._load = asyncio.run(self._until_killed(server))
        began = time.monotonic()
        self._survivor = start_server()
        self.seconds = time.monotonic() - began  # to the ready line, Python's own start included
        self.full_start = cpu_of(self._survivor)

    async def _until_killed(self, server: ServerProcess) -> Load:
        await fill(server.url, self._registrants)
        load = Load(server.url)
        running = asyncio.ensure_future(load.run())
        await load.until(lambda load: len(load.acknowledged) >= 300)
        server.process.send_signal(signal.SIGKILL)
        await running
        return load

    def check(self) -> None:
        """Compare what the survivor exports with what was acknowledged."""
        *rows, end = asyncio.run(exported(self._survivor.url))
        assert self._load.acknowledged <= {row["key"] for row in rows}
        assert end["imported"] == self._registrants


def cpu_of(server: ServerProcess) -> float:
    """Return the CPU seconds that a server has used: of a start that does not depend on who else uses the machine."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_full_store_is_back_after_a_kill_for_little_more_than_an_empty_one_takes(start_server: StartServer) -> None:
    refilled = Refilled(start_server, 200_000)
    refilled.check()
    assert refilled.full_start <= 2 * refilled.empty_start


@pytest.mark.slow  # seconds: of an idle machine only
@pytest.mark.parametrize("registrants", [200_000, 2_000_000])
def test_a_full_store_is_back_within_three_seconds_of_a_kill(start_server: StartServer, registrants: int) -> None:
    refilled = Refilled(start_server, registrants)
    refilled.check()
    assert refilled.seconds <= 3
