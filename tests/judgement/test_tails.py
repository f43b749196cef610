"""The tails against closed forms and against sums over whole binomials."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.judgement import tails
from prakerja_load.judgement.tails import (
    beta_quantile,
    rank_at_tail,
    regularized_beta,
    student_quantile,
    tolerance_factor,
)


def binomial_tail(n: int, p: float, r: int) -> float:
    return math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(r, n + 1))


@given(st.integers(1, 60), st.floats(0.01, 0.99), st.data())
@settings(deadline=None, max_examples=150)
def test_a_whole_rank_gives_the_binomial_tail(n: int, p: float, data: st.DataObject) -> None:
    r = data.draw(st.integers(1, n))

    assert regularized_beta(p, r, n - r + 1) == pytest.approx(binomial_tail(n, p, r), abs=1e-10)


def test_the_ends_of_the_beta_function_are_exact() -> None:
    assert (regularized_beta(0, 2, 3), regularized_beta(1, 2, 3)) == (0, 1)
    assert regularized_beta(0.3, 1, 1) == pytest.approx(0.3)


@pytest.mark.parametrize(("a", "b"), [(1e6, 10.0), (5e5, 5e5), (3.0, 2e6), (0.5, 0.5)])
def test_large_and_small_shapes_converge_and_are_symmetric(a: float, b: float) -> None:
    x = a / (a + b)

    assert regularized_beta(x, a, b) + regularized_beta(1 - x, b, a) == pytest.approx(1, abs=1e-8)


def test_what_does_not_converge_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "_MOST_TERMS", 3)

    with pytest.raises(ArithmeticError, match="does not converge"):
        regularized_beta(0.5, 5e5, 5e5)


@given(st.floats(0.01, 0.99), st.floats(0.3, 500), st.floats(0.3, 500))
@settings(deadline=None, max_examples=100)
def test_the_beta_quantile_inverts_the_beta_function(share: float, a: float, b: float) -> None:
    assert regularized_beta(beta_quantile(share, a, b), a, b) == pytest.approx(share, abs=1e-5)


def test_no_failure_in_n_is_the_rule_of_three() -> None:
    assert beta_quantile(0.95, 1, 3_000) == pytest.approx(1 - 0.05 ** (1 / 3_000), rel=1e-6)
    assert beta_quantile(0.95, 1, 3_000) * 3_000 == pytest.approx(3, rel=2e-3)
    assert (beta_quantile(0.05, 0, 9), beta_quantile(0.95, 9, 0)) == (0, 1)


@pytest.mark.parametrize(("share", "fewest"), [(0.95, 59), (0.99, 299), (0.999, 2_995)])
def test_an_upper_rank_exists_from_the_known_sample_sizes_on(share: float, fewest: int) -> None:
    assert rank_at_tail(fewest - 1, share, 0.05) is None
    rank = rank_at_tail(fewest, share, 0.05)
    assert rank is not None
    assert fewest - 0.1 < rank <= fewest
    assert rank_at_tail(0, share, 0.05) is None


@given(st.floats(300, 1e5), st.floats(0.5, 0.99))
@settings(deadline=None, max_examples=60)
def test_ranks_stand_where_the_normal_approximation_has_them(n: float, share: float) -> None:
    low, high = rank_at_tail(n, share, 0.95), rank_at_tail(n, share, 0.05)
    assert low is not None
    if high is None:
        return
    spread = math.sqrt(n * share * (1 - share))

    assert low == pytest.approx(n * share - 1.645 * spread, abs=2)
    assert high == pytest.approx(n * share + 1.645 * spread, abs=2)
    assert low < n * share < high


@pytest.mark.parametrize("tail", [1e-6, 1e-3, 0.5, 0.999, 1 - 1e-6])
@pytest.mark.parametrize("n", [9_000.5, 2e5])
def test_a_rank_has_just_the_tail_that_was_asked_for(n: float, tail: float) -> None:
    rank = rank_at_tail(n, 0.99, tail)

    assert rank is not None
    assert regularized_beta(0.99, rank, n - rank + 1) == pytest.approx(tail, rel=1e-3)


@pytest.mark.parametrize(("freedom", "expected"), [(1, 6.3138), (5, 2.0150), (10, 1.8125), (29, 1.6991), (1e6, 1.6449)])
def test_student_quantiles_are_those_of_the_tables(freedom: float, expected: float) -> None:
    assert student_quantile(0.95, freedom) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("share", "freedom"), [(0.4, 5.0), (0.95, 0.0)])
def test_a_lower_quantile_and_no_freedom_are_refused(share: float, freedom: float) -> None:
    with pytest.raises(ValueError, match="no upper quantile"):
        student_quantile(share, freedom)


@pytest.mark.parametrize(("n", "exact"), [(5, 5.741), (10, 3.981), (20, 3.295), (50, 2.862)])
def test_tolerance_factors_are_those_of_the_tables(n: int, exact: float) -> None:
    """One-sided factors for 99 % at 95 % confidence: Natrella 1963, table A-7."""
    assert tolerance_factor(n, 0.99, 0.05) == pytest.approx(exact, rel=0.015)


@pytest.mark.parametrize("n", [0.5, 1, 2.35])
def test_two_values_earn_no_tolerance_factor(n: float) -> None:
    assert tolerance_factor(n, 0.99, 0.05) == math.inf
