"""The schedule of arrivals: exactly `count` due times, a pure function of (curve, count, seed).

A Poisson process given its count is `count` independent draws from the normalized curve, sorted. The sorted draws
are made without sorting: with S_k the sum of k independent standard exponential gaps,

    U_(k) = S_k / S_(n+1),  k = 1 … n

are distributed as n sorted uniform numbers (Devroye, Non-Uniform Random Variate Generation, 1986, V.2.1), and the
due time of arrival k−1 is t with N(t) = U_(k)·N(duration). Gaps come in blocks, each from its own random stream, so
that any range is made alone, in memory of one block, and never depends on how it was asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from prakerja_load import seeds
from prakerja_load.arrivals.curve import Array, RateCurve
from prakerja_load.units import SECOND_NS, Seconds

ArrivalProcess: TypeAlias = Literal["poisson", "uniform"]

BLOCK = 8192


class Schedule:
    """`count` arrivals along `curve`; `process` "poisson" draws them, "uniform" spaces them evenly in N(t)."""

    def __init__(self, curve: RateCurve, count: int, seed: int, process: ArrivalProcess = "poisson") -> None:
        if count < 1:
            raise ValueError(f"a schedule has at least one arrival, got {count}")
        self.curve, self.count, self.seed, self.process = curve, count, seed, process
        self._recent: tuple[int, Array] = (-1, np.empty(0))

    def __len__(self) -> int:
        return self.count

    @property
    def duration(self) -> Seconds:
        """Return the length of the curve; every arrival is due before or at its end."""
        return self.curve.duration

    def times(self, start: int, stop: int) -> Array:
        """Return the due times of arrivals start … stop−1 in seconds after the epoch, in rising order."""
        if not 0 <= start <= stop <= self.count:
            raise IndexError(f"arrivals {start} … {stop} lie outside 0 … {self.count}")
        parts = [
            self._block(number)[max(start - number * BLOCK, 0) : stop - number * BLOCK]
            for number in range(start // BLOCK, -(-stop // BLOCK))
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def blocks(self) -> Iterator[Array]:
        """Yield all due times in order, a block at a time."""
        for number in range(self._block_count):
            yield self._block(number)

    def due_before(self, seconds: Seconds) -> int:
        """Return how many arrivals are due before this time: arrivals 0 … n−1 are."""
        number = int(np.searchsorted(self._block_begins, seconds, side="left")) - 1
        if number < 0:
            return 0
        return number * BLOCK + int(np.searchsorted(self._block(number), seconds, side="left"))

    def expected(self, seconds: ArrayLike) -> Array:
        """Return the expected number of arrivals before each time: count·N(t)/N(duration)."""
        return self.count * self.curve.cumulative(seconds) / self.curve.total

    def digest(self) -> str:
        """Return 32 hexadecimal digits that identify every due time, rounded to nanoseconds."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        state = hashlib.blake2b(digest_size=16)
        for block in self.blocks():
            state.update(np.rint(block * SECOND_NS).astype("<i8").tobytes())
        return state.hexdigest()

    @property
    def _block_count(self) -> int:
        return -(-self.count // BLOCK)

    def _gaps(self, number: int) -> Array:
        """Return one block of exponential gaps; every block has the full length, whatever `count` is."""
        return seeds.generator(self.seed, "arrivals", number).standard_exponential(BLOCK)

    @cached_property
    def _sums(self) -> Array:
        """Return S at the begin of every block, and S_(n+1) at the end, summed in the order the blocks are."""
        begins, whole = [0.0], self.count // BLOCK
        for number in range(whole):
            begins.append(begins[-1] + float(np.cumsum(self._gaps(number))[-1]))
        rest = np.cumsum(self._gaps(whole)[: self.count - whole * BLOCK + 1])  # one gap beyond the last arrival
        return np.array([*begins[: self._block_count], begins[-1] + float(rest[-1])])

    @cached_property
    def _block_begins(self) -> Array:
        """Return the due time just before each block: nothing of the block is due earlier."""
        if self.process == "uniform":
            shares = np.arange(self._block_count) * BLOCK / self.count
        else:
            shares = self._sums[:-1] / self._sums[-1]
        return self.curve.inverse(shares * self.curve.total)

    def _block(self, number: int) -> Array:
        if self._recent[0] != number:
            self._recent = (number, self._make_block(number))
        return self._recent[1]

    def _make_block(self, number: int) -> Array:
        size = min(BLOCK, self.count - number * BLOCK)
        if self.process == "uniform":
            shares = (number * BLOCK + np.arange(size) + 0.5) / self.count
        else:
            shares = (self._sums[number] + np.cumsum(self._gaps(number)[:size])) / self._sums[-1]
        # the last bit of the inverse may fall back by one unit; due times never do
        times = np.maximum.accumulate(
            np.maximum(self.curve.inverse(shares * self.curve.total), self._block_begins[number])
        )
        times.flags.writeable = False
        return times
