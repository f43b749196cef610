"""The demand curve of a wave: opening rush, diurnal base and deadline bump, as a rate curve.

Of the m·N accounts that arrive in a window W, a share o comes in the opening rush, d in the deadline bump and the
rest in the base:

    λ(t) = m·N · [ o·e^(−t/τ)/A_o  +  (1−o−d)·(1 + a·cos(2π(h(t)−13)/24))/A_b  +  d·e^(−(W−t)/ω)/A_d ]

with A_o, A_b, A_d the areas of the three over [0, W], so that ∫λ = m·N; τ `opening_tau`, ω `deadline_width`,
a `diurnal_amplitude`, h(t) the local hour, which is `opens_at_hour` at t = 0. The base is highest at 13:00, for which
no source exists. When the highest rate λ_peak is given and o is not, o is what makes the curve reach it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from prakerja_load.arrivals.curve import Array, RateCurve
from prakerja_load.arrivals.demand import AGREEMENT
from prakerja_load.units import PerSecond, Seconds, format_duration, format_number

_BUSIEST_HOUR = 13.0
_DAY = 86_400.0


class WaveShape(Protocol):
    """What is stated about the arrivals of a wave over its window."""

    @property
    def window(self) -> Seconds: ...
    @property
    def opening_share(self) -> float | None: ...
    @property
    def opening_tau(self) -> Seconds: ...
    @property
    def diurnal_amplitude(self) -> float: ...
    @property
    def opens_at_hour(self) -> float: ...
    @property
    def deadline_share(self) -> float: ...
    @property
    def deadline_width(self) -> Seconds: ...


def wave_curve(shape: WaveShape, accounts: float, peak: PerSecond | None = None) -> RateCurve:
    """Return the curve with area `accounts` and, when `peak` (1/s) is given, that highest rate.

    Straight lines through a grid so fine that the area under each part is right to 1e-6; each part is then scaled to
    its exact area. Raises ValueError with the arithmetic when no share of the opening rush gives `peak`.
    """
    grid = _grid(shape)
    opening, base, deadline = _parts(shape, grid)
    rest = base * (1 - shape.deadline_share) + deadline * shape.deadline_share
    lean = opening - base  # what the rates gain as the opening rush takes its share from the base
    if peak is None:
        share = shape.opening_share or 0.0
    elif shape.opening_share is None:
        share = _solve(shape, lean, rest, peak / accounts)
    else:
        share = _agreeing(shape, lean, rest, peak / accounts)
    return RateCurve.through(grid, accounts * np.maximum(rest + share * lean, 0.0))


def _agreeing(shape: WaveShape, lean: Array, rest: Array, peak: PerSecond) -> float:
    """Return the stated opening share if the highest rate per account it gives agrees with `peak`."""
    share = shape.opening_share or 0.0
    reached = float(np.max(rest + share * lean))
    if abs(reached - peak) > AGREEMENT * peak:
        raise ValueError(
            f"{_as_asked(shape, peak)}; opening_share {share:g} with opening_tau {format_duration(shape.opening_tau)} "
            f"gives {format_number(reached * shape.window)} × the mean: leave out opening_share or the peak"
        )
    return share


def _solve(shape: WaveShape, lean: Array, rest: Array, peak: PerSecond) -> float:
    """Return the opening share o with max(rest + o·lean) = peak, all per account; the maximum is convex in o."""
    most = 1.0 - shape.deadline_share

    def highest(share: float) -> float:
        return float(np.max(rest + share * lean))

    least = 0.0 if highest(0.0) <= peak else _lowest(highest, most)
    if highest(least) > peak * (1 + 1e-9):
        raise ValueError(
            f"{_as_asked(shape, peak)}; this base and deadline bump alone reach "
            f"{format_number(highest(least) * shape.window)} × the mean: flatten them or raise the peak"
        )
    if highest(most) < peak * (1 - 1e-9):
        raise ValueError(
            f"{_as_asked(shape, peak)}; all arrivals in an opening rush of opening_tau "
            f"{format_duration(shape.opening_tau)} give {format_number(highest(most) * shape.window)} × the mean: "
            f"opening_tau must be at most {format_duration(most / peak)}"
        )
    for _ in range(64):
        middle = (least + most) / 2
        least, most = (middle, most) if highest(middle) < peak else (least, middle)
    return (least + most) / 2


def _lowest(function: Callable[[float], float], end: float) -> float:
    """Return where a convex function is lowest in [0, end], by thirds."""
    low, high = 0.0, end
    for _ in range(100):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if function(left) > function(right) else (low, right)
    return (low + high) / 2


def _as_asked(shape: WaveShape, peak: PerSecond) -> str:
    return f"the peak asked for is {format_number(peak * shape.window)} × the mean over {format_duration(shape.window)}"


def _parts(shape: WaveShape, grid: Array) -> tuple[Array, Array, Array]:
    """Return opening rush, base and deadline bump on the grid, each with area 1 under its straight lines."""
    hours = shape.opens_at_hour + grid / 3600
    base = 1 + shape.diurnal_amplitude * np.cos(2 * np.pi * (hours - _BUSIEST_HOUR) / 24)
    opening = np.exp(-grid / shape.opening_tau)
    deadline = np.exp((grid - shape.window) / shape.deadline_width)
    return _unit_area(grid, opening), _unit_area(grid, base), _unit_area(grid, deadline)


def _unit_area(grid: Array, values: Array) -> Array:
    area = float(np.trapezoid(values, grid))
    return values * (1 / area)


def _grid(shape: WaveShape) -> Array:
    """Return knots dense where the curve bends: the trapezoid's error is h²/12 of the second derivative's area."""
    step = min(30.0, shape.window / 1000) if shape.diurnal_amplitude else shape.window
    even = np.linspace(0.0, shape.window, 1 + math.ceil(shape.window / step))
    knots: Array = np.union1d(even, _decay_knots(shape.opening_tau, shape.window))
    if shape.deadline_share:
        knots = np.union1d(knots, shape.window - _decay_knots(shape.deadline_width, shape.window))
    keep = np.concatenate([[True], np.diff(knots) > 1e-9 * shape.window])
    knots = knots[keep]
    knots[-1] = shape.window
    return knots


def _decay_knots(tau: Seconds, window: Seconds) -> Array:
    """Return x·τ with steps h = ε·e^(x/3), which make the area error of e^(−x) at most ε²/4."""
    epsilon = 1e-3
    longest = min(window / tau, 30.0)
    count = math.ceil(3 / epsilon * (1 - math.exp(-longest / 3)))
    steps = np.linspace(0.0, 1 - math.exp(-longest / 3), count + 1)
    return np.minimum(-3 * np.log1p(-steps) * tau, window)
