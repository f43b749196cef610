"""The histogram against sorted values: 0.1 % at most, whatever the order of merging."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.histogram import Histogram

VALUES = st.lists(st.integers(0, 2**44), min_size=1, max_size=60)
LIMIT = 0.001


def histogram_of(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.record_array(np.array(values, np.int64))
    return histogram


@given(VALUES, st.floats(0, 1))
@settings(deadline=None, max_examples=100)
def test_a_quantile_is_never_low_and_at_most_a_thousandth_high(values: list[int], share: float) -> None:
    exact = sorted(values)[max(1, int(np.ceil(share * len(values) - 1e-9))) - 1]

    found = histogram_of(values).quantile(share)

    assert exact <= found <= exact * (1 + LIMIT)


@given(VALUES)
@settings(deadline=None, max_examples=100)
def test_one_by_one_and_at_once_count_alike(values: list[int]) -> None:
    single = Histogram()
    for value in values:
        single.record(value)

    assert single.to_bytes() == histogram_of(values).to_bytes()
    assert len(single) == len(values)


@given(VALUES, VALUES, VALUES)
@settings(deadline=None, max_examples=60)
def test_merging_is_exact_and_free_of_order(a: list[int], b: list[int], c: list[int]) -> None:
    forward, backward = histogram_of(a), histogram_of(c)
    for other in (b, c):
        forward.merge(histogram_of(other))
    for other in (b, a):
        backward.merge(histogram_of(other))

    assert forward.to_bytes() == backward.to_bytes() == histogram_of(a + b + c).to_bytes()


def test_two_million_values_agree_with_sorting_them() -> None:
    values = np.random.default_rng(3).lognormal(17, 1.5, 2_000_000).astype(np.int64)
    histogram = Histogram()
    histogram.record_array(values)

    for share in (0.5, 0.9, 0.99, 0.999, 0.9999):
        exact = int(np.quantile(values, share, method="inverted_cdf"))
        assert exact <= histogram.quantile(share) <= exact * (1 + LIMIT)


def test_every_edge_of_a_counter_falls_into_its_own_counter() -> None:
    for value in [v + d for b in range(11, 44) for v in (2**b,) for d in (-1, 0, 1)]:
        histogram = Histogram()
        histogram.record(value)
        assert value <= histogram.quantile(1) <= value * (1 + LIMIT)


@pytest.mark.parametrize("value", [-1, 101])
def test_what_does_not_fit_is_refused_and_counts_nothing(value: int) -> None:
    histogram = Histogram(100)

    with pytest.raises(OverflowError, match="outside"):
        histogram.record(value)
    with pytest.raises(OverflowError, match="outside"):
        histogram.record_array(np.array([50, value]))
    assert len(histogram) == 0


def test_the_highest_value_is_not_exceeded_by_its_own_quantile() -> None:
    histogram = Histogram(5_000)
    histogram.record(5_000, 3)

    assert (histogram.quantile(0.5), len(histogram)) == (5_000, 3)


def test_nothing_has_no_quantile_and_an_empty_array_changes_nothing() -> None:
    histogram = Histogram()
    histogram.record_array(np.empty(0, np.int64))

    with pytest.raises(ValueError, match="no quantile"):
        histogram.quantile(0.5)


def test_layouts_that_differ_do_not_merge_and_an_empty_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="do not merge"):
        Histogram(10).merge(Histogram(20))
    with pytest.raises(ValueError, match="at least 1"):
        Histogram(0)


def test_bytes_bring_back_the_same_histogram() -> None:
    histogram = histogram_of([0, 7, 5_000, 2**40, 2**40])

    again = Histogram.from_bytes(histogram.to_bytes())

    assert again.to_bytes() == histogram.to_bytes()
    assert (again.quantile(0.4), len(again)) == (7, 5)
    assert len(histogram.to_bytes()) < 200


def test_bytes_that_are_no_histogram_are_refused() -> None:
    good = histogram_of([1, 2, 3]).to_bytes()
    small = Histogram(1)
    small.counts = np.append(small.counts, [0, 0, 4])

    for bad in (b"", good[:10], b"XXXX" + good[4:], good[:12] + b"\x09" + good[13:], good[:-6], small.to_bytes()):
        with pytest.raises(EvidenceError, match="not a histogram"):
            Histogram.from_bytes(bad)
