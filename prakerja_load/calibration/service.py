"""How long a request is served: a pure function of (seed, index), so that any process can say it beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from prakerja_load import seeds
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ServiceKind: TypeAlias = Literal["constant", "exponential"]


@dataclass(frozen=True)
class ServiceLaw:
    """Service of a mean length (s): the same for everybody, or exponential by inversion of one uniform number each."""

    kind: ServiceKind
    mean: Seconds
    seed: int = 1

    @cached_property
    def _stream(self) -> int:
        return seeds.key(self.seed, "service")

    def of(self, index: int) -> Nanoseconds:
        """Return the service time of one request: the mean, or −mean·ln(1 − u)."""
        if self.kind == "constant":
            return round(self.mean * SECOND_NS)
        return round(-self.mean * math.log1p(-seeds.unit(self._stream, index)) * SECOND_NS)

    def array(self, count: int) -> NDArray[np.int64]:
        """Return the service times (ns) of requests 0 … count−1, shape (count,), equal to `of` to the nanosecond."""
        import numpy as np

        if self.kind == "constant":
            return np.full(count, self.of(0), np.int64)
        luck = seeds.unit_array(self._stream, np.arange(count, dtype=np.uint64))
        return np.rint(-self.mean * np.log1p(-luck) * SECOND_NS).astype(np.int64)
