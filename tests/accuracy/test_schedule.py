"""A7 and A16: the plan is exact in count, and what is random in it is Poisson by every test."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from prakerja_load.arrivals.curve import RampStage, RateCurve
from prakerja_load.arrivals.schedule import Schedule

RATE, LENGTH = 50.0, 6_000.0
SEEDS = range(20)


@pytest.fixture(scope="module", params=SEEDS, ids=lambda seed: f"seed-{seed}")
def times(request: pytest.FixtureRequest) -> np.ndarray:
    """Return 300 000 arrivals at a constant rate."""
    schedule = Schedule(RateCurve.constant(RATE, LENGTH), round(RATE * LENGTH), request.param)
    return schedule.times(0, len(schedule))


def kolmogorov(distance: float, n: int) -> float:
    """Return P(D > distance) of n values by Kolmogorov's series."""
    x = distance * (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n))
    return min(1.0, 2 * math.fsum((-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101)))


def test_gaps_are_exponential(times: np.ndarray) -> None:
    gaps = np.sort(np.diff(times))
    n = gaps.size
    expected = 1 - np.exp(-gaps * RATE)

    distance = max((np.arange(1, n + 1) / n - expected).max(), (expected - np.arange(n) / n).max())

    assert kolmogorov(float(distance), n) > 0.001


def test_counts_per_second_have_the_dispersion_of_poisson(times: np.ndarray) -> None:
    counts = np.histogram(times, np.arange(0, LENGTH + 1))[0]

    assert 0.9 <= counts.var(ddof=1) / counts.mean() <= 1.1


@pytest.mark.parametrize("length", [600.0, 1_500.0])
def test_counts_of_windows_stay_within_three_sigma_of_their_expectation(times: np.ndarray, length: float) -> None:
    counts = np.histogram(times, np.arange(0, LENGTH + 1, length))[0]

    assert np.abs(counts - RATE * length).max() <= 3.3 * math.sqrt(RATE * length)


RATES = tuple(0.0134 * registrants / 60 for registrants in (200_000, 300_000, 600_000, 2_000_000))
STAGE, FASTER = 600.0, 10  # seconds of the first rate, of each change to the next and of the last one; times as fast


def ministry(process: str) -> Schedule:
    """Return the rates of 200 000 to 2 000 000 registrants, 0.0134·N/60 each, ramped up in line and compressed."""
    stages = [RampStage(STAGE, a, b) for a, b in itertools.pairwise(RATES)]
    curve = RateCurve.of([RampStage(STAGE, RATES[0], RATES[0]), *stages, RampStage(STAGE, RATES[-1], RATES[-1])])
    compressed = curve.compressed(FASTER)
    return Schedule(compressed, round(compressed.total), 7, process)  # type: ignore[arg-type]


def arrivals_by(second: float) -> float:
    """Return the same ramp's N(t) in closed form: of each stage begun, r₀·x + (r₁ − r₀)·x²/(2·600 s), x within it.

    A second of the compressed ramp is ten of the real one, in which the same people arrive.
    """
    held = (RATES[0], *RATES, RATES[-1])
    real = second * FASTER
    total = 0.0
    for number, (first, last) in enumerate(itertools.pairwise(held)):
        x = min(max(real - number * STAGE, 0.0), STAGE)
        total += first * x + (last - first) * x**2 / (2 * STAGE)
    return total


def test_a_compressed_ramp_is_exact_to_one_arrival_at_every_second() -> None:
    """A16: half an arrival of the even spacing, and half of it that their number is a whole one."""
    schedule = ministry("uniform")
    seconds = range(round(5 * STAGE / FASTER) + 1)

    errors = [schedule.due_before(second) - arrivals_by(second) for second in seconds]

    assert max(map(abs, errors)) <= 1
    assert schedule.due_before(seconds[-1] + 1) == len(schedule) == round(arrivals_by(seconds[-1]))


def test_a_random_compressed_ramp_is_exact_in_number_and_poisson_on_the_way() -> None:
    schedule = ministry("poisson")
    seconds = range(1, round(5 * STAGE / FASTER))

    due = np.array([schedule.due_before(second) for second in seconds])
    expected = np.array([arrivals_by(second) for second in seconds])

    assert (np.abs(due - expected) <= 3.3 * np.sqrt(expected)).all()
    assert schedule.due_before(schedule.duration + 1) == len(schedule)
