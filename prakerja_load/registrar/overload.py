"""How many requests may be under way, from how long they are kept waiting: a controller without a clock of its own.

A queue that comes and goes is what a queue is for; one that stands only makes everybody late (CoDel, RFC 8289). So the
shortest wait of each window counts, not the longest, and nothing happens until it has been beyond the target for an
interval. A window may bring no measurement: a store that commits twice a second answers in two of its ten windows. Then
the last one stays in force: the limit does not grow, but nor is it cut again on the same news.

After the interval the limit follows the delay: what is under way and what it waits are proportional (Little), so the
limit that brings a delay of D back to the target is `target / D` of what is under way. It grows again step by step
while requests are turned away, quickly when none is.
"""

from __future__ import annotations

import msgspec

from prakerja_load.units import Seconds

WINDOW: Seconds = 0.1  # between two corrections
STANDS: Seconds = 2.0  # for which a source's last delay is in force while no newer one comes
_DEEPEST_CUT = 0.5  # in one window: delays are old news when they are measured
_GROWTH = 1.05  # a window, while requests are turned away
_RECOVERY = 1.5  # a window, while none is


class DelayTarget(msgspec.Struct, frozen=True):
    """How long requests may be kept waiting: `seconds` (0: for ever), and longer for no longer than `interval`."""

    seconds: Seconds = 0.2
    interval: Seconds = 0.5
    lowest: int = 8  # requests under way that are let in whatever the delay


class AdaptiveLimit:
    """The number of requests that may be under way; times and delays come in as arguments."""

    def __init__(self, highest: int, target: DelayTarget) -> None:
        self._highest = highest
        self.target = target
        self._lowest = min(target.lowest, highest)
        self._window_ends: Seconds | None = None
        self._shortest: dict[str, Seconds] = {}  # the shortest delay of each source in this window
        self._last: dict[str, tuple[Seconds, Seconds]] = {}  # of each source's last window, and when that ended
        self._has_shed = False
        self._above_since: Seconds | None = None
        self._limit = float(highest)
        self.delay: Seconds = 0.0  # standing, of the last window

    @property
    def limit(self) -> int:
        """Return how many requests may be under way now."""
        return int(self._limit)

    @property
    def is_shedding(self) -> bool:
        """Tell whether the limit is lower than it would be without a standing delay."""
        return self._limit < self._highest

    def shed(self) -> None:
        """Note that a request was turned away because of the limit."""
        self._has_shed = True

    def observe(self, source: str, delay: Seconds, in_flight: int, now: Seconds) -> None:
        """Take one measurement of how long a source keeps requests waiting."""
        if not self.target.seconds:
            return
        if self._window_ends is None:
            self._window_ends = now + WINDOW
        if now >= self._window_ends:  # before the delay is noted: a burst of answers belongs into one window
            self._close_window(in_flight, now)
        shortest = self._shortest.get(source)
        if shortest is None or delay < shortest:
            self._shortest[source] = delay

    def _close_window(self, in_flight: int, now: Seconds) -> None:
        news = max(self._shortest.values(), default=0.0)
        for source, delay in self._shortest.items():
            self._last[source] = (delay, now)
        self.delay = max((delay for delay, at in self._last.values() if now - at < STANDS), default=0.0)
        if self.delay <= self.target.seconds:
            self._above_since = None
            self._grow()
        elif news > self.target.seconds:
            self._cut_when_standing(news, in_flight, now)
        self._shortest.clear()
        self._has_shed = False
        self._window_ends = now + WINDOW

    def _cut_when_standing(self, delay: Seconds, in_flight: int, now: Seconds) -> None:
        if self._above_since is None:
            self._above_since = now
        if self.is_shedding or now - self._above_since >= self.target.interval:
            share = max(_DEEPEST_CUT, self.target.seconds / delay)
            self._limit = max(float(self._lowest), min(self._limit, in_flight * share))

    def _grow(self) -> None:
        grown = max(self._limit + 1, self._limit * (_GROWTH if self._has_shed else _RECOVERY))
        self._limit = min(grown, float(self._highest))
