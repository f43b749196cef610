"""Each injected defect is really there, is announced, and ends when it is taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgi import Answer, Lab, Laboratory, in_loop
from hypothesis import given, settings
from hypothesis import strategies as st
from people import Person, Visit

from prakerja_load.registrar.defects import STORED_STEPS, Defects, Failing, Silence, Stall


async def inject(lab: Lab, *defects: dict[str, Any]) -> Answer:
    answer = await lab.lab("POST", "defects", {"defects": list(defects)})
    assert answer.status == 200
    return answer


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
    assert rows["create-account"]["full_name"] == "Siti Rahayu?"
    assert rows["identity"]["kk"] == f"{int(Person(1).kk) + 1:016d}"
    assert rows["personal-data"]["address"] == Person(1).profile["address"] + "?"
    assert rows["ktp-photo"]["size"] != rows["selfie"]["size"]
    assert rows["submit-test"]["answers"] != [0, 1, 2] * 6
    assert len(rows["submit-test"]["answers"]) == 18


@in_loop
async def test_a_stall_holds_requests_that_came_before_and_during_it(laboratory: Laboratory) -> None:
    loop = asyncio.get_running_loop()
    async with laboratory() as lab:
        await inject(lab, {"name": "stall", "after": 0, "seconds": 0.3})
        began = loop.time()
        answers = await asyncio.gather(
            lab.send("GET", "/api/v1/waves/current"),
            lab.send("GET", "/healthz"),
            Visit(lab, Person(1)).create(),
        )
        took = loop.time() - began
        after = loop.time()
        await lab.send("GET", "/api/v1/waves/current")
        assert loop.time() - after < 0.2
    assert [answer.status for answer in answers] == [200, 200, 201]
    assert 0.25 < took < 2


@in_loop
async def test_a_slow_server_adds_its_delay_to_every_step(laboratory: Laboratory) -> None:
    loop = asyncio.get_running_loop()
    async with laboratory() as lab:
        await inject(lab, {"name": "slow", "seconds": 0.1})
        began = loop.time()
        await lab.send("GET", "/api/v1/waves/current")
        assert loop.time() - began >= 0.1


@in_loop
async def test_a_share_of_requests_fails(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await inject(lab, {"name": "error", "share": 0.25})
        answers = [await lab.send("GET", "/api/v1/waves/current") for _ in range(100)]
    failed = [answer for answer in answers if answer.status == 500]
    assert 24 <= len(failed) <= 26
    assert {answer.problem for answer in failed} == {"injected-error"}


@in_loop
async def test_a_muted_server_answers_no_step_but_is_seen_to_be_there(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await inject(lab, {"name": "mute"})
        unanswered = await lab.client.call("GET", "/api/v1/waves/current", goes_away=True)
        health = await lab.send("GET", "/healthz")
        await inject(lab)
        answered = await lab.send("GET", "/api/v1/waves/current")
    assert unanswered.status == 0
    assert health.json()["defects"] == ["mute"]
    assert answered.status == 200


@in_loop
async def test_defects_are_announced_everywhere(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        said = await inject(lab, {"name": "slow", "seconds": 0}, {"name": "lose-write", "every": 5})
        page = await lab.send("GET", "/api/v1/waves/current")
        missing = await lab.send("GET", "/nowhere")
        health = (await lab.send("GET", "/healthz")).json()
    assert said.json() == {"defects": ["slow seconds=0.0", "lose-write every=5"]}
    assert page.headers["prakerja-lab"] == missing.headers["prakerja-lab"] == "on; defect=slow,lose-write"
    assert health["defects"] == ["slow seconds=0.0", "lose-write every=5"]


@pytest.mark.parametrize(
    "defect",
    [
        {"name": "unknown"},
        {},
        {"name": "lose-write"},
        {"name": "lose-write", "every": 0},
        {"name": "silence", "share": 1.5},
        {"name": "stall", "after": -1, "seconds": 1},
        {"name": "slow", "seconds": 1, "extra": 1},
    ],
)
def test_a_defect_that_does_not_exist_is_refused(laboratory: Laboratory, defect: dict[str, Any]) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            answer = await lab.lab("POST", "defects", {"defects": [defect]})
            assert (answer.status, answer.problem) == (422, "invalid-body")
            assert not lab.registrar.defects.active

    scenario()


@settings(deadline=None, max_examples=60)
@given(share=st.floats(0, 1), requests=st.integers(1, 3_000))
def test_a_share_is_kept_to_within_a_few_requests(share: float, requests: int) -> None:
    defects = Defects()
    defects.replace([Silence(share)])
    silent = sum(defects.leaves_unanswered() for _ in range(requests))
    assert abs(silent - share * requests) <= 6


def test_a_stall_begins_and_ends_by_the_clock() -> None:
    now = [100.0]
    defects = Defects(lambda: now[0])
    defects.replace([Stall(5, 3), Failing(0)])

    async def is_held() -> bool:
        try:
            await asyncio.wait_for(defects.hold(), 0.01)
        except TimeoutError:
            return True
        return False

    async def scenario() -> list[bool]:
        seen = []
        for at in (100.0, 104.9, 105.0, 107.9, 108.0):
            now[0] = at
            seen.append(await is_held())
        return seen

    assert asyncio.run(scenario()) == [False, False, True, True, False]
