"""Counters and histograms in OpenMetrics text."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from prakerja_load.units import Seconds

CONTENT_TYPE = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
GROUP_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
Values: TypeAlias = float | Mapping[str, float]  # one, or one for each set of labels, as `name="value"`
Family: TypeAlias = tuple[str, str, Values]  # name, what it is, its values
_STARTED = time.time()


class Histogram:
    """Counts of values up to each bound, with their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    @property
    def total(self) -> int:
        """Return how many values were counted."""
        return sum(self.counts)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def add(self, other: Histogram) -> None:
        """Count everything that another one with the same bounds has counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

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
        self._answers: dict[tuple[str, int], Histogram] = {}  # one look-up for both the count and the time
        self._group_sizes = Histogram(GROUP_BOUNDS)
        self._commit_times = Histogram(LATENCY_BOUNDS)
        self.last_commit: Seconds = 0.0  # by the monotonic clock

    def observe(self, step: str, status: int, seconds: Seconds) -> None:
        """Count one answered request."""
        answers = self._answers.get((step, status))
        if answers is None:
            answers = self._answers[step, status] = Histogram(LATENCY_BOUNDS)
        answers.counts[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        answers.sum += seconds

    def group_committed(self, size: int, seconds: Seconds) -> None:
        """Count one commit of a group of writes."""
        self._group_sizes.observe(size)
        self._commit_times.observe(seconds)
        self.last_commit = time.monotonic()

    def successes(self, step: str) -> int:
        """Return how many requests of a step were answered with a success, repeated ones included."""
        return sum(answers.total for (name, status), answers in self._answers.items() if name == step and status < 300)

    def commits(self) -> tuple[int, Seconds]:
        """Return how many commits there were and what they took on average."""
        count = self._commit_times.total
        return count, self._commit_times.sum / count if count else 0.0

    def render(self, gauges: Sequence[Family], counters: Sequence[Family]) -> bytes:
        """Return everything as OpenMetrics text."""
        by_step: dict[str, Histogram] = defaultdict(lambda: Histogram(LATENCY_BOUNDS))
        lines = _head("registrar_requests", "counter", "Answered requests.")
        for (step, status), answers in sorted(self._answers.items()):
            lines.append(f'registrar_requests_total{{step="{step}",status="{status}"}} {answers.total}')
            by_step[step].add(answers)
        lines += _head("registrar_request_seconds", "histogram", "From the request's first byte to its answer.")
        for step, histogram in by_step.items():
            lines += histogram.lines("registrar_request_seconds", f'step="{step}"')
        lines += _head("registrar_group_size", "histogram", "Operations in one commit.")
        lines += self._group_sizes.lines("registrar_group_size")
        lines += _head("registrar_commit_seconds", "histogram", "Time of one commit.")
        lines += self._commit_times.lines("registrar_commit_seconds")
        for name, what, values in (*gauges, *_process_gauges()):
            lines += [*_head(name, "gauge", what), *_samples(name, values)]
        for name, what, values in (*counters, ("process_cpu_seconds", "CPU time.", time.process_time())):
            lines += [*_head(name, "counter", what), *_samples(f"{name}_total", values)]
        return "\n".join([*lines, "# EOF", ""]).encode()


def store_sizes(path: Path) -> dict[str, float]:
    """Return the bytes of each file that an embedded store consists of, by its label."""
    parts = {"database": path, "log": _beside(path, "-wal"), "photos": _beside(path, ".photos")}
    return {f'part="{part}"': float(file.stat().st_size) for part, file in parts.items() if file.exists()}


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# TYPE {name} {kind}", f"# HELP {name} {what}"]


def _samples(name: str, values: Values) -> list[str]:
    if isinstance(values, Mapping):
        return [f"{name}{{{labels}}} {value}" for labels, value in values.items()]
    return [f"{name} {values}"]


def _process_gauges() -> list[Family]:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return [
        ("process_resident_memory_bytes", "Resident memory.", pages * os.sysconf("SC_PAGE_SIZE")),
        ("process_start_time_seconds", "When the process started, in Unix time.", _STARTED),
    ]
