"""Each injected defect is really there, is announced, and ends when it is taken back."""

from __future__ import annotations

import asyncio
import random
import threading
import tracemalloc
from typing import Any

import msgspec
import pytest
from asgi import LAB_TOKEN, Answer, Lab, Laboratory, in_loop
from hypothesis import given, settings
from hypothesis import strategies as st
from people import Person, Visit
from server_process import StartServer
from wire import Wire

from prakerja_load.registrar.defect_catalog import (
    KINDS,
    NAMES,
    Failing,
    KnownQueue,
    Silence,
    SlowAbove,
    Stall,
)
from prakerja_load.registrar.defects import Defects, KnownTimes


async def inject(lab: Lab, *defects: dict[str, Any]) -> Answer:
    answer = await lab.lab("POST", "defects", {"defects": list(defects)})
    assert answer.status == 200
    return answer


async def keys(lab: Lab, kind: str) -> list[str]:
    return [row["key"] for row in await lab.export() if row["kind"] == kind]


@in_loop
async def test_what_a_defect_keeps_waiting_is_bounded_by_admission(laboratory: Laboratory) -> None:
    async with laboratory(max_in_flight=3) as lab:
        await inject(lab, {"name": "known-queue", "slots": 1, "seconds": 0.1})
        pages = await asyncio.gather(*(lab.send("GET", "/api/v1/waves/current") for _ in range(8)))
        await inject(lab)
        after = await lab.send("GET", "/api/v1/waves/current")
    shed = [page for page in pages if page.status == 503]
    assert sorted(page.status for page in pages) == [200] * 3 + [503] * 5
    assert all(page.problem == "overloaded" and "retry-after" in page.headers for page in shed)
    assert after.status == 200


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


@in_loop
async def test_a_write_is_acknowledged_before_it_is_committed(laboratory: Laboratory) -> None:
    disk = threading.Event()
    async with laboratory() as lab:
        await inject(lab, {"name": "acknowledge-early", "every": 2})
        writer = lab.registrar.store.writer
        commit = writer._committer

        def wait_for_disk() -> None:
            assert disk.wait(30)
            commit()

        writer._committer = wait_for_disk
        try:
            on_time = asyncio.ensure_future(Visit(lab, Person(1)).create())
            early = await asyncio.wait_for(Visit(lab, Person(2)).create(), 20)
            stored = lab.registrar.store.lookups.login(Person(2).email)  # of what is committed
            assert (early.status, stored, on_time.done()) == (201, None, False)
        finally:
            disk.set()
        assert (await on_time).status == 201
        writer._committer = commit
        assert await keys(lab, "create-account") == [Person(index).key("create-account") for index in (1, 2)]


@in_loop
async def test_memory_is_left_behind_until_the_defect_ends(laboratory: Laboratory) -> None:
    size = 1024 * 1024
    async with laboratory() as lab:
        await inject(lab, {"name": "leak-memory", "bytes": size})
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(20):
                await lab.send("GET", "/api/v1/waves/current")
            leaked = tracemalloc.get_traced_memory()[0] - before
            await inject(lab)
            left = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
    assert 20 * size <= leaked < 21 * size
    assert left < size


def test_connections_are_dropped_and_bodies_cut_on_the_wire(start_server: StartServer) -> None:
    server = start_server()

    async def answers_to(count: int) -> list[str]:
        seen = []
        for _ in range(count):
            wire = await Wire.open(server.url)
            try:
                seen.append(str((await wire.send("GET", "/api/v1/waves/current")).status))
            except asyncio.IncompleteReadError as cut:
                seen.append("cut" if cut.expected is not None and cut.partial else "dropped")
            except ConnectionError:
                seen.append("dropped")
            await wire.close()
        return seen

    async def scenario() -> None:
        control = await Wire.open(server.url)
        for defect, outcome in (
            ({"name": "drop-connection", "share": 0.5}, "dropped"),
            ({"name": "drop-connection", "share": 0.5, "moment": "before"}, "dropped"),
            ({"name": "truncate-body", "share": 0.5}, "cut"),
        ):
            said = await control.send("POST", "/lab/defects", {"defects": [defect]}, lab_token=LAB_TOKEN)
            assert said.status == 200
            seen = await answers_to(20)
            assert set(seen) == {"200", outcome}
            assert 9 <= seen.count(outcome) <= 11
        await control.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(("moment", "stored"), [("before", 0), ("after", 1)])
def test_a_connection_is_dropped_before_or_after_the_effect(
    start_server: StartServer, moment: str, stored: int
) -> None:
    server = start_server()

    async def scenario() -> int:
        control, client = await Wire.open(server.url), await Wire.open(server.url)
        defect = {"name": "drop-connection", "share": 1, "moment": moment}
        await control.send("POST", "/lab/defects", {"defects": [defect]}, lab_token=LAB_TOKEN)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.send("POST", "/api/v1/accounts", Person(1).account, idempotency_key="k")
        sent = await control.send("GET", f"/lab/outbox?to={Person(1).email}", lab_token=LAB_TOKEN)
        await control.close()
        await client.close()
        return sent.status

    assert asyncio.run(scenario()) == (200 if stored else 404)


def test_above_its_rate_a_server_is_slow_and_below_it_is_not() -> None:
    now = [50.0]
    defects = Defects(lambda: now[0])
    defects.replace([SlowAbove(10, 0.5)])

    def delays(gap: float, count: int) -> list[float]:
        seen = []
        for _ in range(count):
            now[0] += gap
            seen.append(defects._delay())
        return seen

    assert set(delays(0.101, 100)) == {0.0}  # 9.9 a second
    assert set(delays(0.09, 100)[20:]) == {0.5}  # 11 a second
    assert set(delays(0.101, 100)[20:]) == {0.0}  # and it recovers


@pytest.mark.parametrize(
    ("slots", "utilization", "service", "mean"),
    [
        (1, 0.5, "fixed", 1.5),  # M/D/1: 1 + ρ / (2 (1 − ρ))
        (1, 0.5, "exponential", 2.0),  # M/M/1: 1 / (1 − ρ)
        (1, 0.8, "exponential", 5.0),
        (2, 0.75, "exponential", 16 / 7),  # M/M/2: 1 / (1 − ρ²)
    ],
)
def test_the_known_queue_takes_as_long_as_theory_says(
    slots: int, utilization: float, service: str, mean: float
) -> None:
    times = KnownTimes(KnownQueue(slots, 1.0, service))
    arrivals = random.Random(7)
    now = total = 0.0
    count = 200_000
    for _ in range(count):
        now += arrivals.expovariate(slots * utilization)
        total += times.departure(now) - now
    assert total / count == pytest.approx(mean, rel=0.04)


@in_loop
async def test_the_known_queue_serves_one_after_the_other(laboratory: Laboratory) -> None:
    loop = asyncio.get_running_loop()
    async with laboratory() as lab:
        await inject(lab, {"name": "known-queue", "slots": 2, "seconds": 0.1})
        began = loop.time()
        await asyncio.gather(*(lab.send("GET", "/api/v1/waves/current") for _ in range(6)))
        assert 0.29 < loop.time() - began < 2  # three rounds of two


@pytest.mark.parametrize(
    ("defect", "said"),
    [
        ({"name": "lose-wrte", "every": 1}, f'defects[0].name: got "lose-wrte", allowed: {", ".join(NAMES)}'),
        ({"name": "lose-write", "every": 0}, "defects[0].every: got 0, allowed: int >= 1"),
        ({"name": "error", "share": 1.5}, "defects[0].share: got 1.5, allowed: float <= 1.0"),
        ({"name": "slow", "seconds": "1s"}, 'defects[0].seconds: got "1s", allowed: float, got str'),
        (
            {"name": "drop-connection", "share": 1, "moment": "never"},
            'defects[0].moment: got "never", allowed: before, after',
        ),
        (
            {"name": "stall", "after": 1},
            "defects[0]: Object missing required field seconds; allowed: name, after, seconds",
        ),
        (
            {"name": "mute", "share": 1},
            "defects[0]: Object contains unknown field share; allowed: name",
        ),
    ],
)
def test_a_refused_defect_is_told_what_was_given_and_what_is_allowed(
    laboratory: Laboratory, defect: dict[str, Any], said: str
) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            answer = await lab.lab("POST", "defects", {"defects": [defect]})
            assert (answer.status, answer.json()["detail"]) == (422, said)

    scenario()


@in_loop
async def test_every_defect_is_announced_with_its_parameters(laboratory: Laboratory) -> None:
    examples: dict[str, Any] = {"every": 1_000, "share": 0, "seconds": 0, "after": 3_000, "rate": 1_000, "slots": 8}
    examples |= {"places": 1, "bytes": 1}
    async with laboratory() as lab:
        for kind in KINDS:
            needed = {field.name: examples[field.name] for field in msgspec.structs.fields(kind) if field.required}
            name = str(kind.__struct_config__.tag)
            await inject(lab, {"name": name, **needed})
            health = await lab.send("GET", "/healthz")
            assert health.headers["prakerja-lab"] == f"on; defect={name}"
            assert health.json()["defects"] == [str(lab.registrar.defects.active[0])]
            assert health.json()["defects"][0].startswith(name)
