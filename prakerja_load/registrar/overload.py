"""How many requests may be under way, and whose, from how long they are kept waiting; no clock of its own.

A queue that comes and goes is what a queue is for; one that stands only makes everybody late (CoDel, RFC 8289). So the
shortest wait of each window counts, not the longest, and nothing happens until it has been beyond a bound for an
interval.

Then a limit follows the wait: what is under way and what it waits are proportional (Little), so the limit that brings a
wait of W to the one to be held is `held / W` of what is under way. It grows again step by step while requests are
turned away, quickly when none is.
"""

from __future__ import annotations

import math

import msgspec

from prakerja_load.units import Seconds

WINDOW: Seconds = 0.05  # between two corrections
STANDS: Seconds = 2.0  # for which a source's last delay is in force while no newer one comes
_DEEPEST_CUT = 0.5  # in one window: delays are old news when they are measured
_GROWTH = 1.025  # a window, while requests are turned away
_RECOVERY = 1.25  # a window, when none has been
_CALM = 20  # windows in a row: a moment without is only a gap between those who come


class DelayTarget(msgspec.Struct, frozen=True):
    """How long requests may be kept waiting: `seconds` (0: for ever), and longer for no longer than `interval`."""

    seconds: Seconds = 0.2
    interval: Seconds = 0.5
    lowest: int = 8  # requests under way that are let in whatever the delay


class Wait(msgspec.Struct, frozen=True):
    """How long every request has been kept waiting: `standing` now, and by the `news` of the last window alone."""

    standing: Seconds = 0.0
    news: Seconds = 0.0


class StandingDelay:
    """How long every request is kept waiting, by the shortest wait of each source in a window.

    A window may bring no measurement: a store that commits twice a second answers in two of its ten windows. Then the
    last one stays in force, and is no news.
    """

    def __init__(self) -> None:
        self.delay = Wait()  # at the slowest source
        self.queue = Wait()  # the same without what a source takes when nobody waits, as far as that is known
        self.under_way = 0.0  # requests, mean of the last window
        self._window_ends: Seconds | None = None
        self._counted = self._observed = 0
        self._shortest: dict[str, Seconds] = {}  # of each source in this window
        self._last: dict[str, tuple[Seconds, Seconds]] = {}  # of each source's last window, and when that ended
        self._least: dict[str, Seconds] = {}  # of each source's windows

    def observe(self, source: str, delay: Seconds, in_flight: int, now: Seconds) -> bool:
        """Take one measurement of how long a source keeps requests waiting; return whether a window ended before it."""
        if self._window_ends is None:
            self._window_ends = now + WINDOW
        has_ended = now >= self._window_ends
        if has_ended:  # before the delay is noted: a burst of answers belongs into one window
            self._close_window(now)
        self._counted += in_flight
        self._observed += 1
        shortest = self._shortest.get(source)
        if shortest is None or delay < shortest:
            self._shortest[source] = delay
        return has_ended

    def forget_least(self) -> None:
        """Learn anew how long a source takes when nobody waits."""
        self._least.clear()

    def _close_window(self, now: Seconds) -> None:
        shortest, least = self._shortest, self._least
        for source, delay in shortest.items():
            self._last[source] = (delay, now)
            least[source] = min(delay, least.get(source, math.inf))
        standing = {source: delay for source, (delay, at) in self._last.items() if now - at < STANDS}
        self.delay = Wait(max(standing.values(), default=0.0), max(shortest.values(), default=0.0))
        self.queue = Wait(
            max((delay - least.get(source, delay) for source, delay in standing.items()), default=0.0),
            max((delay - least[source] for source, delay in shortest.items()), default=0.0),
        )
        self.under_way = self._counted / max(1, self._observed)
        self._counted = self._observed = 0
        shortest.clear()
        self._window_ends = now + WINDOW


class Bounds(msgspec.Struct, frozen=True):
    """When a limit begins to follow a wait, and the wait that it holds."""

    beyond: Seconds  # a wait longer than this
    interval: Seconds  # that has stood for so long
    held: Seconds


class AdaptiveLimit:
    """The number of requests that may be under way; times and waits come in as arguments."""

    def __init__(self, highest: int, lowest: int) -> None:
        self._highest = highest
        self._lowest = min(lowest, highest)
        self._calm = 0  # windows since a request was turned away
        self._above_since: Seconds | None = None
        self._limit = float(highest)

    @property
    def limit(self) -> int:
        """Return how many requests may be under way now."""
        return int(self._limit)

    @property
    def is_shedding(self) -> bool:
        """Tell whether the limit is lower than it would be without a wait that stands."""
        return self._limit < self._highest

    def shed(self) -> None:
        """Note that a request was turned away because of the limit."""
        self._calm = 0

    def follow(self, wait: Wait, under_way: float, now: Seconds, bounds: Bounds) -> None:
        """Set the limit by the wait of the last window and the requests that were under way in it."""
        if not self.is_shedding and not self._has_stood(wait.standing > bounds.beyond, now, bounds.interval):
            return
        if wait.standing <= bounds.held:
            self._grow()
        elif wait.news > bounds.held:  # not cut again on the same news
            share = max(_DEEPEST_CUT, bounds.held / wait.news)
            self._limit = max(float(self._lowest), min(self._limit, under_way * share))
        self._calm += 1

    def _has_stood(self, is_beyond: bool, now: Seconds, interval: Seconds) -> bool:
        if not is_beyond:
            self._above_since = None
        elif self._above_since is None:
            self._above_since = now
        return self._above_since is not None and now - self._above_since >= interval

    def _grow(self) -> None:
        grown = max(self._limit + 1, self._limit * (_RECOVERY if self._calm >= _CALM else _GROWTH))
        self._limit = min(grown, float(self._highest))
        if not self.is_shedding:
            self._above_since = None
