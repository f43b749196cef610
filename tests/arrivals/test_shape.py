"""The demand curve of a wave against its closed form, and peaks that it cannot have."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.arrivals.shape import wave_curve

HOUR = 3600.0


@dataclass(frozen=True)
class Shape:
    window: float = 117 * HOUR
    opening_share: float | None = None
    opening_tau: float = 2 * HOUR
    diurnal_amplitude: float = 0.0
    opens_at_hour: float = 19.0
    deadline_share: float = 0.0
    deadline_width: float = HOUR


def exact_count(shape: Shape, time: float) -> float:
    """Return the closed-form share of arrivals before a time."""
    opening = (1 - math.exp(-time / shape.opening_tau)) / (1 - math.exp(-shape.window / shape.opening_tau))
    omega = 2 * math.pi / 86400
    phase = 2 * math.pi * (shape.opens_at_hour - 13) / 24

    def base(t: float) -> float:
        return t + shape.diurnal_amplitude / omega * (math.sin(omega * t + phase) - math.sin(phase))

    width = shape.deadline_width
    deadline = (math.exp((time - shape.window) / width) - math.exp(-shape.window / width)) / (
        1 - math.exp(-shape.window / width)
    )
    share = shape.opening_share or 0.0
    rest = 1 - share - shape.deadline_share
    return share * opening + rest * base(time) / base(shape.window) + shape.deadline_share * deadline


shapes = st.builds(
    Shape,
    window=st.floats(0.5 * HOUR, 400 * HOUR),
    opening_share=st.floats(0, 0.6),
    opening_tau=st.floats(0.1 * HOUR, 20 * HOUR),
    diurnal_amplitude=st.floats(0, 1),
    opens_at_hour=st.floats(0, 23.9),
    deadline_share=st.floats(0, 0.4),
    deadline_width=st.floats(0.1 * HOUR, 20 * HOUR),
)


@settings(deadline=None, max_examples=30)
@given(shapes)
def test_arrivals_before_any_time_are_those_of_the_closed_form_to_a_millionth(shape: Shape) -> None:
    curve = wave_curve(shape, 1.0)

    times = np.linspace(0, shape.window, 97)
    wanted = [exact_count(shape, float(time)) for time in times]

    assert np.abs(curve.cumulative(times) - wanted).max() < 1e-6


@settings(deadline=None, max_examples=20)
@given(shapes, st.floats(1, 6_000_000))
def test_the_area_is_the_number_of_accounts(shape: Shape, accounts: float) -> None:
    curve = wave_curve(shape, accounts)

    assert curve.total == pytest.approx(accounts, rel=1e-9)
    assert curve.duration == pytest.approx(shape.window, rel=1e-9)


@pytest.mark.parametrize("ratio", [2, 5, 7, 50])
@pytest.mark.parametrize("deadline_share", [0.0, 0.005])
def test_a_stated_peak_is_the_highest_rate(ratio: float, deadline_share: float) -> None:
    shape = Shape(diurnal_amplitude=0.3, deadline_share=deadline_share)
    peak = ratio * 5_965_048 / shape.window

    curve = wave_curve(shape, 5_965_048, peak)

    assert curve.peak_rate == pytest.approx(peak, rel=1e-6)
    assert curve.total == pytest.approx(5_965_048, rel=1e-9)


def test_the_opening_of_wave_1_has_a_quarter_of_the_accounts_after_21_hours() -> None:
    curve = wave_curve(Shape(opening_share=0.0738), 5_965_048)

    assert float(curve.cumulative(21 * HOUR)) == pytest.approx(1_432_133, rel=0.001)
    assert 44 < curve.peak_rate < 133


def test_the_busiest_hour_of_the_base_is_one_in_the_afternoon() -> None:
    curve = wave_curve(Shape(window=24 * HOUR, opens_at_hour=8, diurnal_amplitude=0.5), 1000)

    assert float(curve.rate(5 * HOUR)) == pytest.approx(curve.peak_rate, rel=1e-6)


def test_a_peak_that_no_rush_of_this_length_has_is_refused_with_the_length_that_has() -> None:
    with pytest.raises(ValueError, match=r"94\.1 × the mean.*58\.5 × the mean: opening_tau must be at most 1 h 15 min"):
        wave_curve(Shape(), 5_965_048, 1333)


def test_a_peak_below_what_the_base_alone_reaches_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.1 × the mean.*alone reach"):
        wave_curve(Shape(diurnal_amplitude=0.5), 5_965_048, 1.1 * 5_965_048 / (117 * HOUR))


def test_an_opening_share_that_contradicts_the_peak_is_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r"2 × the mean.*opening_share 0\.0738 .* gives 5\.24 × the mean"):
        wave_curve(Shape(opening_share=0.0738), 5_965_048, 2 * 5_965_048 / (117 * HOUR))


def test_an_opening_share_that_agrees_with_the_peak_is_kept() -> None:
    shape = Shape(opening_share=0.0738)
    reached = wave_curve(shape, 1000).peak_rate

    assert wave_curve(shape, 1000, reached * 1.005).peak_rate == pytest.approx(reached)
