"""The defects that reach into the store do on both stores what they say."""

from __future__ import annotations

import asyncio
from typing import Any

from asgi import Answer, Lab, Laboratory, in_loop
from people import Person, Visit

from prakerja_load.registrar.defect_catalog import STORED_STEPS


async def inject(lab: Lab, *defects: dict[str, Any]) -> Answer:
    answer = await lab.lab("POST", "defects", {"defects": list(defects)})
    assert answer.status == 200
    return answer


async def until_committed(lab: Lab) -> None:
    """Wait for the commit of what was acknowledged before it."""
    async with asyncio.timeout(20):
        while lab.registrar.store.depth:
            await asyncio.sleep(0.001)


async def keys(lab: Lab, kind: str) -> list[str]:
    return [row["key"] for row in await lab.export() if row["kind"] == kind]


@in_loop
async def test_every_nth_acknowledged_write_is_lost_with_its_idempotency_key(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await inject(lab, {"name": "lose-write", "every": 3, "step": "create-account"})
        answers = [await Visit(lab, Person(index)).create() for index in range(9)]
        stored = await keys(lab, "create-account")
        await inject(lab)
        again = await Visit(lab, Person(2)).create()
    assert {answer.status for answer in answers} == {201}
    assert stored == [Person(index).key("create-account") for index in (0, 1, 3, 4, 6, 7)]
    assert again.status == 201
    assert "idempotency-replayed" not in again.headers


@in_loop
async def test_losing_one_step_leaves_the_others_whole(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await inject(lab, {"name": "lose-write", "every": 1, "step": "join-wave"})
        joined = await (await Visit(lab, Person(1)).complete()).join()
        rows = await lab.export()
        page = (await lab.send("GET", "/api/v1/waves/current")).json()
    assert joined.status == 201
    assert [row["kind"] for row in rows] == [*(step for step in STORED_STEPS if step != "join-wave"), "end"]
    assert (rows[-1]["joined"], page["joined"]) == ({"1": 0}, 0)


@in_loop
async def test_accounts_and_joins_are_stored_twice(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, Person(1)).complete()
        await inject(lab, {"name": "duplicate-write", "every": 2})
        await Visit(lab, Person(2)).create()  # first
        await visit.join()  # second: twice
        await Visit(lab, Person(3)).create()
        await Visit(lab, Person(4)).create()  # fourth: twice
        accounts, joins = await keys(lab, "create-account"), await keys(lab, "join-wave")
        end = (await lab.export())[-1]
    assert accounts == [Person(index).key("create-account") for index in (1, 2, 3, 4, 4)]
    assert joins == [Person(1).key("join-wave")] * 2
    assert (end["accounts"], end["joined"]) == (5, {"1": 2})


@in_loop
async def test_a_field_of_every_nth_write_is_altered(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await inject(lab, {"name": "corrupt-field", "every": 1})
        await (await Visit(lab, Person(1)).complete()).join()
        rows = {row["kind"]: row for row in await lab.export()}
    assert rows["create-account"]["full_name"] == "Siti Rahayu~"
    assert rows["identity"]["kk"] == f"{int(Person(1).kk) + 1:016d}"
    assert rows["personal-data"]["address"] == Person(1).profile["address"] + "~"
    assert rows["ktp-photo"]["size"] != rows["selfie"]["size"]
    assert rows["submit-test"]["answers"] != [0, 1, 2] * 6
    assert len(rows["submit-test"]["answers"]) == 18


@in_loop
async def test_a_full_wave_takes_as_many_more_as_it_is_told_to_and_no_more(laboratory: Laboratory) -> None:
    async with laboratory(wave_quota=1) as lab:
        visits = [await Visit(lab, Person(index)).complete() for index in range(4)]
        assert (await visits[0].join()).status == 201
        assert (await visits[1].join()).problem == "quota-full"
        await inject(lab, {"name": "oversell", "places": 1})
        joined = [
            await lab.send(
                "POST",
                "/api/v1/waves/1/joins",
                {"declaration": True},
                key=f"again-{visit.person.index}",
                token=visit.token,
            )
            for visit in visits[1:]
        ]
        end = (await lab.export())[-1]
        page = (await lab.send("GET", "/api/v1/waves/current")).json()
    assert [answer.status for answer in joined] == [201, 409, 409]
    assert (end["joined"], page["joined"], page["quota"]) == ({"1": 2}, 1, 1)


@in_loop
async def test_writes_acknowledged_early_are_stored_in_the_end(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await inject(lab, {"name": "acknowledge-early", "every": 1})
        first = await Visit(lab, Person(1)).create()
        taken = await lab.send("POST", "/api/v1/accounts", Person(1).account, key="another")
        await until_committed(lab)
        stored = await keys(lab, "create-account")
    assert (first.status, taken.problem) == (201, "email-in-use")
    assert stored == [Person(1).key("create-account")]


@in_loop
async def test_a_refusal_stays_one_when_writes_are_acknowledged_early(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await inject(lab, {"name": "acknowledge-early", "every": 1})
        await Visit(lab, Person(1)).create()
        taken = await lab.send("POST", "/api/v1/accounts", Person(1).account, key="another")
        await until_committed(lab)  # or another group may not know of the key yet
        reused = await lab.send("POST", "/api/v1/accounts", Person(2).account, key="another")
    assert (taken.problem, reused.problem) == ("email-in-use", "idempotency-key-reused")


@in_loop
async def test_an_error_comes_as_200_and_has_no_effect(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await inject(lab, {"name": "error-as-200", "share": 1})
        answer = await Visit(lab, Person(1)).create()
        stored = await keys(lab, "create-account")
    assert (answer.status, answer.headers["content-type"], stored) == (200, "application/json", [])
    assert answer.json()["type"] == "/problems/injected-error"
