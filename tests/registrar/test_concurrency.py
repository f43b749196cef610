"""Many clients at once over real HTTP: one account an address, one person a NIK, no place sold twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from asgi import LAB_TOKEN, Answer, in_loop
from conftest import StartServer
from people import Person
from wire import Wire

CLIENTS = 60
Act = Callable[[int, Wire], Awaitable[Answer]]


async def at_once(url: str, act: Act, clients: int = CLIENTS) -> list[Answer]:
    """Open the connections first, then let every client act at the same moment."""
    wires = [await Wire.open(url) for _ in range(clients)]
    answers = await asyncio.gather(*(act(number, wire) for number, wire in enumerate(wires)))
    for wire in wires:
        await wire.close()
    return list(answers)


async def lines(url: str, target: str, values: list[dict[str, Any]]) -> None:
    wire = await Wire.open(url)
    body = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    headers = {"lab_token": LAB_TOKEN, "import_password": "rahasia-bersama", "content_type": "application/x-ndjson"}
    answer = await wire.send("POST", f"/lab/{target}", body, **headers)
    assert answer.status == 200, answer.body
    await wire.close()


async def tokens(url: str, people: list[Person]) -> list[str]:
    """Import people and return a token for each."""
    await lines(url, "import", [person.import_line for person in people])

    async def log_in(number: int, wire: Wire) -> Answer:
        credentials = {"email": people[number].email, "password": "rahasia-bersama"}
        return await wire.send("POST", "/api/v1/sessions", credentials)

    return [answer.json()["token"] for answer in await at_once(url, log_in, len(people))]


def outcomes(answers: list[Answer]) -> Counter[str]:
    return Counter(answer.problem or str(answer.status) for answer in answers)


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


async def confirmed(url: str, people: list[Person]) -> list[str]:
    async def confirm(number: int, wire: Wire) -> Answer:
        person = people[number]
        code = (await wire.send("GET", f"/lab/outbox?to={person.email}", lab_token=LAB_TOKEN)).json()["code"]
        confirmation = {"email": person.email, "code": code}
        await wire.send("POST", "/api/v1/email-confirmations", confirmation, idempotency_key=f"c{number}")
        return await wire.send("POST", "/api/v1/sessions", {"email": person.email, "password": person.password})

    return [answer.json()["token"] for answer in await at_once(url, confirm, len(people))]


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
