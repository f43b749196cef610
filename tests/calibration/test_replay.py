"""The replay is exact: it obeys the definition of a queue, and long paths come to the closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.calibration import replay, theory
from prakerja_load.calibration.replay import Stall
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.slots import Slots

PATHS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 120)), min_size=1, max_size=60)
MILLISECOND = 1_000_000


def path(steps: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    gaps, services = np.array(steps, np.int64).T
    return gaps.cumsum(), services


@given(PATHS, st.integers(1, 5))
def test_the_server_and_the_replay_serve_the_same_instants(steps: list[tuple[int, int]], count: int) -> None:
    arrivals, services = path(steps)
    slots = Slots(count)

    served = [slots.admit(*pair) for pair in zip(arrivals.tolist(), services.tolist(), strict=True)]

    assert [found[1] for found in served if found] == replay.departures(arrivals, services, count).tolist()
    assert len(served) == arrivals.size


@given(PATHS, st.integers(1, 5))
def test_the_server_and_the_replay_refuse_the_same_requests(steps: list[tuple[int, int]], count: int) -> None:
    arrivals, services = path(steps)
    slots = Slots(count, has_queue=False)

    served = [slots.admit(*pair) is not None for pair in zip(arrivals.tolist(), services.tolist(), strict=True)]

    assert served == replay.admitted(arrivals, services, count).tolist()


@given(PATHS, st.integers(1, 5))
def test_no_instant_has_more_requests_in_service_than_slots_nor_an_idle_slot_while_one_waits(
    steps: list[tuple[int, int]], count: int
) -> None:
    arrivals, services = path(steps)
    starts = arrivals + replay.waits(arrivals, services, count)
    ends = starts + services

    for start, arrival in zip(starts, arrivals, strict=True):
        assert np.count_nonzero((starts <= start) & (start < ends)) <= count
        if start > arrival:  # it waited: every slot was busy until that very instant
            assert np.count_nonzero((starts <= start) & (start <= ends)) >= count
    assert (np.diff(starts) >= 0).all()  # first come first served


@given(PATHS)
def test_lindleys_recursion_is_the_case_of_one_slot(steps: list[tuple[int, int]]) -> None:
    arrivals, services = path(steps)

    assert replay.lindley(arrivals, services).tolist() == replay.waits(arrivals, services, 1).tolist()


def poisson(rate: float, count: int, seed: int = 5) -> np.ndarray:
    gaps = np.random.default_rng(seed).exponential(1e9 / rate, count)
    return np.rint(gaps).astype(np.int64).cumsum()


@pytest.mark.parametrize("utilization", [0.5, 0.8])
def test_long_paths_come_to_the_closed_form_of_eight_slots(utilization: float) -> None:
    arrivals, services = poisson(400 * utilization, 200_000), ServiceLaw("exponential", 0.02, 3).array(200_000)

    times = (replay.departures(arrivals, services, 8) - arrivals) / 1e9

    queue = theory.MMC(400 * utilization, 50, 8)
    for share, tolerance in ((0.5, 0.03), (0.95, 0.04), (0.99, 0.04)):
        assert float(np.quantile(times, share)) == pytest.approx(queue.response_quantile(share), rel=tolerance)


def test_long_paths_come_to_the_closed_form_of_constant_service() -> None:
    arrivals, services = poisson(35, 200_000), ServiceLaw("constant", 0.02).array(200_000)

    found = replay.lindley(arrivals, services) / 1e9

    assert float(found.mean()) == pytest.approx(theory.mg1_mean_wait(35, 0.02, 0.02**2), rel=0.03)
    assert float((found <= 0.04).mean()) == pytest.approx(theory.md1_wait_within(35, 0.02, 0.04), abs=0.01)


@pytest.mark.parametrize("kind", ["constant", "exponential"])
def test_long_paths_lose_what_erlang_says_whatever_the_service_law(kind: str) -> None:
    arrivals, services = poisson(320, 200_000), ServiceLaw(kind, 0.02, 9).array(200_000)  # type: ignore[arg-type]

    refused = 1 - replay.admitted(arrivals, services, 8).mean()

    assert float(refused) == pytest.approx(theory.erlang_b(8, 6.4), abs=0.005)


def test_a_stall_gives_the_straight_line_of_the_formula() -> None:
    rate, duration, length, mean = 200, 60, 6, 0.001
    arrivals = np.arange(rate * duration, dtype=np.int64) * (1_000_000_000 // rate)
    stall = Stall(20 * 10**9, 26 * 10**9)

    times = (replay.departures(arrivals, ServiceLaw("constant", mean).array(arrivals.size), 1, stall) - arrivals) / 1e9

    for share in (0.95, 0.99):
        expected = theory.stall_quantile(share, length, duration, rate * mean)
        assert float(np.quantile(times, share, method="inverted_cdf")) == pytest.approx(expected + mean, abs=0.005)


@given(st.integers(0, 10**6), st.sampled_from([1e-3, 0.02, 1.0]))
def test_a_service_time_is_the_same_alone_and_among_others(index: int, mean: float) -> None:
    law = ServiceLaw("exponential", mean, 11)

    assert abs(law.of(index) - int(law.array(index + 1)[index])) <= 1


def test_service_times_are_exponential() -> None:
    seconds = np.sort(ServiceLaw("exponential", 0.02, 4).array(100_000) / 1e9)

    distance = np.abs(1 - np.exp(-seconds / 0.02) - (np.arange(seconds.size) + 0.5) / seconds.size).max()

    assert distance < 1.95 / math.sqrt(seconds.size)  # Kolmogorov–Smirnov, p = 0.001


def test_slots_are_one_or_more() -> None:
    with pytest.raises(ValueError, match="got 0, allowed: 1 or more"):
        Slots(0)
