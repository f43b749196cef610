"""Counters and histograms in OpenMetrics text."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from prakerja_load.units import Seconds

CONTENT_TYPE = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
GROUP_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
Gauge = tuple[str, str, float]  # name, what it is, value


class Histogram:
    """Counts of values up to each bound, with their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str, labels: str = "") -> Iterator[str]:
        """Yield the samples of the histogram; `labels` is `name="value"` or empty."""
        total = 0
        comma = "," if labels else ""
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels}{comma}le="{bound}"}} {total}'
        braces = f"{{{labels}}}" if labels else ""
        yield f"{name}_count{braces} {total}"
        yield f"{name}_sum{braces} {self.sum:.6f}"


class Metrics:
    """What the server has done since it started."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], int] = defaultdict(int)
        self._latency: dict[str, Histogram] = defaultdict(lambda: Histogram(LATENCY_BOUNDS))
        self._group_sizes = Histogram(GROUP_BOUNDS)
        self._commit_times = Histogram(LATENCY_BOUNDS)

    def observe(self, step: str, status: int, seconds: Seconds) -> None:
        """Count one answered request."""
        self._requests[step, status] += 1
        self._latency[step].observe(seconds)

    def group_committed(self, size: int, seconds: Seconds) -> None:
        """Count one commit of a group of writes."""
        self._group_sizes.observe(size)
        self._commit_times.observe(seconds)

    def render(self, gauges: Sequence[Gauge], counters: Sequence[Gauge]) -> bytes:
        """Return everything as OpenMetrics text."""
        lines = ["# TYPE registrar_requests counter", "# HELP registrar_requests Answered requests."]
        for (step, status), count in sorted(self._requests.items()):
            lines.append(f'registrar_requests_total{{step="{step}",status="{status}"}} {count}')
        lines += _head("registrar_request_seconds", "histogram", "From the request's first byte to its answer.")
        for step, histogram in sorted(self._latency.items()):
            lines += histogram.lines("registrar_request_seconds", f'step="{step}"')
        lines += _head("registrar_group_size", "histogram", "Operations in one commit.")
        lines += self._group_sizes.lines("registrar_group_size")
        lines += _head("registrar_commit_seconds", "histogram", "Time of one commit.")
        lines += self._commit_times.lines("registrar_commit_seconds")
        for name, what, value in (*gauges, *_process_gauges()):
            lines += [*_head(name, "gauge", what), f"{name} {value}"]
        for name, what, value in (*counters, ("process_cpu_seconds", "CPU time.", time.process_time())):
            lines += [*_head(name, "counter", what), f"{name}_total {value}"]
        return "\n".join([*lines, "# EOF", ""]).encode()


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# TYPE {name} {kind}", f"# HELP {name} {what}"]


def _process_gauges() -> list[Gauge]:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return [("process_resident_memory_bytes", "Resident memory.", pages * os.sysconf("SC_PAGE_SIZE"))]
