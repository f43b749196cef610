"""A full disk under PostgreSQL: what does not fit is refused, nothing false is acknowledged, all is well afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import psycopg
import pytest
from asgi import LAB_TOKEN, Answer, in_loop
from cluster import Cluster, programs
from load import Load, exported
from people import Person
from server_process import StartServer
from wire import Wire

pytestmark = [
    pytest.mark.slow,  # a disk of its own has to be mounted, which not every machine that runs `make test` allows
    pytest.mark.postgresql,
    pytest.mark.namespaces,
    pytest.mark.parametrize("store", ["postgresql"], indirect=True),
]


@pytest.fixture
def cluster(is_log_apart: bool) -> Iterator[Cluster]:
    """A server on a small disk, with the log of writes there or elsewhere."""
    found = programs()
    if found is None:
        pytest.skip("no initdb: PostgreSQL's programs are not installed")
    try:
        made = Cluster(
            found, "-c", "min_wal_size=2MB", "-c", "max_wal_size=2MB", disk_size=80, is_log_apart=is_log_apart
        )
    except PermissionError as refused:
        pytest.skip(f"a disk that can be filled needs the right to mount one: {refused}")
    yield made
    made.remove()


async def import_people(wire: Wire, people: range) -> Answer:
    body = b"".join(json.dumps(Person(index).import_line).encode() + b"\n" for index in people)
    headers = {"lab_token": LAB_TOKEN, "import_password": "rahasia-bersama", "content_type": "application/x-ndjson"}
    return await wire.send("POST", "/lab/import", body, **headers)


async def reads(wire: Wire) -> list[int]:
    """Return how a look at the wave and a log-in of person 0, who was imported, are answered."""
    credentials = {"email": Person(0).email, "password": "rahasia-bersama"}
    page = await wire.send("GET", "/api/v1/waves/current")
    return [page.status, (await wire.send("POST", "/api/v1/sessions", credentials)).status]


@pytest.mark.parametrize("is_log_apart", [True])
def test_what_does_not_fit_is_507_and_not_stored(start_server: StartServer, cluster: Cluster) -> None:
    server = start_server()
    disk = cluster.disk
    assert disk is not None

    @in_loop
    async def scenario() -> None:
        wire = await Wire.open(server.url)
        assert (await import_people(wire, range(1))).status == 200
        load = Load(server.url, first=1)
        running = asyncio.ensure_future(load.run())
        await load.until(lambda load: len(load.acknowledged) >= 100)
        disk.fill()
        await load.until(lambda load: len(load.refused) >= 100)
        assert await reads(wire) == [200, 201]
        disk.empty()
        done = len(load.acknowledged)
        async with asyncio.timeout(5):
            await load.until(lambda load: len(load.acknowledged) >= done + 100)
        load.stop()
        await running
        assert set(load.refused) == {(507, "store-full")}
        assert load.acknowledged == {row["key"] for row in (await exported(server.url))[:-1]}
        await wire.close()

    scenario()


@pytest.mark.parametrize("is_log_apart", [True])
def test_an_import_that_does_not_fit_leaves_nothing(start_server: StartServer, cluster: Cluster) -> None:
    server = start_server()
    disk = cluster.disk
    assert disk is not None
    people = range(3_000)

    @in_loop
    async def scenario() -> None:
        wire = await Wire.open(server.url)
        disk.fill()
        refused = await import_people(wire, people)
        assert (refused.status, refused.problem) == (507, "store-full")
        disk.empty()
        assert (await exported(server.url))[-1]["imported"] == 0
        assert (await import_people(wire, people)).status == 200
        assert (await exported(server.url))[-1]["imported"] == len(people)
        await wire.close()

    scenario()


@pytest.mark.parametrize("is_log_apart", [False])
def test_a_server_that_ends_for_want_of_room_acknowledges_nothing_and_comes_back(
    start_server: StartServer, cluster: Cluster
) -> None:
    """PostgreSQL ends all its processes when its log of writes cannot grow."""
    server = start_server()
    disk = cluster.disk
    assert disk is not None

    @in_loop
    async def scenario() -> None:
        load = Load(server.url)
        running = asyncio.ensure_future(load.run())
        await load.until(lambda load: len(load.acknowledged) >= 100)
        disk.fill()
        async with asyncio.timeout(20):
            while await asyncio.to_thread(use_up_log, cluster):
                pass
        done = len(load.refused)
        await load.until(lambda load: len(load.refused) >= done + 20)
        disk.empty()
        await asyncio.to_thread(cluster.revive)
        assert "PANIC" in (cluster.folder / "log").read_text()
        done = len(load.acknowledged)
        async with asyncio.timeout(5):
            await load.until(lambda load: len(load.acknowledged) >= done + 100)
        load.stop()
        await running
        stored = [row["key"] for row in (await exported(server.url))[:-1]]
        assert load.broken == 0
        assert {status for status, _ in load.refused} <= {503, 507}
        assert load.acknowledged <= set(stored)
        assert len(stored) == len(set(stored))

    scenario()


def use_up_log(cluster: Cluster) -> bool:
    """Go on to the next segment of the log; tell whether the server lives through it."""
    try:
        with psycopg.connect(cluster.url(), autocommit=True, connect_timeout=2) as connection:
            connection.execute("SELECT pg_logical_emit_message(false, 'filler', repeat('x', 100000)), pg_switch_wal()")
    except psycopg.OperationalError:
        return False
    return True
