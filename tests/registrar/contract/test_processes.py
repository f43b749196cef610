"""Several registrars on one PostgreSQL database keep every rule as one would, by the database's own means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from asgi import LAB_TOKEN, Answer, in_loop
from crowd import CLIENTS, Act, lines, outcomes, tokens
from load import Load, exported
from people import Person
from server_process import StartServer
from wire import Wire

pytestmark = [pytest.mark.postgresql, pytest.mark.parametrize("store", ["postgresql"], indirect=True)]


@pytest.fixture
def urls(start_server: StartServer) -> list[str]:
    return [start_server("--wave-quota", "17", "--max-persons-per-kk", "2").url for _ in range(2)]


async def at_both(urls: list[str], act: Act) -> list[Answer]:
    """Let every second client act on the other registrar, all at once."""
    wires = [await Wire.open(urls[number % 2]) for number in range(CLIENTS)]
    answers = await asyncio.gather(*(act(number, wire) for number, wire in enumerate(wires)))
    for wire in wires:
        await wire.close()
    return list(answers)


def test_one_address_gets_one_account(urls: list[str]) -> None:
    @in_loop
    async def scenario() -> None:
        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            return wire.send("POST", "/api/v1/accounts", Person(1).account, idempotency_key=f"k{number}")

        assert outcomes(await at_both(urls, act)) == {"201": 1, "email-in-use": CLIENTS - 1}

    scenario()


def test_one_key_has_one_effect_and_is_in_flight_until_it_is_answered(urls: list[str]) -> None:
    @in_loop
    async def scenario() -> None:
        for index in range(20):
            person = Person(index)

            def act(_: int, wire: Wire, person: Person = person) -> Awaitable[Answer]:
                return wire.send(
                    "POST", "/api/v1/accounts", person.account, idempotency_key=person.key("create-account")
                )

            answers = await at_both(urls, act)
            assert {(answer.status, answer.problem) for answer in answers} <= {
                (201, ""),
                (409, "idempotency-key-in-flight"),
            }
            made = [
                answer for answer in answers if answer.status == 201 and "idempotency-replayed" not in answer.headers
            ]
            assert len(made) == 1
        rows = await exported(urls[0])
        assert len(rows) == 20 + 1

    scenario()


def test_a_quota_is_never_oversold_and_a_token_holds_everywhere(urls: list[str]) -> None:
    @in_loop
    async def scenario() -> None:
        sessions = await tokens(urls[0], [Person(index) for index in range(CLIENTS)])

        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            headers = {"idempotency_key": f"j{number}", "authorization": f"Bearer {sessions[number]}"}
            return wire.send("POST", "/api/v1/waves/1/joins", {"declaration": True}, **headers)

        assert outcomes(await at_both(urls, act)) == {"201": 17, "quota-full": CLIENTS - 17}

    scenario()


def test_one_person_joins_a_wave_once(urls: list[str]) -> None:
    @in_loop
    async def scenario() -> None:
        (session,) = await tokens(urls[0], [Person(1)])

        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            headers = {"idempotency_key": f"j{number}", "authorization": f"Bearer {session}"}
            return wire.send("POST", "/api/v1/waves/1/joins", {"declaration": True}, **headers)

        assert outcomes(await at_both(urls, act)) == {"201": 1, "already-joined": CLIENTS - 1}

    scenario()


def test_a_family_card_takes_as_many_as_are_allowed(urls: list[str]) -> None:
    newcomers = [Person(index) for index in range(CLIENTS)]

    @in_loop
    async def scenario() -> None:
        family = [{**person.identity, "kk": Person(0).kk} for person in newcomers]
        for url in urls:
            await lines(url, "civil", family)

        async def enter(number: int, wire: Wire) -> Answer:
            person = newcomers[number]
            await wire.send("POST", "/api/v1/accounts", person.account, idempotency_key=f"a{number}")
            sent = await wire.send("GET", f"/lab/outbox?to={person.email}", lab_token=LAB_TOKEN)
            confirmation = {"email": person.email, "code": sent.json()["code"]}
            await wire.send("POST", "/api/v1/email-confirmations", confirmation, idempotency_key=f"c{number}")
            return await wire.send("POST", "/api/v1/sessions", {"email": person.email, "password": person.password})

        sessions = [answer.json()["token"] for answer in await at_both(urls, enter)]

        def act(number: int, wire: Wire) -> Awaitable[Answer]:
            headers = {"idempotency_key": f"k{number}", "authorization": f"Bearer {sessions[number]}"}
            return wire.send("POST", "/api/v1/identity", family[number], **headers)

        assert outcomes(await at_both(urls, act)) == {"201": 2, "family-card-full": CLIENTS - 2}

    scenario()


def test_a_position_parts_what_was_written_before_from_what_comes_after(urls: list[str]) -> None:
    """Under load at both, whatever was acknowledged after the position had been given is exported after it."""

    @in_loop
    async def scenario() -> None:
        load = Load(*urls)
        running = asyncio.ensure_future(load.run())
        await load.until(lambda load: len(load.acknowledged) >= 100)
        wire = await Wire.open(urls[0])
        before = set(load.acknowledged)
        mark = (await wire.send("GET", "/lab/position", lab_token=LAB_TOKEN)).json()["position"]
        at_answer = set(load.acknowledged)
        done = len(at_answer)
        await load.until(lambda load: len(load.acknowledged) >= done + 100)
        load.stop()
        await running
        await wire.close()
        everything = {row["key"] for row in (await exported(urls[1]))[:-1]}
        later = {row["key"] for row in (await exported(urls[1], mark))[:-1]}
        assert load.acknowledged == everything
        assert not before & later
        # what the twenty clients had under way when the answer came belongs to either side
        assert len(load.acknowledged - at_answer - later) <= 20

    scenario()
