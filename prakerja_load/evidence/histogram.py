"""A histogram with a bounded relative error whose merge is exact and free of order.

The layout is HdrHistogram's: values below 2 048 have a counter each; above, every doubling is cut into 1 024 equal
sub-buckets, so a counter spans at most 1/1 024 < 0.1 % of the values it stands for.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.errors import EvidenceError

_HALF = 1_024
_HALF_BITS = 10
_HEADER = struct.Struct("<4sQI")
_MAGIC = b"PLHG"
_HIGHEST = 2**44  # of nanoseconds: 4 h 53 min


class Histogram:
    """Counts of whole numbers in [0, highest], nanoseconds as a rule."""

    def __init__(self, highest: int = _HIGHEST) -> None:
        if highest < 1:
            raise ValueError(f"a histogram needs a highest value of at least 1, got {highest}")
        self.highest = highest
        self.counts: NDArray[np.int64] = np.zeros(int(_slots(np.array([highest]))[0]) + 1, np.int64)

    def __len__(self) -> int:
        return int(self.counts.sum())

    def record(self, value: int, count: int = 1) -> None:
        """Count one value; raises OverflowError when it lies outside [0, highest]."""
        if not 0 <= value <= self.highest:
            raise OverflowError(f"{value} lies outside [0, {self.highest}]")
        shift = max(0, value.bit_length() - _HALF_BITS - 1)
        self.counts[shift * _HALF + (value >> shift)] += count

    def record_array(self, values: NDArray[Any]) -> None:
        """Count every value of an array, or none: raises OverflowError when any lies outside [0, highest]."""
        if values.size == 0:
            return
        if values.min() < 0 or values.max() > self.highest:
            raise OverflowError(f"values from {values.min()} to {values.max()} lie outside [0, {self.highest}]")
        self.counts += np.bincount(_slots(values), minlength=self.counts.size)

    def merge(self, other: Histogram) -> None:
        """Add another histogram of the same layout; raises ValueError when the layouts differ."""
        if self.highest != other.highest:
            raise ValueError(f"histograms up to {self.highest} and {other.highest} do not merge")
        self.counts += other.counts

    def quantile(self, share: float) -> int:
        """Return the value that at least `share` of the counted values do not exceed (nearest rank).

        Of the values a counter stands for it is the highest, so the error is upward and at most 0.1 %. Raises
        ValueError when nothing was counted.
        """
        total = len(self)
        if not total or not 0 <= share <= 1:
            raise ValueError(f"no quantile {share} of {total} values")
        rank = max(1, int(np.ceil(share * total - 1e-9)))
        slot = int(np.searchsorted(np.cumsum(self.counts), rank))
        return min(_highest_in(slot), self.highest)

    def to_bytes(self) -> bytes:
        """Return a compact form: the counters that are not zero, compressed."""
        slots = np.flatnonzero(self.counts)
        body = slots.astype("<u4").tobytes() + self.counts[slots].astype("<i8").tobytes()
        return _HEADER.pack(_MAGIC, self.highest, slots.size) + zlib.compress(body)

    @classmethod
    def from_bytes(cls, content: bytes) -> Histogram:
        """Return the histogram that `to_bytes` wrote; raises EvidenceError on anything else."""
        try:
            magic, highest, filled = _HEADER.unpack_from(content)
            body = zlib.decompress(content[_HEADER.size :])
        except (struct.error, zlib.error) as mistake:
            raise EvidenceError(f"not a histogram: {mistake}") from mistake
        if magic != _MAGIC or len(body) != filled * 12:
            raise EvidenceError("not a histogram: wrong mark or length")
        histogram = cls(highest)
        slots = np.frombuffer(body, "<u4", filled)
        if filled and slots.max() >= histogram.counts.size:
            raise EvidenceError("not a histogram: a counter outside its range")
        histogram.counts[slots] = np.frombuffer(body, "<i8", filled, filled * 4)
        return histogram


def _slots(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return each value's counter: shift·1 024 + (value >> shift), the shift leaving 11 significant bits."""
    whole = np.asarray(values, np.int64)
    # frexp is exact below 2^53 (104 days of nanoseconds): the exponent is the bit length
    shift = np.maximum(0, np.frexp(whole.astype(np.float64))[1].astype(np.int64) - _HALF_BITS - 1)
    slots: NDArray[np.int64] = shift * _HALF + (whole >> shift)
    return slots


def _highest_in(slot: int) -> int:
    if slot < 2 * _HALF:
        return slot
    shift = slot // _HALF - 1
    return ((slot - shift * _HALF + 1) << shift) - 1
