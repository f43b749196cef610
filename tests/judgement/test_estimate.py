"""Bounds that hold as often as they say, on fixed seeds whose truth is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prakerja_load.judgement.estimate import (
    NOTHING,
    drift_bound,
    effective_size,
    quantile,
    quantiles,
    rate,
    ratio,
    trend,
)

Floats = NDArray[np.float64]
SEEDS = 300
# 95 % of 300, minus 2.6 standard deviations: a right bound falls below by chance once in two hundred
FEWEST = round(SEEDS * 0.95 - 2.6 * math.sqrt(SEEDS * 0.95 * 0.05))


def ar1(runs: int, n: int, phi: float) -> Floats:
    """Return stationary standard normal AR(1) paths, one a row."""
    random = np.random.default_rng(7)
    noise = random.standard_normal((n, runs)) * math.sqrt(1 - phi * phi)
    paths = np.empty((n, runs))
    paths[0] = random.standard_normal(runs)
    for moment in range(1, n):
        paths[moment] = phi * paths[moment - 1] + noise[moment]
    return paths.T


def covered(paths: Floats, share: float, truth: float) -> tuple[int, int, int]:
    """Return how often the lower and the upper bound hold, and how often there is a finite upper bound."""
    estimates = [quantile(path, share) for path in paths]
    return (
        sum(estimate.low <= truth for estimate in estimates),
        sum(estimate.high >= truth for estimate in estimates),
        sum(estimate.high < math.inf for estimate in estimates),
    )


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_bounds_hold_on_independent_values(share: float) -> None:
    paths = np.random.default_rng(1).exponential(size=(SEEDS, 1_000))

    low, high, earned = covered(paths, share, -math.log(1 - share))

    assert min(low, high) >= FEWEST
    assert earned == SEEDS
    assert min(low, high) < SEEDS  # a bound that never fails is no 95 % bound


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_bounds_hold_on_autocorrelated_values(share: float) -> None:
    low, high, earned = covered(ar1(SEEDS, 2_000, 0.9), share, NormalDist().inv_cdf(share))

    assert min(low, high) >= FEWEST
    assert earned > 0.9 * SEEDS


def test_bounds_hold_where_a_share_never_ended() -> None:
    random = np.random.default_rng(4)
    paths = random.exponential(size=(SEEDS, 1_000))
    paths[random.random(paths.shape) < 0.02] = math.inf

    low, high, _ = covered(paths, 0.95, -math.log(1 - 0.95 / 0.98))

    assert min(low, high) >= FEWEST


def test_bounds_hold_where_failures_come_in_bursts() -> None:
    paths = ar1(SEEDS, 2_000, 0.9)
    paths[paths > NormalDist().inv_cdf(0.97)] = math.inf

    low, high, _ = covered(paths, 0.95, NormalDist().inv_cdf(0.95))

    assert min(low, high) >= FEWEST


def test_bounds_hold_where_a_slow_drift_hides_under_quick_noise() -> None:
    noise = np.random.default_rng(13).standard_normal((SEEDS, 5_000))
    paths = math.sqrt(0.9) * noise + math.sqrt(0.1) * ar1(SEEDS, 5_000, 0.98)

    low, high, earned = covered(paths, 0.95, NormalDist().inv_cdf(0.95))

    assert min(low, high) >= FEWEST
    assert earned > 0.95 * SEEDS


def test_a_hundred_and_fifty_independent_values_earn_a_p95() -> None:
    paths = np.random.default_rng(14).lognormal(size=(SEEDS, 150))

    assert covered(paths, 0.95, 0)[2] > 0.97 * SEEDS


def test_a_window_of_few_correlation_times_earns_no_upper_bound() -> None:
    estimates = [quantile(path, 0.95) for path in ar1(100, 1_000, 0.98)]  # 20 correlation times

    assert all(estimate.high == math.inf for estimate in estimates)
    assert sum(estimate.low <= NormalDist().inv_cdf(0.95) for estimate in estimates) >= 95


@pytest.mark.parametrize("correlation_times", [3, 5, 10, 30])
def test_a_drift_bound_is_above_the_quantile_however_short_the_window(correlation_times: int) -> None:
    n = 1_000
    phi = (n / correlation_times - 1) / (n / correlation_times + 1)
    truth = math.exp(NormalDist().inv_cdf(0.99))

    assert sum(drift_bound(path, 0.99) >= truth for path in np.exp(ar1(SEEDS, n, phi))) >= FEWEST


def test_a_drift_bound_is_close_enough_to_be_of_use() -> None:
    paths = np.exp(0.3 * ar1(SEEDS, 1_000, 0.9))

    assert float(np.median([drift_bound(path, 0.99) for path in paths])) < 3 * math.exp(
        0.3 * NormalDist().inv_cdf(0.99)
    )


@given(st.lists(st.floats(1e-3, 1e3), min_size=20, max_size=200))
@settings(deadline=None, max_examples=100)
def test_a_drift_bound_is_never_below_what_was_seen(values: list[float]) -> None:
    assert drift_bound(np.array(values), 0.99) >= max(values)


@pytest.mark.parametrize("values", [[0.1] * 19, [0.1] * 50 + [math.inf], [0.1] * 50 + [0.0], []])
def test_a_drift_bound_is_not_earned_by_few_values_nor_where_one_failed(values: list[float]) -> None:
    assert drift_bound(np.array(values), 0.99) == math.inf


def test_ratio_bounds_hold() -> None:
    failures = np.random.default_rng(2).random((SEEDS, 1_500)) < 0.01
    estimates = [ratio(run) for run in failures]

    assert sum(estimate.low <= 0.99 for estimate in estimates) >= FEWEST
    assert sum(estimate.high >= 0.99 for estimate in estimates) >= FEWEST


def test_failures_in_one_burst_bound_less_than_failures_apart() -> None:
    apart, burst = np.zeros(2_000, np.bool_), np.zeros(2_000, np.bool_)
    apart[::40] = True
    burst[500:550] = True

    assert ratio(burst).value == ratio(apart).value
    assert ratio(burst).low < ratio(apart).low
    assert ratio(burst).n_effective < 100 < ratio(apart).n_effective
    assert ratio(burst, is_whole=True).n_effective == 2_000


def test_no_failure_is_bounded_by_the_rule_of_three() -> None:
    estimate = ratio(np.zeros(3_000, np.bool_))

    assert (estimate.value, estimate.high) == (1, 1)
    assert estimate.low == pytest.approx(1 - 3 / 3_000, abs=5e-6)


def test_nothing_but_failures_is_certain_too() -> None:
    estimate = ratio(np.ones(500, np.bool_))

    assert (estimate.value, estimate.low) == (0, 0)
    assert estimate.high == pytest.approx(3 / 500, rel=0.01)


def test_no_sample_says_nothing() -> None:
    empty = np.empty(0)

    for estimate in (quantile(empty, 0.99), ratio(empty), rate(empty, 1.0), trend(empty, empty)):
        assert estimate is NOTHING
    assert (NOTHING.low, NOTHING.high, NOTHING.n) == (-math.inf, math.inf, 0)


@pytest.mark.parametrize(("n", "has_upper"), [(298, False), (299, True)])
def test_an_upper_bound_of_p99_needs_299_independent_values(n: int, has_upper: bool) -> None:
    values = np.random.default_rng(5).random(n)

    estimate = quantile(values, 0.99, is_whole=True)

    assert (estimate.high < math.inf) is has_upper
    if has_upper:
        assert estimate.high == values.max()


def test_more_looks_leave_wider_bounds() -> None:
    values = np.random.default_rng(6).exponential(size=2_000)
    once, thrice = quantile(values, 0.95), quantile(values, 0.95, 0.05 / 3)

    assert thrice.low < once.low < once.value < once.high < thrice.high


def test_all_infinite_values_are_certain() -> None:
    estimate = quantile(np.full(1_000, math.inf), 0.99)

    assert (estimate.value, estimate.low, estimate.high) == (math.inf, math.inf, math.inf)


def test_one_stall_counts_as_few_values_but_as_all_of_its_own_window() -> None:
    values = np.full(6_000, 0.1) + np.random.default_rng(8).random(6_000) * 0.01
    values[3_000:3_300] = np.linspace(3, 0.1, 300)

    assert quantile(values, 0.99).n_effective < 100
    assert quantile(values, 0.99).high == math.inf
    assert quantile(values, 0.99, is_whole=True).low > 2


FINITE = st.lists(st.one_of(st.floats(0, 100), st.just(math.inf)), min_size=1, max_size=400)


@given(FINITE, st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.booleans())
@settings(deadline=None, max_examples=150)
def test_the_value_lies_between_its_bounds(values: list[float], share: float, is_whole: bool) -> None:
    estimate = quantile(np.array(values), share, is_whole=is_whole)

    assert estimate.low <= estimate.value <= estimate.high
    assert 0 < estimate.n_effective <= estimate.n == len(values)


@given(FINITE, st.integers(0, 399), st.sampled_from([0.5, 0.95]))
@settings(deadline=None, max_examples=150)
def test_a_slower_value_never_lowers_the_bounds_of_a_window(values: list[float], place: int, share: float) -> None:
    worse = list(values)
    worse[place % len(values)] = math.inf
    before, after = (quantile(np.array(v), share, is_whole=True) for v in (values, worse))

    assert after.value >= before.value
    assert after.low >= before.low
    assert after.high >= before.high


def test_several_quantiles_at_once_are_those_asked_for_one_by_one() -> None:
    values = np.random.default_rng(9).exponential(size=700)

    assert quantiles(values, (0.5, 0.95)) == {share: quantile(values, share) for share in (0.5, 0.95)}


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (lambda: np.full(100, 3.0), 100),
        (lambda: np.arange(3.0), 3),
        (lambda: np.tile([1.0, -1.0], 500), 1_000),
    ],
)
def test_what_shows_no_positive_dependence_counts_in_full(series: Callable[[], Floats], expected: float) -> None:
    assert effective_size(series()) == expected


def test_the_effective_size_of_an_ar1_process_is_known() -> None:
    # Var(mean) = (1 + φ) / (1 − φ) / n
    sizes = [effective_size(path) for path in ar1(60, 20_000, 0.9)]

    assert np.median(sizes) == pytest.approx(20_000 * 0.1 / 1.9, rel=0.15)


def test_a_rate_is_events_per_second_with_bounds() -> None:
    counts = np.random.default_rng(10).poisson(200, 20)

    estimate = rate(counts, 2.0)

    assert estimate.value == pytest.approx(counts.mean() / 2)
    assert estimate.low < 100 < estimate.high
    assert estimate.high - estimate.low < 20


def test_one_batch_has_no_bounds_and_no_time_has_no_rate() -> None:
    assert rate(np.array([4]), 2.0).value == 2
    assert rate(np.array([4]), 2.0).high == math.inf
    assert rate(np.array([4, 5]), 0.0) is NOTHING


def test_a_trend_is_found_with_bounds_that_hold() -> None:
    times = np.arange(20.0)
    noise = np.random.default_rng(11).standard_normal((SEEDS, 20))
    estimates = [trend(times, 3 + 0.5 * times + row) for row in noise]

    assert sum(estimate.low <= 0.5 for estimate in estimates) >= FEWEST
    assert sum(estimate.high >= 0.5 for estimate in estimates) >= FEWEST
    assert trend(times, 2 * times).value == pytest.approx(2)
    assert trend(times[:3], times[:3]) is NOTHING


def test_residuals_that_follow_each_other_widen_the_trend() -> None:
    times = np.arange(40.0)
    wave = np.sin(times / 6)
    shuffled = np.random.default_rng(12).permutation(wave)

    assert trend(times, wave).n_effective < trend(times, shuffled).n_effective
