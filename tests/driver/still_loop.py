"""Enough of an event loop for an agenda, without real time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from prakerja_load.units import SECOND_NS


class StillLoop:
    """Enough of an event loop for an agenda: time stands still until it is told to run to a later one."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.early = 0.0  # seconds by which timers fire before they should, as a loop's do that counts milliseconds
        self._heap: list[tuple[int, int, StillHandle]] = []
        self._serial = itertools.count()

    def clock(self) -> int:
        return self.now_ns

    def call_later(self, delay: float, callback: Callable[[], None]) -> StillHandle:
        handle = StillHandle(callback)
        heapq.heappush(
            self._heap, (self.now_ns + round(max(0.0, delay - self.early) * SECOND_NS), next(self._serial), handle)
        )
        return handle

    def call_soon(self, callback: Callable[[], None]) -> StillHandle:
        return self.call_later(0, callback)

    def run_to(self, seconds: float) -> None:
        """Let time pass; a timer fires when it is due, or later if a callback moved the clock on."""
        end = round(seconds * SECOND_NS)
        while self._heap and self._heap[0][0] <= end:
            due, _, handle = heapq.heappop(self._heap)
            self.now_ns = max(self.now_ns, due)
            if not handle.is_cancelled:
                handle.callback()
        self.now_ns = max(self.now_ns, end)


class StillHandle:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback, self.is_cancelled = callback, False

    def cancel(self) -> None:
        self.is_cancelled = True
