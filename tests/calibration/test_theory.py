"""The closed forms say what the literature says, and agree with each other where they meet."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.calibration.theory import (
    MMC,
    erlang_b,
    erlang_c,
    md1_response_quantile,
    md1_wait_within,
    mg1_mean_wait,
    stall_quantile,
)

LOADS = st.floats(0.05, 0.95)


def test_erlangs_tables_are_met() -> None:
    assert erlang_b(8, 6.4) == pytest.approx(0.1444, abs=5e-5)
    assert erlang_c(8, 6.4) == pytest.approx(0.4576, abs=5e-5)
    assert erlang_b(1, 1.0) == pytest.approx(0.5)
    assert erlang_b(10, 5.0) == pytest.approx(0.018385, abs=5e-7)  # every printed table


@given(st.integers(1, 40), LOADS)
def test_erlang_b_is_the_truncated_poisson_law(slots: int, utilization: float) -> None:
    load = slots * utilization
    weights = [load**k / math.factorial(k) for k in range(slots + 1)]

    assert erlang_b(slots, load) == pytest.approx(weights[-1] / math.fsum(weights), rel=1e-9)


@given(st.integers(1, 40), LOADS)
def test_erlang_c_is_the_textbooks_sum(slots: int, utilization: float) -> None:
    load = slots * utilization
    top = load**slots / math.factorial(slots) * slots / (slots - load)
    below = math.fsum(load**k / math.factorial(k) for k in range(slots))

    assert erlang_c(slots, load) == pytest.approx(top / (below + top), rel=1e-9)


@pytest.mark.parametrize(
    ("slots", "utilization", "milliseconds"),
    [
        (1, 0.7, (46.2, 199.7, 307.0)),
        (8, 0.5, (14.2, 60.3, 92.5)),
        (8, 0.8, (19.7, 70.2, 103.0)),
        (8, 0.9, (29.8, 98.5, 141.8)),
    ],
)
def test_response_quantiles_are_those_of_the_table(
    slots: int, utilization: float, milliseconds: tuple[float, ...]
) -> None:
    queue = MMC(50 * slots * utilization, 50, slots)

    found = [1000 * queue.response_quantile(share) for share in (0.5, 0.95, 0.99)]

    assert found == pytest.approx(milliseconds, rel=2e-3)


@given(LOADS, st.floats(0.01, 0.999))
def test_one_slot_has_an_exponential_response(utilization: float, share: float) -> None:
    queue = MMC(100 * utilization, 100, 1)

    expected = -math.log(1 - share) / (100 - 100 * utilization)

    assert queue.response_quantile(share) == pytest.approx(expected, rel=1e-6)


@given(st.integers(2, 20), st.floats(0.0, 0.2))
def test_the_response_law_has_no_seam_where_both_rates_meet(slots: int, seconds: float) -> None:
    even = MMC(50 * (slots - 1), 50, slots)  # δ = μ
    beside = MMC(50 * (slots - 1) + 1e-5, 50, slots)

    assert even.response_exceeds(seconds) == pytest.approx(beside.response_exceeds(seconds), abs=1e-6)


@given(st.integers(1, 12), LOADS)
def test_the_mean_wait_is_the_area_under_its_tail(slots: int, utilization: float) -> None:
    queue = MMC(50 * slots * utilization, 50, slots)
    drain = 50 * slots * (1 - utilization)

    assert queue.wait_exceeds(0) == pytest.approx(queue.waiting)
    assert queue.mean_wait == pytest.approx(queue.waiting / drain)


def test_constant_service_waits_half_as_long_as_exponential() -> None:
    constant = mg1_mean_wait(35, 0.02, 0.02**2)

    assert constant == pytest.approx(0.0233, abs=5e-5)
    assert MMC(35, 50, 1).mean_wait == pytest.approx(2 * constant)


@given(st.floats(0.3, 0.8), st.floats(0.5, 0.99))
def test_a_response_quantile_of_constant_service_is_where_its_law_says(utilization: float, share: float) -> None:
    rate = utilization / 0.02

    found = md1_response_quantile(rate, 0.02, share)

    if found > 0.02 * (1 + 1e-9):  # somebody waits
        assert md1_wait_within(rate, 0.02, found - 0.02) == pytest.approx(share, abs=1e-6)
    else:
        assert 1 - utilization >= share - 1e-9


def test_the_wait_for_constant_service_is_the_table_value() -> None:
    assert md1_wait_within(35, 0.02, 0.0) == pytest.approx(0.3)
    assert md1_wait_within(35, 0.02, 0.04) == pytest.approx(0.794, abs=5e-4)
    assert md1_wait_within(35, 0.02, 0.39) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("call", [lambda: MMC(50, 50, 1), lambda: erlang_c(4, 4.0), lambda: mg1_mean_wait(60, 0.02, 1)])
def test_a_queue_that_never_settles_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match="no steady state"):
        call()  # type: ignore[operator]


def test_a_wait_beyond_the_formulas_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="21 service times"):
        md1_wait_within(35, 0.02, 0.42)


def test_a_stall_shows_as_wrk2_shows_it() -> None:
    assert stall_quantile(0.95, 6, 60, 0.2) == pytest.approx(3.600)
    assert stall_quantile(0.99, 6, 60, 0.2) == pytest.approx(5.520)
    assert stall_quantile(0.50, 6, 60, 0.2) == 0.0
