"""Many clients at once over real HTTP: one account an address, one person a NIK, no place sold twice."""

from __future__ import annotations

from collections.abc import Awaitable

from asgi import Answer, in_loop
from crowd import CLIENTS, at_once, confirmed, lines, outcomes, tokens
from people import Person
from server_process import StartServer
from wire import Wire


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
