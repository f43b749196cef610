"""A rate curve: arrivals per second over time, piecewise linear, with its exact integral and a stable inverse.

Within a stage that starts at rate r₀ and changes by s per second, the arrivals after t seconds are

    N(t) = r₀·t + s·t²/2

and the time after which a arrivals have come is

    t = 2a / (r₀ + √(r₀² + 2sa)),

one formula for rising, falling and flat stages. The textbook root (√(r₀² + 2sa) − r₀)/s divides two vanishing
differences where a stage is nearly flat; this one has no difference that can vanish.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prakerja_load.units import PerSecond, Seconds

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class RampStage:
    """A linear change from `start_rate` to `end_rate` (1/s) over `duration`; equal rates hold."""

    duration: Seconds
    start_rate: PerSecond
    end_rate: PerSecond


class RateCurve:
    """Stages one after another from time 0; rates may jump between stages and are never negative."""

    def __init__(self, durations: ArrayLike, start_rates: ArrayLike, end_rates: ArrayLike) -> None:
        lengths, first, last = (np.array(a, np.float64).reshape(-1) for a in (durations, start_rates, end_rates))
        if not lengths.size or not lengths.size == first.size == last.size:
            raise ValueError("a rate curve needs as many durations, start rates and end rates, and at least one")
        if not (
            np.isfinite([lengths, first, last]).all() and (lengths > 0).all() and min(first.min(), last.min()) >= 0
        ):
            raise ValueError("the stages of a rate curve have positive durations and finite rates, none below 0")
        areas = (first + last) / 2 * lengths
        self._begins: Array = np.concatenate([[0.0], np.cumsum(lengths)])
        self._counts: Array = np.concatenate([[0.0], np.cumsum(areas)])  # N at every begin, and at the end
        if not self._counts[-1] > 0:
            raise ValueError("a rate curve without arrivals schedules nothing")
        self._lengths, self._first, self._last = lengths, first, last
        self._slopes: Array = (last - first) / lengths

    @classmethod
    def of(cls, stages: Iterable[RampStage]) -> RateCurve:
        """Return the curve of these stages, in order."""
        rows = [(stage.duration, stage.start_rate, stage.end_rate) for stage in stages]
        return cls([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])

    @classmethod
    def constant(cls, rate: PerSecond, duration: Seconds) -> RateCurve:
        """Return one flat stage: N(t) = rate·t."""
        return cls([duration], [rate], [rate])

    @classmethod
    def through(cls, times: ArrayLike, rates: ArrayLike) -> RateCurve:
        """Return straight lines through the points (times in seconds from 0, rising; rates in 1/s)."""
        knots, values = np.asarray(times, np.float64), np.asarray(rates, np.float64)
        return cls(np.diff(knots), values[:-1], values[1:])

    def stages(self) -> list[tuple[Seconds, PerSecond, PerSecond]]:
        """Return (duration, start rate, end rate) of every stage; `of` makes an equal curve from them."""
        return list(zip(self._lengths.tolist(), self._first.tolist(), self._last.tolist(), strict=True))

    @property
    def duration(self) -> Seconds:
        """Return the length of the curve."""
        return float(self._begins[-1])

    @property
    def total(self) -> float:
        """Return N(duration), the arrivals of the whole curve."""
        return float(self._counts[-1])

    @property
    def peak_rate(self) -> PerSecond:
        """Return the highest rate anywhere; straight lines have it at an end of a stage."""
        return float(max(self._first.max(), self._last.max()))

    @property
    def mean_rate(self) -> PerSecond:
        """Return total ÷ duration."""
        return self.total / self.duration

    def rate(self, times: ArrayLike) -> Array:
        """Return λ(t) in 1/s; 0 outside the curve, the later stage's rate where two meet."""
        at = np.asarray(times, np.float64)
        stage = self._stage(self._begins, at)
        inside = self._first[stage] + self._slopes[stage] * (at - self._begins[stage])
        return np.where((at >= 0) & (at < self.duration), inside, 0.0)

    def cumulative(self, times: ArrayLike) -> Array:
        """Return N(t) = N(begin) + r₀·t + s·t²/2, t seconds into its stage; 0 before and `total` after the curve."""
        at = np.clip(np.asarray(times, np.float64), 0.0, self.duration)
        stage = self._stage(self._begins, at)
        into = at - self._begins[stage]
        return self._counts[stage] + into * (self._first[stage] + self._slopes[stage] * into / 2)

    def inverse(self, counts: ArrayLike) -> Array:
        """Return t with N(t) = a for each a in [0, total]: begin + 2a / (r₀ + √(r₀² + 2sa)) within its stage.

        Where nothing arrives for a while, N is flat and the end of the flat part is returned.
        """
        wanted = np.clip(np.asarray(counts, np.float64), 0.0, self.total)
        stage = self._stage(self._counts, wanted)
        within = wanted - self._counts[stage]
        start = self._first[stage]
        root = np.sqrt(np.maximum(start * start + 2 * self._slopes[stage] * within, 0.0))
        divisor = start + root
        into = np.divide(2 * within, divisor, out=np.zeros_like(divisor), where=divisor > 0)
        return self._begins[stage] + np.minimum(into, self._lengths[stage])

    def compressed(self, factor: float) -> RateCurve:
        """Return the curve played `factor` times as fast: the same arrivals in duration ÷ factor."""
        if not factor > 0:
            raise ValueError(f"a curve is played at a positive speed, got {factor!r}")
        return RateCurve(self._lengths / factor, self._first * factor, self._last * factor)

    def scaled(self, factor: float) -> RateCurve:
        """Return the curve with every rate, and so every count, times `factor`."""
        return RateCurve(self._lengths, self._first * factor, self._last * factor)

    def _stage(self, edges: Array, values: Array) -> NDArray[np.intp]:
        return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, self._lengths.size - 1)

    def _key(self) -> tuple[bytes, bytes, bytes]:
        return self._lengths.tobytes(), self._first.tobytes(), self._last.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RateCurve) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"RateCurve({self.total:g} arrivals in {self.duration:g} s, at most {self.peak_rate:g}/s)"
