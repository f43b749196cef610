"""What waits for the store when its client goes away is left out; what has begun is finished."""

from __future__ import annotations

import asyncio

import asgi
from asgi import in_loop, until
from people import Person
from stores import held, serving
from wire import Wire

from prakerja_load.registrar.store.lookups import Lookups
from prakerja_load.registrar.store.transaction import Transaction
from prakerja_load.registrar.store.waves import open_wave as store_wave

CLIENTS = 60


async def stored(lab: asgi.Lab) -> set[str]:
    *rows, _ = await lab.export()
    return {row["key"] for row in rows}


@in_loop
async def test_who_goes_away_while_the_store_is_busy_is_not_stored(laboratory: asgi.Laboratory) -> None:
    people = [Person(index) for index in range(CLIENTS)]
    async with laboratory() as lab, serving(lab) as url:
        wires = [await Wire.open(url) for _ in people]
        async with held(lab):
            before = lab.registrar.store.depth
            sending = [
                asyncio.ensure_future(
                    wire.send("POST", "/api/v1/accounts", person.account, idempotency_key=person.key("create-account"))
                )
                for wire, person in zip(wires, people, strict=True)
            ]
            await until(lambda: lab.registrar.store.depth == before + CLIENTS)
            for wire in wires[::2]:
                await wire.close()
            await until(lambda: lab.registrar.admission.in_flight == CLIENTS // 2)
        answers = await asyncio.gather(*sending, return_exceptions=True)
        assert all(isinstance(answer, asyncio.IncompleteReadError) for answer in answers[::2])
        assert [getattr(answer, "status", answer) for answer in answers[1::2]] == [201] * (CLIENTS // 2)
        assert await stored(lab) == {person.key("create-account") for person in people[1::2]}
        assert lab.registrar.store.depth == 0
        again = [
            await wires[1].send(
                "POST", "/api/v1/accounts", person.account, idempotency_key=person.key("create-account")
            )
            for person in people[::2]
        ]
        assert {answer.status for answer in again} == {201}
        assert not any("idempotency-replayed" in answer.headers for answer in again)
        for wire in wires[1::2]:
            await wire.close()


@in_loop
async def test_who_goes_away_during_the_commit_is_stored_all_the_same(laboratory: asgi.Laboratory) -> None:
    async with laboratory() as lab:
        opening = store_wave("Gelombang", 5, None, None, lab.time)
        async with held(lab, opening) as begun:
            assert begun.cancel()
        await until(lambda: lab.registrar.store.depth == 0)
        assert (await lab.registrar.store.read(Lookups.wave_page, lab.time)).wave == 2


@in_loop
async def test_an_import_begins_when_all_that_waited_have_gone(laboratory: asgi.Laboratory) -> None:
    async with laboratory() as lab:
        async with held(lab):

            def never(_: Transaction) -> None:
                raise AssertionError("ran")

            waiting = [lab.registrar.store.submit(never) for _ in range(3)]
            importing = asyncio.ensure_future(lab.lines("import", [Person(1).import_line], import_password="rahasia-1"))
            for future in waiting:
                future.cancel()
            assert not importing.done()
        async with asyncio.timeout(10):
            assert (await importing).status == 200
        assert (await lab.export())[-1]["imported"] == 1


@in_loop
async def test_a_wave_is_opened_with_its_waiting_room_though_its_client_has_gone(laboratory: asgi.Laboratory) -> None:
    async with laboratory() as lab:
        async with held(lab):
            wave = {"name": "Gelombang", "quota": 5, "waiting_room": 10}
            opening = asyncio.ensure_future(lab.lab("POST", "waves", wave))
            before = lab.registrar.store.depth
            await until(lambda: lab.registrar.store.depth > before)
            opening.cancel()
            await asyncio.wait((opening,))
        await until(lambda: lab.registrar.door.room is not None)
        assert (await lab.registrar.store.read(Lookups.wave_page, lab.time)).wave == 2
