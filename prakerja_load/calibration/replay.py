"""The exact path of a queue, replayed from its arrivals and services by the recursions of the textbooks.

Independent of the calibrated server, which keeps the instants at which its slots become free: here the *work left* in
every slot is carried from one arrival to the next (Lindley 1952 for one slot, Kiefer & Wolfowitz 1955 for c). Given the
same arrivals and services nothing is left to chance, so what an instrument shows may be held to it closely.
All times are nanoseconds in whole numbers, shape (n,), arrivals in rising order.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prakerja_load.units import Nanoseconds

Instants = NDArray[np.int64]


@dataclass(frozen=True)
class Stall:
    """The interval [begin, end) in which a target neither takes requests in nor lets answers out; work goes on."""

    begin: Nanoseconds
    end: Nanoseconds

    def push(self, instants: Instants) -> Instants:
        """Return the instants, those inside the stall moved to its end."""
        inside = (instants >= self.begin) & (instants < self.end)
        return np.where(inside, self.end, instants)


def waits(arrivals: Instants, services: Instants, slots: int) -> Instants:
    """Return how long each request waits for one of `slots` slots, first come first served.

    W is the sorted vector of work left in the slots. The request takes the least, W₁ ← W₁ + S, and until the next
    arrival every slot works off A: W ← sorted((W − A)⁺).
    """
    left = [0] * slots
    found = np.empty(arrivals.size, np.int64)
    gaps = np.diff(arrivals, prepend=arrivals[:1]).tolist()
    for place, (gap, service) in enumerate(zip(gaps, services.tolist(), strict=True)):
        left = [max(0, work - gap) for work in left]  # stays sorted
        wait = left.pop(0)
        found[place] = wait
        insort(left, wait + service)
    return found


def lindley(arrivals: Instants, services: Instants) -> Instants:
    """Return the waits of one slot: W_{k+1} = (W_k + S_k − A_k)⁺, unrolled to S_k − A_k summed minus its minimum."""
    steps = np.concatenate([[0], services[:-1] - np.diff(arrivals)]).cumsum()
    found: Instants = steps - np.minimum.accumulate(steps)
    return found


def departures(arrivals: Instants, services: Instants, slots: int, stall: Stall | None = None) -> Instants:
    """Return when each answer leaves a target with a queue that stood still once or never."""
    seen = arrivals if stall is None else stall.push(arrivals)
    ends = seen + waits(seen, services, slots) + services
    return ends if stall is None else stall.push(ends)


def admitted(arrivals: Instants, services: Instants, slots: int) -> NDArray[np.bool_]:
    """Tell which requests find a slot free where there is no queue."""
    left: list[int] = []  # work left in the busy slots
    found = np.empty(arrivals.size, np.bool_)
    gaps = np.diff(arrivals, prepend=arrivals[:1]).tolist()
    for place, (gap, service) in enumerate(zip(gaps, services.tolist(), strict=True)):
        left = [work - gap for work in left if work > gap]
        found[place] = len(left) < slots
        if found[place]:
            left.append(service)
    return found
