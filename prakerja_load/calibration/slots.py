"""Slots served first come first served, as plain arithmetic on the instants at which requests arrive."""

from __future__ import annotations

import heapq

from prakerja_load.units import Nanoseconds


class Slots:
    """`count` slots, each serving one request at a time; without a queue whoever finds none free is refused.

    A request begins at the later of its arrival and the first instant at which a slot is free, and ends after exactly
    its service time. Instants are nanoseconds; they come from the arrivals alone, so a process that wakes up late lets
    an answer out late and does not make the queue longer.
    """

    def __init__(self, count: int, *, has_queue: bool = True) -> None:
        if count < 1:
            raise ValueError(f"slots: got {count}, allowed: 1 or more")
        self._free_at: list[Nanoseconds] = [0] * count  # a heap
        self._has_queue = has_queue

    def admit(self, arrival: Nanoseconds, service: Nanoseconds) -> tuple[Nanoseconds, Nanoseconds] | None:
        """Return (start, end) of a request that arrives now, after all that came before; None when it is refused."""
        first = self._free_at[0]
        if first <= arrival:
            start = arrival
        elif self._has_queue:
            start = first
        else:
            return None
        heapq.heapreplace(self._free_at, start + service)
        return start, start + service
