"""What is due next: callbacks at exact instants on a loop whose timers are coarse, never run early.

The loop's timers count whole milliseconds and may fire up to one early; the agenda keeps its own heap in nanoseconds,
looks at the clock when a timer fires, and waits again for what is not due yet. What runs late is late by the agenda's
own clock, which is the lateness that evidence shows.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from prakerja_load.units import Nanoseconds

Callback: TypeAlias = Callable[[], None]

_MILLISECOND = 1_000_000
_AT_ONCE = 64  # callbacks before the loop gets to read answers again


class Agenda:
    """Callbacks by the instant at which they are due, in nanoseconds of `clock`.

    Those due at one instant run in the order in which they were entered. Not thread-safe: it belongs to its loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], Nanoseconds]) -> None:
        self._loop = loop
        self.now = clock
        self._heap: list[tuple[Nanoseconds, int, Callback]] = []
        self._serial = count().__next__
        self._timer: asyncio.Handle | None = None
        self._armed_for: Nanoseconds = 0
        self._is_running = False

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, due: Nanoseconds, callback: Callback) -> None:
        """Run a callback as soon after `due` as the loop gets to it, and never before."""
        heapq.heappush(self._heap, (due, self._serial(), callback))
        if not self._is_running and (self._timer is None or due < self._armed_for):
            self._arm(due)

    def clear(self) -> None:
        """Forget everything that is not due yet."""
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, due: Nanoseconds) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = due
        wait = due - self.now()
        if wait <= 0:
            self._timer = self._loop.call_soon(self._run)
        else:
            self._timer = self._loop.call_later(-(-wait // _MILLISECOND) / 1000, self._run)

    def _run(self) -> None:
        self._timer = None
        self._is_running = True
        heap, now = self._heap, self.now()
        left = _AT_ONCE
        try:
            while heap and heap[0][0] <= now and left:
                left -= 1
                heapq.heappop(heap)[2]()
        finally:
            self._is_running = False
            if heap:
                self._arm(heap[0][0])
