"""The rate curve: its integral, its inverse, and what it refuses."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.arrivals.curve import RampStage, RateCurve

rates = st.floats(0, 1e5, allow_subnormal=False)
durations = st.floats(1e-3, 1e5)
stages = st.lists(st.builds(RampStage, durations, rates, rates), min_size=1, max_size=12)
curves = stages.filter(lambda some: sum(s.start_rate + s.end_rate for s in some) > 1e-6).map(RateCurve.of)


@settings(deadline=None, max_examples=150)
@given(curves, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_inverse_undoes_the_integral(curve: RateCurve, shares: list[float]) -> None:
    counts = np.array(shares) * curve.total

    times = curve.inverse(counts)

    assert (times >= 0).all()
    assert (times <= curve.duration).all()
    assert np.allclose(curve.cumulative(times), counts, rtol=1e-9, atol=1e-9 * curve.total)


@settings(deadline=None, max_examples=150)
@given(curves, st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_integral_and_inverse_never_fall(curve: RateCurve, shares: list[float]) -> None:
    ordered = np.sort(shares)

    assert (np.diff(curve.cumulative(ordered * curve.duration)) >= -1e-9 * curve.total).all()
    assert (np.diff(curve.inverse(ordered * curve.total)) >= -1e-9 * curve.duration).all()


@settings(deadline=None, max_examples=150)
@given(st.floats(1, 1e4), st.floats(-1e-9, 1e-9), st.floats(0.001, 1))
def test_the_inverse_of_a_nearly_flat_ramp_is_right_to_a_tenth_of_a_nanosecond(
    start: float, relative_change: float, share: float
) -> None:
    duration = 3600.0
    curve = RateCurve.of([RampStage(duration, start, start * (1 + relative_change))])
    count = share * curve.total

    with localcontext() as context:
        context.prec = 60
        first, last = Decimal(start), Decimal(start * (1 + relative_change))
        slope = (last - first) / Decimal(duration)
        root = (first * first + 2 * slope * Decimal(count)).sqrt()
        exact = 2 * Decimal(count) / (first + root)

    assert float(curve.inverse(count)) == pytest.approx(float(exact), abs=1e-10, rel=1e-13)


def test_the_integral_of_a_ramp_is_half_its_height_times_its_length() -> None:
    curve = RateCurve.of([RampStage(10, 0, 20), RampStage(5, 20, 20), RampStage(10, 20, 0)])

    assert curve.total == 100 + 100 + 100
    assert curve.cumulative([-1, 0, 5, 10, 12, 15, 20, 25, 99]).tolist() == [0, 0, 25, 100, 140, 200, 275, 300, 300]
    assert curve.inverse([0, 25, 100, 140, 200, 275, 300]).tolist() == pytest.approx([0, 5, 10, 12, 15, 20, 25])
    assert curve.rate([0, 5, 12, 20, 25, -1]).tolist() == [0, 10, 20, 10, 0, 0]


@settings(deadline=None, max_examples=50)
@given(curves)
def test_a_curve_written_down_as_stages_is_the_same_curve_again(curve: RateCurve) -> None:
    written = json.loads(json.dumps(curve.stages()))

    assert RateCurve.of(RampStage(*stage) for stage in written) == curve


def test_a_curve_says_what_it_is() -> None:
    assert repr(RateCurve.constant(3, 4)) == "RateCurve(12 arrivals in 4 s, at most 3/s)"


def test_a_constant_curve_holds_its_rate() -> None:
    curve = RateCurve.constant(44.7, 240)

    assert curve.total == pytest.approx(44.7 * 240)
    assert (curve.duration, curve.peak_rate, curve.mean_rate) == pytest.approx((240, 44.7, 44.7))


def test_nothing_is_due_inside_a_pause() -> None:
    curve = RateCurve.of([RampStage(10, 1, 1), RampStage(100, 0, 0), RampStage(10, 1, 1)])

    assert curve.inverse([9.999, 10.001]).tolist() == pytest.approx([9.999, 110.001])


def test_a_curve_that_ends_in_a_pause_ends_its_arrivals_before_it() -> None:
    curve = RateCurve.of([RampStage(10, 1, 0), RampStage(5, 0, 0)])

    assert float(curve.inverse(curve.total)) <= 10


def test_compression_keeps_the_arrivals_and_shortens_the_time() -> None:
    curve = RateCurve.of([RampStage(100, 1, 3), RampStage(100, 3, 0)])

    played = curve.compressed(50)

    assert played.total == pytest.approx(curve.total)
    assert played.duration == pytest.approx(curve.duration / 50)
    assert played.peak_rate == pytest.approx(curve.peak_rate * 50)


def test_scaling_changes_the_arrivals_and_keeps_the_time() -> None:
    curve = RateCurve.through([0, 100, 200], [1, 3, 0])

    assert curve.scaled(7).total == pytest.approx(curve.total * 7)
    assert curve.scaled(7).duration == curve.duration


def test_curves_are_equal_when_their_stages_are() -> None:
    assert RateCurve.constant(3, 4) == RateCurve.through([0, 4], [3, 3])
    assert hash(RateCurve.constant(3, 4)) == hash(RateCurve.through([0, 4], [3, 3]))
    assert RateCurve.constant(3, 4) != RateCurve.constant(3, 5)


@pytest.mark.parametrize(
    ("lengths", "first", "last"),
    [
        ([], [], []),
        ([1], [1, 2], [1]),
        ([0], [1], [1]),
        ([-1], [1], [1]),
        ([1], [-1], [1]),
        ([1], [float("nan")], [1]),
        ([float("inf")], [1], [1]),
        ([5], [0], [0]),
    ],
)
def test_stages_that_schedule_nothing_or_run_backwards_are_refused(
    lengths: list[float], first: list[float], last: list[float]
) -> None:
    with pytest.raises(ValueError, match="rate curve"):
        RateCurve(lengths, first, last)


def test_a_curve_is_not_played_backwards() -> None:
    with pytest.raises(ValueError, match="positive speed"):
        RateCurve.constant(1, 1).compressed(0)
