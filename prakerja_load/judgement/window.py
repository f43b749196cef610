"""Windows of intended time: what is judged, cut into windows and batches, and whether it is steady."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prakerja_load.units import Seconds

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """The half-open interval [start, stop) of seconds after the ramp's epoch."""

    start: Seconds
    stop: Seconds

    @property
    def length(self) -> Seconds:
        """Return stop − start."""
        return self.stop - self.start

    def contains(self, times: Array) -> NDArray[np.bool_]:
        """Tell, for each time, whether it lies inside."""
        return (times >= self.start) & (times < self.stop)

    def overlap(self, starts: Array, stops: Array) -> Seconds:
        """Return the total time that the intervals [start, stop) spend inside."""
        return float(np.maximum(0.0, np.minimum(stops, self.stop) - np.maximum(starts, self.start)).sum())

    def split(self, length: Seconds) -> tuple[Window, ...]:
        """Return windows of exactly this length that cover the whole; the last may overlap the one before it.

        A window that is not longer than `length` is returned as it is.
        """
        count = math.ceil(self.length / length - 1e-9)
        if count <= 1:
            return (self,)
        starts = [self.start + number * length for number in range(count - 1)]
        return (*(Window(start, start + length) for start in starts), Window(self.stop - length, self.stop))

    def slide(self, length: Seconds) -> tuple[Window, ...]:
        """Return windows of exactly this length, one beginning every half of it, that cover the whole.

        Whatever lasts no longer than half a window lies whole in one of them.
        """
        halves = self.split(length / 2)
        if self.length <= length:
            return (self,)
        starts = [min(half.start, self.stop - length) for half in halves[:-1]]
        return tuple(Window(start, start + length) for start in dict.fromkeys(starts))

    def batches(self, count: int) -> tuple[Window, ...]:
        """Return `count` adjoining windows of equal length."""
        edges = np.linspace(self.start, self.stop, count + 1).tolist()
        return tuple(Window(start, stop) for start, stop in itertools.pairwise(edges))


def groups(times: Array, windows: Sequence[Window], fewest: int) -> tuple[Window, ...]:
    """Return neighboring windows joined until each holds at least `fewest` of the sorted times.

    What is left over at the end joins the last group; when there is not enough for one group, all is one.
    """
    joined: list[Window] = []
    start = windows[0].start
    for window in windows:
        inside = np.searchsorted(times, window.stop) - np.searchsorted(times, start)
        if inside >= fewest:
            joined.append(Window(start, window.stop))
            start = window.stop
    stop = windows[-1].stop
    if not joined:
        return (Window(start, stop),)
    joined[-1] = Window(joined[-1].start, stop)
    return tuple(joined)


def mser5(series: Array) -> int | None:
    """Return how many leading values MSER-5 would cut, or None when it finds no steady part.

    The series is averaged in batches of 5; the cut d of k batches minimizes Σ(z − z̄)² / (k − d)² over the batches
    that are kept (White, Cobb & Spratt, WSC 2000). A minimum in the second half means that nothing is steady. Fewer
    than 10 batches decide nothing: 0.
    """
    k = series.size // 5
    if k < 10:
        return 0
    batches = series[: k * 5].reshape(k, 5).mean(axis=1)
    kept = np.arange(k, 5, -1)  # at least 6 batches stay
    tail_sums = np.cumsum(batches[::-1])[::-1][: kept.size]
    tail_squares = np.cumsum(batches[::-1] ** 2)[::-1][: kept.size]
    errors = np.maximum(tail_squares - tail_sums**2 / kept, 0.0) / kept**2
    cut = int(np.argmin(errors))
    return None if cut > k // 2 else 5 * cut
