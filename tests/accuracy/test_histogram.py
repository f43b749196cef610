"""A10: of two million values the histogram errs by 0.1 % at most, and merging adds no error in any order."""

from __future__ import annotations

import numpy as np
import pytest

from prakerja_load.evidence.histogram import Histogram

VALUES = np.rint(np.random.default_rng(10).lognormal(17, 1.5, 2_000_000)).astype(np.int64)  # around 24 ms, in ns
SHARES = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)


@pytest.fixture(scope="module")
def whole() -> Histogram:
    histogram = Histogram()
    histogram.record_array(VALUES)
    return histogram


def test_quantiles_err_by_a_thousandth_at_most(whole: Histogram) -> None:
    for share in SHARES:
        exact = float(np.quantile(VALUES, share, method="inverted_cdf"))

        assert exact <= whole.quantile(share) <= exact * (1 + 1 / 1024)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_merging_is_exact_in_any_order(whole: Histogram, order: tuple[int, ...]) -> None:
    merged, parts = Histogram(), np.array_split(VALUES, 4)
    for place in order:
        part = Histogram()
        part.record_array(parts[place])
        merged.merge(Histogram.from_bytes(part.to_bytes()))

    assert (merged.counts == whole.counts).all()
