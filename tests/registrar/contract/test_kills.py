"""What was acknowledged outlives the death of the registrar and of the database server, under load."""

from __future__ import annotations

import asyncio
import signal

import psycopg
import pytest
from asgi import in_loop
from cluster import Cluster
from load import Load, exported
from people import Person
from server_process import ServerProcess, StartServer
from wire import Wire


async def keys_of(url: str) -> list[str]:
    return [row["key"] for row in (await exported(url))[:-1]]


KILLS = [3, pytest.param(20, marks=pytest.mark.slow)]


@pytest.mark.parametrize("kills", KILLS)
def test_acknowledged_accounts_outlive_a_killed_registrar(start_server: StartServer, kills: int) -> None:
    acknowledged: set[str] = set()

    async def life(server: ServerProcess, first: int) -> None:
        load = Load(server.url, first=first)
        running = asyncio.ensure_future(load.run())
        await load.until(lambda load: len(load.acknowledged) >= 100)
        server.process.send_signal(signal.SIGKILL)
        await running
        assert load.broken == 20
        assert load.refused == []
        acknowledged.update(load.acknowledged)

    server = start_server()
    for number in range(kills):
        asyncio.run(life(server, number * 10_000))
        server.end()
        server = start_server()
        stored = asyncio.run(keys_of(server.url))
        assert acknowledged <= set(stored)
        assert len(stored) == len(set(stored))


@pytest.mark.postgresql
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_database_server_that_goes_away_is_503_until_it_is_back(start_server: StartServer, cluster: Cluster) -> None:
    """After `pg_ctl stop -m immediate` nothing is acknowledged; five seconds after the start all is as before."""
    server = start_server()

    @in_loop
    async def scenario() -> None:
        load = Load(server.url)
        running = asyncio.ensure_future(load.run())
        await load.until(lambda load: len(load.acknowledged) >= 100)
        await asyncio.to_thread(cluster.stop)
        await load.until(lambda load: len(load.refused) >= 20)
        before = len(load.acknowledged)
        reading = await Wire.open(server.url)
        assert (await reading.send("GET", "/api/v1/waves/current")).status == 503
        assert len(load.acknowledged) == before
        await asyncio.to_thread(cluster.start)
        async with asyncio.timeout(5):
            await load.until(lambda load: len(load.acknowledged) >= before + 100)
            while (await reading.send("GET", "/api/v1/waves/current")).status != 200:
                await asyncio.sleep(0.05)
        load.stop()
        await running
        await reading.close()
        assert load.broken == 0
        assert {status for status, _ in load.refused} == {503}
        assert {problem for _, problem in load.refused} <= {"store-unavailable", "store-busy", "overloaded"}
        stored = await keys_of(server.url)
        assert load.acknowledged <= set(stored)
        assert len(stored) == len(set(stored))

    scenario()


async def settled(wire: Wire, person: Person) -> int:
    """Send an account again under its key until the store takes it, five seconds at most, and return the status."""
    key = person.key("create-account")
    async with asyncio.timeout(5):
        while (
            answer := await wire.send("POST", "/api/v1/accounts", person.account, idempotency_key=key)
        ).status == 503:
            pass
    return answer.status


async def killed_under_load(url: str, cluster: Cluster, first: int) -> Load:
    """Kill every process of PostgreSQL under load and start it again; returns what was sent, from `first` on."""
    load = Load(url, first=first)
    running = asyncio.ensure_future(load.run())
    await load.until(lambda load: len(load.acknowledged) >= 100)
    await asyncio.to_thread(cluster.kill)
    await load.until(lambda load: len(load.refused) >= 20)
    load.stop()
    await running
    await asyncio.to_thread(cluster.start)
    return load


@pytest.mark.postgresql
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize("kills", KILLS)
def test_what_was_in_doubt_is_settled_by_its_key(start_server: StartServer, cluster: Cluster, kills: int) -> None:
    """SIGKILL of every process of PostgreSQL under load, again and again: what was acknowledged is there, and every key
    that was not is sent again and makes one account, however it had ended.
    """
    server = start_server()

    @in_loop
    async def scenario() -> None:
        wire = await Wire.open(server.url)
        acknowledged: set[str] = set()
        sent = 0
        for _ in range(kills):
            load = await killed_under_load(server.url, cluster, sent)
            acknowledged |= load.acknowledged
            async with asyncio.timeout(5):
                while (await wire.send("GET", "/api/v1/waves/current")).status != 200:
                    await asyncio.sleep(0.05)
            assert acknowledged <= set(await keys_of(server.url))
            statuses = {await settled(wire, Person(index)) for index in range(sent + 1, load.sent + 1)}
            assert statuses == {201}
            sent = load.sent
        await wire.close()
        assert sorted(await keys_of(server.url)) == sorted(Person(i).key("create-account") for i in range(1, sent + 1))

    scenario()


@pytest.mark.postgresql
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_connections_cut_by_the_server_are_replaced(start_server: StartServer, database: str) -> None:
    server = start_server()

    @in_loop
    async def scenario() -> None:
        load = Load(server.url)
        running = asyncio.ensure_future(load.run())
        for part in range(1, 4):
            await load.until(lambda load, least=part * 50: len(load.acknowledged) >= least)
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        done = len(load.acknowledged)
        await load.until(lambda load: len(load.acknowledged) >= done + 50)
        load.stop()
        await running
        assert load.acknowledged <= set(await keys_of(server.url))

    scenario()
