"""Admission: hard bounds, the limit that follows a standing delay, and who is turned away first."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import pytest
from asgi import Laboratory, in_loop
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.registrar.admission import Admission, LoopWatch
from prakerja_load.registrar.overload import WINDOW, AdaptiveLimit, DelayTarget
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.settings import parse

TARGET = DelayTarget(seconds=0.1, interval=0.5, lowest=4)


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def admission_with(clock: Clock, in_flight: int, highest: int = 1000) -> Admission:
    admission = Admission(highest, target=TARGET, now=clock)
    for _ in range(in_flight):
        admission.enter(0)
    return admission


def keep_late(admission: Admission, clock: Clock, seconds: float, delay: float) -> None:
    for _ in range(round(seconds / 0.02)):
        clock.time += 0.02
        admission.observe("store", delay)


def test_more_requests_or_bytes_than_are_taken_are_told_to_come_back() -> None:
    admission = Admission(2, max_bytes=10)
    admission.enter(4)
    with pytest.raises(RefusalError, match="overloaded") as too_large:
        admission.enter(7)
    admission.enter(6)
    with pytest.raises(RefusalError, match="overloaded"):
        admission.enter(0)
    admission.leave(4)
    admission.enter(4)
    assert too_large.value.retry_after in (1, 2, 3)
    assert admission.shed_by == {"in-flight": 1, "bodies": 1, "delay": 0, "newcomer": 0}
    assert (admission.in_flight, admission.bytes, admission.shed) == (2, 10, 2)


def test_a_delay_that_does_not_stand_for_an_interval_sheds_nobody() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    for _ in range(20):
        keep_late(admission, clock, 0.4, delay=5.0)
        keep_late(admission, clock, 0.2, delay=0.01)
        admission.enter(0)
    assert admission.shed == 0


def test_one_quick_answer_in_a_window_shows_that_no_queue_stands() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    for _ in range(200):
        clock.time += 0.02
        admission.observe("store", 3.0)
        admission.observe("store", 0.01)
    admission.enter(0)
    assert admission.shed == 0


def test_a_standing_delay_sheds_newcomers_before_those_under_way() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    keep_late(admission, clock, 2, delay=0.2)
    assert admission.limit == 50
    for _ in range(55):
        admission.leave(0)
    with pytest.raises(RefusalError, match="overloaded"):
        admission.enter(0, "create-account")
    for _ in range(5):
        admission.enter(0, "join-wave")
    with pytest.raises(RefusalError, match="overloaded"):
        admission.enter(0, "join-wave")
    assert (admission.shed_by["newcomer"], admission.shed_by["delay"]) == (1, 1)


def test_the_slowest_source_decides() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    for _ in range(100):
        clock.time += 0.02
        admission.observe("store", 0.0)
        admission.observe("loop", 0.4)
    assert admission.limit < 100


def test_a_target_of_zero_never_sheds_for_delay() -> None:
    limit = AdaptiveLimit(1000, DelayTarget(seconds=0))
    for tick in range(1000):
        limit.observe("store", 60.0, 900, tick * 0.02)
    assert limit.limit == 1000


Measurements = st.lists(
    st.tuples(
        st.sampled_from(["loop", "store"]),
        st.floats(0, 100),
        st.integers(0, 1000),
        st.floats(0, 1),
        st.booleans(),
    )
)


@given(Measurements)
def test_the_limit_stays_between_the_lowest_and_the_highest_and_recovers(
    measurements: list[tuple[str, float, int, float, bool]],
) -> None:
    limit = AdaptiveLimit(1000, TARGET)
    now = 0.0
    for source, delay, in_flight, pause, is_shed in measurements:
        now += pause
        if is_shed:
            limit.shed()
        limit.observe(source, delay, in_flight, now)
        assert TARGET.lowest <= limit.limit <= 1000
    for _ in range(30):  # three seconds in peace
        now += WINDOW
        limit.observe("loop", 0.0, 0, now)
    assert not limit.is_shedding


@given(st.lists(st.floats(0, TARGET.seconds)), st.integers(0, 1000))
def test_delays_within_the_target_never_lower_the_limit(delays: list[float], in_flight: int) -> None:
    limit = AdaptiveLimit(1000, TARGET)
    for tick, delay in enumerate(delays):
        limit.observe("store", delay, in_flight, tick * 0.03)
        assert limit.limit == 1000


def simulate(load: float, seconds: float, capacity: int = 500) -> tuple[int, list[float]]:
    """Return what a server of known capacity answered in the last part of an overload, and how long each waited."""
    clock = Clock()
    admission = Admission(1_000, target=TARGET, now=clock)
    queue: deque[float] = deque()
    waits: list[float] = []
    step, credit, due = 0.002, 0.0, 0.0
    begin = clock.time
    while clock.time < begin + seconds:
        clock.time += step
        due += load * capacity * step
        while due >= 1:
            due -= 1
            try:
                admission.enter(0)
                queue.append(clock.time)
            except RefusalError:
                pass
        credit = min(credit + capacity * step, 1.0 if not queue else 1e9)
        while queue and credit >= 1:
            credit -= 1
            wait = clock.time - queue.popleft()
            admission.leave(0)
            admission.observe("store", wait)
            if clock.time > begin + seconds / 2:
                waits.append(wait)
    return len(waits), sorted(waits)


@pytest.mark.parametrize("load", [1.5, 3.0, 10.0])
def test_under_a_lasting_overload_a_known_server_stays_busy_and_prompt(load: float) -> None:
    served, waits = simulate(load, seconds=10)
    assert served >= 0.98 * 500 * 5
    assert waits[int(0.99 * len(waits))] <= 2 * TARGET.seconds


@in_loop
async def test_a_loop_that_is_late_is_noticed() -> None:
    admission = Admission(1000)
    seen: list[float] = []

    def note(source: str, delay: float) -> None:
        assert source == "loop"
        seen.append(delay)

    admission.observe = note  # type: ignore[method-assign]
    watch = LoopWatch(admission)
    time.sleep(0.2)  # the loop is held up: what is measured here
    async with asyncio.timeout(5):
        while not seen:
            await asyncio.sleep(0.001)
    watch.stop()
    assert 0.1 <= seen[0] <= 5


@in_loop
async def test_a_request_whose_client_has_gone_is_not_worked_on(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        gone = await lab.client.call("GET", "/api/v1/waves/current", goes_away=True)
        there = await lab.client.call("GET", "/api/v1/waves/current")
        assert lab.registrar.admission.in_flight == 0
    assert (gone.status, there.status) == (0, 200)


@in_loop
async def test_writes_and_the_loop_are_measured_in_a_running_registrar(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        seen: list[str] = []
        lab.registrar.admission.observe = lambda source, _delay: seen.append(source)
        body = {"full_name": "Siti", "email": "siti@example.com", "password": "rahasia-negara"}
        assert (await lab.send("POST", "/api/v1/accounts", body, key="k")).status == 201
        async with asyncio.timeout(5):
            while "loop" not in seen:
                await asyncio.sleep(0.01)
    assert set(seen) == {"loop", "store"}


@pytest.mark.parametrize("flag", ["--max-delay", "--civil-timeout", "--waiting-room"])
def test_a_flag_of_protection_that_cannot_be_meant_is_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse([flag, "-1"])
    message = capsys.readouterr().err
    assert f"argument {flag}: -1 does not lie between 0 and" in message


def test_the_defaults_of_the_protections() -> None:
    settings = parse([])
    assert (settings.max_in_flight, settings.max_delay, settings.civil_timeout) == (4_000, 0.2, 5.0)
    assert settings.waiting_room == 0
