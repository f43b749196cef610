"""A PostgreSQL that is locked, full of other people's sessions or started anew: refused clearly, nothing false, well
again afterwards.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import psycopg
import pytest
from asgi import LAB_TOKEN, Lab, Laboratory, in_loop
from cluster import Cluster
from load import exported
from people import Person, Visit
from server_process import StartServer
from wire import Wire

from prakerja_load.registrar.store.postgresql import LOCK

pytestmark = [pytest.mark.postgresql, pytest.mark.parametrize("store", ["postgresql"], indirect=True)]
BUSY = (503, "store-busy", "1")
AWAY = (503, "store-unavailable", "5")
MADE = (201, "", None)
SEEN = (200, "", None)
WAVE = "/api/v1/waves/current"


async def new_accounts(url: str, people: range) -> set[tuple[int, str, str | None]]:
    """Return how the requests of these people for an account are answered, all sent at once."""
    wires = [await Wire.open(url) for _ in people]
    answers = await asyncio.gather(
        *(
            wire.send("POST", "/api/v1/accounts", person.account, idempotency_key=person.key("create-account"))
            for wire, person in zip(wires, map(Person, people), strict=True)
        )
    )
    for wire in wires:
        await wire.close()
    return {(answer.status, answer.problem, answer.headers.get("retry-after")) for answer in answers}


async def asked(url: str, target: str) -> tuple[int, str, str | None]:
    """Return how a question is answered."""
    wire = await Wire.open(url)
    answer = await wire.send("GET", target, lab_token=LAB_TOKEN)
    await wire.close()
    return answer.status, answer.problem, answer.headers.get("retry-after")


async def keys_of(url: str) -> list[str]:
    return sorted(row["key"] for row in (await exported(url))[:-1])


def keys(people: range) -> list[str]:
    return sorted(Person(index).key("create-account") for index in people)


def test_a_database_locked_by_another_session_is_busy_until_it_lets_go(
    start_server: StartServer, database: str
) -> None:
    url = start_server().url

    @in_loop
    async def scenario() -> None:
        with psycopg.connect(database) as holder:
            holder.execute("LOCK TABLE accounts")
            written, read, page = await asyncio.gather(
                new_accounts(url, range(50)), asked(url, f"/lab/outbox?to={Person(0).email}"), asked(url, WAVE)
            )
            assert written == {BUSY}
            assert (read, page) == (BUSY, SEEN)
            holder.rollback()
        assert await new_accounts(url, range(50)) == {MADE}
        assert await keys_of(url) == keys(range(50))

    scenario()


CUT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND application_name <> 'crowd'
"""


def take_every_connection(database: str, stack: ExitStack) -> None:
    """Open sessions until PostgreSQL takes no more."""
    with pytest.raises(psycopg.OperationalError, match="too many clients"):
        open_sessions(database, stack)


def open_sessions(database: str, stack: ExitStack) -> None:
    while True:
        stack.enter_context(psycopg.connect(database, application_name="crowd"))


def test_a_server_with_no_connection_left_is_503_until_it_has_one(start_server: StartServer, database: str) -> None:
    """A registrar lives with the connections it has; when they are cut and others are quicker it has none."""
    url = start_server().url

    @in_loop
    async def scenario() -> None:
        with ExitStack() as crowd, psycopg.connect(database, application_name="crowd", autocommit=True) as holder:
            take_every_connection(database, crowd)
            assert await new_accounts(url, range(50)) == {MADE}
            assert await asked(url, WAVE) == SEEN
            holder.execute(CUT)
            take_every_connection(database, crowd)
            assert AWAY in await new_accounts(url, range(50, 100))
            began = time.monotonic()
            said = await new_accounts(url, range(50, 100)) | {await asked(url, WAVE)}
            # those who waited in vain are a standing delay, which keeps some out before they ask the store
            assert {(status, problem) for status, problem, _ in said} <= {AWAY[:2], (503, "overloaded")}
            assert time.monotonic() - began < 2  # once somebody has waited in vain nobody else does
        async with asyncio.timeout(5):
            while await asked(url, WAVE) != SEEN:
                await asyncio.sleep(0.05)
            while {status for status, _, _ in await new_accounts(url, range(50, 100))} != {201}:
                await asyncio.sleep(0.05)
        assert await keys_of(url) == keys(range(100))

    scenario()


def test_a_server_started_anew_is_not_noticed_by_who_comes_after(
    start_server: StartServer, database: str, cluster: Cluster
) -> None:
    """Connections of before are not lent any more."""
    url = start_server().url

    @in_loop
    async def scenario() -> None:
        assert await new_accounts(url, range(50)) == {MADE}
        cluster.stop("fast")
        cluster.start()
        assert await asked(url, WAVE) == SEEN
        assert await new_accounts(url, range(50, 100)) == {MADE}
        assert await keys_of(url) == keys(range(100))

    scenario()


async def until_writes_are_taken(lab: Lab, person: Person) -> None:
    async with asyncio.timeout(10):
        while (await Visit(lab, person).create()).problem == "store-busy":
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("lets_go", [True, False])
@in_loop
async def test_an_import_cancelled_while_it_begins_keeps_its_connection_until_the_server_has_answered(
    laboratory: Laboratory, database: str, lets_go: bool
) -> None:
    async with laboratory() as lab:
        with psycopg.connect(database) as holder, psycopg.connect(database, autocommit=True) as witness:

            def sessions(state: str) -> int:
                query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND "
                ((count,),) = witness.execute(f"{query} {state}".encode(), (LOCK,)).fetchall()
                return int(count)

            holder.execute("SELECT pg_advisory_xact_lock_shared(%s)", (LOCK,))
            beginning = asyncio.create_task(lab.registrar.store.begin_import("x", is_large=False, is_lab=True))
            async with asyncio.timeout(10):
                while not sessions("NOT granted"):
                    await asyncio.sleep(0.01)
            beginning.cancel()
            with pytest.raises(asyncio.CancelledError):
                await beginning
            assert sessions("NOT granted") == 1  # the thread still waits, with its connection
            assert (await Visit(lab, Person(1)).create()).problem == "store-busy"
            if lets_go:
                holder.rollback()
            await until_writes_are_taken(lab, Person(2))
            holder.rollback()
            assert sessions("mode = 'ExclusiveLock'") == 0
        answer = await lab.lines("import", [Person(3).import_line], import_password="rahasia-bersama")
        assert answer.json() == {"imported": 1, "total": 2}
