"""The defects that reach into the store do on both stores what they say."""

from __future__ import annotations

from typing import Any

from asgi import Lab, Laboratory, in_loop
from people import Person, Visit


async def inject(lab: Lab, **defect: Any) -> None:
    assert (await lab.lab("POST", "defects", {"defects": [defect]})).status == 200


@in_loop
async def test_a_full_wave_takes_one_more_than_its_quota(laboratory: Laboratory) -> None:
    async with laboratory(wave_quota=1) as lab:
        visits = [await Visit(lab, Person(index)).complete() for index in range(3)]
        await inject(lab, name="oversell", places=1)
        joined = [(await visit.join()).status for visit in visits]
        end = (await lab.export())[-1]
    assert (joined, end["joined"]) == ([201, 201, 409], {"1": 2})


@in_loop
async def test_writes_acknowledged_early_are_stored_in_the_end(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await inject(lab, name="acknowledge-early", every=1)
        first = await Visit(lab, Person(1)).create()
        taken = await lab.send("POST", "/api/v1/accounts", Person(1).account, key="another")
        await inject(lab, name="slow", seconds=0)
        await Visit(lab, Person(2)).create()  # acknowledged on time, so after everything before it
        stored = [row["key"] for row in await lab.export() if row["kind"] == "create-account"]
    assert (first.status, taken.problem) == (201, "email-in-use")
    assert stored == [Person(index).key("create-account") for index in (1, 2)]


@in_loop
async def test_writes_are_lost_doubled_and_altered(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        for index, defect in enumerate(("lose-write", "duplicate-write", "corrupt-field"), 1):
            await inject(lab, name=defect, every=1)
            assert (await Visit(lab, Person(index)).create()).status == 201
        rows = [(row["key"], row["full_name"]) for row in await lab.export() if row["kind"] == "create-account"]
    assert rows == [
        (Person(2).key("create-account"), "Siti Rahayu"),
        (Person(2).key("create-account"), "Siti Rahayu"),
        (Person(3).key("create-account"), "Siti Rahayu~"),
    ]
