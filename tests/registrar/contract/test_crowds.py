"""Many clients at once over real HTTP: one account an address, one person a NIK, no place sold twice or too late."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from asgi import LAB_TOKEN, Answer, Lab, Laboratory, in_loop, until
from crowd import CLIENTS, at_once, confirmed, lines, outcomes, tokens
from load import exported
from people import Person
from server_process import StartServer
from stores import held, serving
from wire import Wire

Close: TypeAlias = Callable[[Lab], Awaitable[None]]


def test_one_address_gets_one_account(start_server: StartServer) -> None:
    url = start_server().url

    @in_loop
    async def scenario() -> None:
        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            return wire.send("POST", "/api/v1/accounts", Person(1).account, idempotency_key=f"k{number}")

        assert outcomes(await at_once(url, act)) == {"201": 1, "email-in-use": CLIENTS - 1}

    scenario()


def test_one_key_has_one_effect(start_server: StartServer) -> None:
    url = start_server().url

    @in_loop
    async def scenario() -> None:
        async def act(_: int, wire: Wire) -> Answer:
            while True:
                answer = await wire.send("POST", "/api/v1/accounts", Person(1).account, idempotency_key="one")
                if answer.problem != "idempotency-key-in-flight":
                    return answer

        answers = await at_once(url, act)
        assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1

    scenario()


def test_one_nik_is_one_person(start_server: StartServer) -> None:
    url = start_server("--civil-latency", "0.01").url
    people = [Person(index) for index in range(CLIENTS)]
    wanted = Person(9_000)

    @in_loop
    async def scenario() -> None:
        await lines(url, "civil", [wanted.identity])
        for person in people:
            wire = await Wire.open(url)
            await wire.send("POST", "/api/v1/accounts", person.account, idempotency_key=f"a{person.index}")
            await wire.close()
        sessions = await confirmed(url, people)

        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            headers = {"idempotency_key": f"k{number}", "authorization": f"Bearer {sessions[number]}"}
            return wire.send("POST", "/api/v1/identity", wanted.identity, **headers)

        assert outcomes(await at_once(url, act)) == {"201": 1, "nik-in-use": CLIENTS - 1}

    scenario()


def test_a_quota_is_never_oversold(start_server: StartServer) -> None:
    quota = 17
    url = start_server("--wave-quota", str(quota)).url

    @in_loop
    async def scenario() -> None:
        sessions = await tokens(url, [Person(index) for index in range(CLIENTS)])

        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            headers = {"idempotency_key": f"j{number}", "authorization": f"Bearer {sessions[number]}"}
            return wire.send("POST", "/api/v1/waves/1/joins", {"declaration": True}, **headers)

        assert outcomes(await at_once(url, act)) == {"201": quota, "quota-full": CLIENTS - quota}
        wire = await Wire.open(url)
        page = (await wire.send("GET", "/api/v1/waves/current")).json()
        assert (page["joined"], page["quota"]) == (quota, quota)
        await wire.close()

    scenario()


def test_one_person_joins_a_wave_once(start_server: StartServer) -> None:
    url = start_server().url

    @in_loop
    async def scenario() -> None:
        (session,) = await tokens(url, [Person(1)])

        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            headers = {"idempotency_key": f"j{number}", "authorization": f"Bearer {session}"}
            return wire.send("POST", "/api/v1/waves/1/joins", {"declaration": True}, **headers)

        assert outcomes(await at_once(url, act)) == {"201": 1, "already-joined": CLIENTS - 1}

    scenario()


def test_bodies_that_differ_under_one_key_leave_one_account(start_server: StartServer) -> None:
    url = start_server().url

    @in_loop
    async def scenario() -> None:
        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            return wire.send("POST", "/api/v1/accounts", Person(number).account, idempotency_key="one")

        first = outcomes(await at_once(url, act))
        assert first["201"] == 1
        assert first["idempotency-key-reused"] + first["idempotency-key-in-flight"] == CLIENTS - 1

        async def insist(number: int, wire: Wire) -> Answer:
            while (answer := await act(number, wire)).problem == "idempotency-key-in-flight":
                pass
            return answer

        again = await at_once(url, insist)
        assert outcomes(again) == {"201": 1, "idempotency-key-reused": CLIENTS - 1}
        assert {answer.status for answer in again} == {201, 422}
        rows = await exported(url)
        assert ([row["key"] for row in rows[:-1]], rows[-1]["accounts"]) == (["one"], 1)

    scenario()


@in_loop
async def test_one_key_is_in_flight_until_its_commit(laboratory: Laboratory) -> None:
    async with laboratory() as lab, serving(lab) as url:
        wires = [await Wire.open(url) for _ in range(CLIENTS)]

        def sent() -> list[asyncio.Task[Answer]]:
            return [
                asyncio.ensure_future(wire.send("POST", "/api/v1/accounts", Person(1).account, idempotency_key="one"))
                for wire in wires
            ]

        async with held(lab):
            sending = sent()
            await until(lambda: sum(task.done() for task in sending) == CLIENTS - 1)
            early = [task.result() for task in sending if task.done()]
            assert outcomes(early) == {"idempotency-key-in-flight": CLIENTS - 1}
            assert {(answer.status, answer.headers["retry-after"]) for answer in early} == {(409, "1")}
        (made,) = [answer for answer in await asyncio.gather(*sending) if answer.status == 201]
        assert "idempotency-replayed" not in made.headers
        later = [answer for answer in await asyncio.gather(*sent()) if answer.problem != "idempotency-key-in-flight"]
        assert {(answer.status, answer.body) for answer in later} == {(201, made.body)}
        assert all("idempotency-replayed" in answer.headers for answer in later)
        assert (await lab.export())[-1]["accounts"] == 1
        for wire in wires:
            await wire.close()


def test_nobody_is_joined_once_the_next_wave_is_open(start_server: StartServer) -> None:
    url = start_server().url

    @in_loop
    async def scenario() -> None:
        sessions = await tokens(url, [Person(index) for index in range(CLIENTS)])
        opener = CLIENTS // 2
        after: list[tuple[str, int]] = []

        async def open_next(wire: Wire) -> Answer:
            answer = await wire.send("POST", "/lab/waves", {"name": "Gelombang 2", "quota": 9}, lab_token=LAB_TOKEN)
            joined = (await exported(url))[-1]["joined"]["1"]
            position = (await wire.send("GET", "/lab/position", lab_token=LAB_TOKEN)).json()["position"]
            after.append((position, joined))
            return answer

        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            if number == opener:
                return open_next(wire)
            headers = {"idempotency_key": f"j{number}", "authorization": f"Bearer {sessions[number]}"}
            return wire.send("POST", "/api/v1/waves/1/joins", {"declaration": True}, **headers)

        answers = await at_once(url, act)
        assert answers.pop(opener).status == 201
        said = outcomes(answers)
        assert said["201"] + said["wave-closed"] == CLIENTS - 1
        ((position, joined),) = after
        rows = await exported(url)
        assert rows[-1]["joined"] == {"1": said["201"], "2": 0}
        assert joined == said["201"]
        assert [row for row in await exported(url, position) if row["kind"] == "join-wave"] == []

    scenario()


async def joins_around(lab: Lab, url: str, wave: int, close: Close) -> list[Answer]:
    """Let half of a crowd come before the close and half after it, all of them before anybody is answered."""
    people = [Person(index) for index in range(CLIENTS)]
    sessions = await tokens(url, people)
    wires = [await Wire.open(url) for _ in people]

    def join(number: int) -> asyncio.Task[Answer]:
        headers = {"idempotency_key": f"j{number}", "authorization": f"Bearer {sessions[number]}"}
        body = {"declaration": True}
        return asyncio.ensure_future(wires[number].send("POST", f"/api/v1/waves/{wave}/joins", body, **headers))

    async with held(lab):
        held_back = lab.registrar.store.depth
        joining = [join(number) for number in range(CLIENTS // 2)]
        await until(lambda: lab.registrar.store.depth == held_back + len(joining))
        closing = asyncio.ensure_future(close(lab))
        await until(lambda: closing.done() or lab.registrar.store.depth == held_back + len(joining) + 1)
        held_back = lab.registrar.store.depth
        joining += [join(number) for number in range(CLIENTS // 2, CLIENTS)]
        await until(lambda: lab.registrar.store.depth == held_back + CLIENTS // 2)
        assert not any(task.done() for task in joining)
    answers = list(await asyncio.gather(*joining))
    await closing
    for wire in wires:
        await wire.close()
    return answers


async def next_wave(lab: Lab) -> None:
    assert (await lab.lab("POST", "waves", {"name": "Gelombang", "quota": 9})).status == 201


async def closing_time(lab: Lab) -> None:
    lab.time += 60


@pytest.mark.parametrize("close", [next_wave, closing_time])
@in_loop
async def test_who_comes_after_the_close_is_not_joined_however_long_the_store_is_busy(
    laboratory: Laboratory, close: Close
) -> None:
    async with laboratory() as lab, serving(lab) as url:
        closes_at = datetime.datetime.fromtimestamp(lab.time + 60, datetime.UTC).isoformat()
        wave = {"name": "Gelombang", "quota": CLIENTS, "closes_at": closes_at}
        assert (await lab.lab("POST", "waves", wave)).json() == {"wave": 2}
        answers = await joins_around(lab, url, 2, close)
        assert outcomes(answers[: CLIENTS // 2]) == {"201": CLIENTS // 2}
        assert outcomes(answers[CLIENTS // 2 :]) == {"wave-closed": CLIENTS // 2}
        assert (await lab.export())[-1]["joined"]["2"] == CLIENTS // 2
