"""The schedule: exact in count, Poisson in its gaps, the same however it is asked for."""

from __future__ import annotations

import math
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.arrivals.curve import RampStage, RateCurve
from prakerja_load.arrivals.schedule import BLOCK, ArrivalProcess, Schedule

TRIANGLE = RateCurve.of([RampStage(300, 0, 200), RampStage(300, 200, 50), RampStage(60, 0, 0), RampStage(100, 90, 90)])
counts = st.one_of(st.integers(1, 50), st.sampled_from([BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 77]))
processes = st.sampled_from(["poisson", "uniform"])


@settings(deadline=None, max_examples=60)
@given(counts, st.integers(0, 2**63), processes)
def test_there_are_exactly_as_many_arrivals_as_asked_for_in_order_and_inside_the_curve(
    count: int, seed: int, process: ArrivalProcess
) -> None:
    schedule = Schedule(TRIANGLE, count, seed, process)

    times = schedule.times(0, count)

    assert len(times) == len(schedule) == count
    assert (np.diff(times) >= 0).all()
    assert times[0] >= 0
    assert times[-1] <= schedule.duration


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1000), processes, st.lists(st.integers(0, 2 * BLOCK + 77), min_size=3, max_size=3))
def test_a_range_does_not_depend_on_how_it_is_asked_for(seed: int, process: ArrivalProcess, cuts: list[int]) -> None:
    a, b, c = sorted(cuts)
    schedule = Schedule(TRIANGLE, 2 * BLOCK + 77, seed, process)
    other = Schedule(TRIANGLE, 2 * BLOCK + 77, seed, process)

    whole = schedule.times(a, c)
    later, earlier = other.times(b, c), other.times(a, b)

    assert np.array_equal(whole, np.concatenate([earlier, later]))


@settings(deadline=None, max_examples=60)
@given(counts, processes, st.floats(-10, 800))
def test_as_many_are_due_before_a_time_as_have_an_earlier_one(
    count: int, process: ArrivalProcess, seconds: float
) -> None:
    schedule = Schedule(TRIANGLE, count, 7, process)

    assert schedule.due_before(seconds) == int((schedule.times(0, count) < seconds).sum())


def test_an_arrival_is_not_due_before_its_own_time() -> None:
    schedule = Schedule(TRIANGLE, 3 * BLOCK, 11)

    for index in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1):
        assert schedule.due_before(float(schedule.times(index, index + 1)[0])) == index
    assert schedule.due_before(schedule.duration + 1) == 3 * BLOCK


def test_another_seed_gives_other_arrivals_and_the_same_seed_the_same() -> None:
    first, again, other = (Schedule(TRIANGLE, 1000, seed) for seed in (1, 1, 2))

    assert np.array_equal(first.times(0, 1000), again.times(0, 1000))
    assert not np.isin(first.times(0, 1000), other.times(0, 1000)).any()


def test_rescaled_by_the_integral_the_arrivals_are_uniform() -> None:
    """Kolmogorov-Smirnov at p = 0.001: √n·D < 1.95; over ten seeds the smallest D is not suspiciously small either."""
    distances = []
    for seed in range(10):
        times = Schedule(TRIANGLE, 20_000, seed).times(0, 20_000)
        shares = TRIANGLE.cumulative(times) / TRIANGLE.total
        grid = np.arange(20_000) / 20_000
        distances.append(math.sqrt(20_000) * max(np.max(shares - grid), np.max(grid + 1 / 20_000 - shares)))

    assert max(distances) < 1.95
    assert min(distances) > 0.3


def test_the_gaps_of_a_flat_poisson_schedule_are_exponential() -> None:
    times = Schedule(RateCurve.constant(100, 2000), 200_000, 5).times(0, 200_000)
    gaps = np.sort(np.diff(times)) * 100

    law = 1 - np.exp(-gaps)

    assert math.sqrt(gaps.size) * np.max(np.abs(law - np.arange(1, gaps.size + 1) / gaps.size)) < 1.95


def test_the_counts_of_a_flat_poisson_schedule_have_their_mean_as_variance() -> None:
    times = Schedule(RateCurve.constant(100, 2000), 200_000, 5).times(0, 200_000)
    per_second = np.bincount(times.astype(int), minlength=2000)

    assert per_second.sum() == 200_000
    assert 0.9 < per_second.var() / per_second.mean() < 1.1


def test_evenly_spaced_arrivals_keep_to_the_curve_at_every_second() -> None:
    schedule = Schedule(TRIANGLE, 60_000, 1, "uniform")
    seconds = np.arange(0, int(schedule.duration) + 1)

    come = np.searchsorted(schedule.times(0, 60_000), seconds)

    assert np.abs(come - schedule.expected(seconds)).max() <= 1


def test_the_expected_number_before_the_end_is_the_count() -> None:
    schedule = Schedule(TRIANGLE, 12_345, 1)

    assert schedule.expected([-5, 0, 1e9]).tolist() == [0, 0, 12_345]


def test_nothing_is_due_while_the_rate_is_zero() -> None:
    times = Schedule(TRIANGLE, 20_000, 3).times(0, 20_000)

    assert not ((times > 600) & (times < 660)).any()


@pytest.mark.parametrize(
    ("seed", "process", "digest"),
    [
        (2020, "poisson", "8515ad0202c340765ca7c4e720c1b061"),
        (2021, "poisson", "02b8d8865a6e81bd12c554cabb88ebe5"),
        (2020, "uniform", "6ad104d5afdffcf8f8c21e56901f30b7"),
    ],
)
def test_the_digest_is_known(seed: int, process: ArrivalProcess, digest: str) -> None:
    assert Schedule(TRIANGLE, 20_000, seed, process).digest() == digest


def test_the_digest_tells_apart_count_curve_and_seed() -> None:
    curve = RateCurve.constant(10, 100)
    schedules = [
        Schedule(curve, 1000, 1),
        Schedule(curve, 1001, 1),
        Schedule(curve, 1000, 2),
        Schedule(RateCurve.constant(10, 101), 1000, 1),
        Schedule(curve, 1000, 1, "uniform"),
    ]

    assert len({schedule.digest() for schedule in schedules}) == len(schedules)


def test_two_million_arrivals_are_passed_in_a_second_with_the_memory_of_a_block() -> None:
    schedule = Schedule(RateCurve.constant(4748, 2_000_000 / 4748), 2_000_000, 1)
    tracemalloc.start()
    begin = time.process_time()
    total = sum(len(block) for block in schedule.blocks())
    seconds = time.process_time() - begin
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert total == 2_000_000
    assert seconds < 1
    assert peak < 4_000_000


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 101)])
def test_a_range_outside_the_schedule_is_refused(start: int, stop: int) -> None:
    with pytest.raises(IndexError, match="lie outside"):
        Schedule(TRIANGLE, 100, 1).times(start, stop)


def test_an_empty_range_has_no_times() -> None:
    schedule = Schedule(TRIANGLE, 2 * BLOCK, 1)

    assert all(schedule.times(at, at).size == 0 for at in (0, 1, BLOCK, 2 * BLOCK))


def test_a_schedule_without_arrivals_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one arrival"):
        Schedule(TRIANGLE, 0, 1)
