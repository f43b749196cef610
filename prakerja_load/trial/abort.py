"""When to end a ramp before its time: limits of the scenario on what is seen live, kept for `HELD` seconds on end."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator

from prakerja_load.evidence.progress import Progress
from prakerja_load.scenario import AbortOn
from prakerja_load.units import Seconds, format_count, format_duration, format_share

HELD: Seconds = 10.0
"""How long a limit must be exceeded: one bad second ends nothing."""


class Abort:
    """Sees the progress of a ramp second by second, and says once why it is to end."""

    def __init__(self, limits: AbortOn) -> None:
        self._limits = limits
        self._seen: deque[Progress] = deque()
        self.reason = ""

    def see(self, progress: Progress) -> str:
        """Return why the ramp is to end from now on; empty while it may go on, and after it was said."""
        if self.reason or progress.phase != "holding":  # what is judged begins after the warm-up
            return ""
        self._seen.append(progress)
        while len(self._seen) > 1 and self._seen[1].elapsed <= progress.elapsed - HELD:
            self._seen.popleft()
        if progress.elapsed - self._seen[0].elapsed >= HELD:
            self.reason = "; ".join(self._exceeded())
        return self.reason

    def _exceeded(self) -> Iterator[str]:
        limits, last = self._limits, self._seen[-1]
        span = f"for {format_duration(HELD)}"
        failed = self._failed_share()
        if limits.failures is not None and failed > limits.failures:
            yield f"{format_share(failed)} of the requests failed {span}, abort_on {format_share(limits.failures)}"
        quickest = min(progress.p99 for progress in self._seen)
        if limits.p99 is not None and quickest > limits.p99:
            yield f"p99 above {format_duration(quickest)} {span}, abort_on {format_duration(limits.p99)}"
        if limits.dropped is not None and last.dropped > limits.dropped:
            yield f"{format_count(last.dropped)} arrivals dropped, abort_on {format_count(limits.dropped)}"

    def _failed_share(self) -> float:
        """Return failures ÷ requests of the seconds seen; a rate stands for the time since the second before."""
        seen = list(self._seen)
        requests = sum(
            after.request_rate * (after.elapsed - before.elapsed) for before, after in itertools.pairwise(seen)
        )
        failures = seen[-1].errors - seen[0].errors
        return min(1.0, failures / requests) if requests > 0 else float(failures > 0)
