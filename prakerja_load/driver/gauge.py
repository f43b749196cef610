"""Gauges that count what is under way without reading a sample, and the vitals of this process each second."""

from __future__ import annotations

import gc
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import Kind, SegmentWriter, read_segment
from prakerja_load.evidence.sample import VITAL
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")


class Gauge:
    """A level over time, and its mean since it was last asked."""

    __slots__ = ("_area", "_since", "_start", "level")

    def __init__(self, now: Nanoseconds) -> None:
        self.level = 0
        self._area = 0
        self._since = self._start = now

    def change(self, by: int, now: Nanoseconds) -> None:
        """Move the level; `now` never falls."""
        self._area += self.level * (now - self._since)
        self._since = now
        self.level += by

    def mean(self, now: Nanoseconds) -> float:
        """Return the time-weighted mean since the last call, and begin anew."""
        self.change(0, now)
        length = now - self._start
        mean = self._area / length if length else float(self.level)
        self._area, self._start = 0, now
        return mean


class Vitals:
    """CPU, memory and garbage-collection pauses of this process between two readings."""

    def __init__(self, clock: Callable[[], Nanoseconds] = time.perf_counter_ns) -> None:
        self._clock = clock
        self._cpu_before = time.process_time()
        self._read_before = clock()
        self._collecting_since: Nanoseconds = 0
        self._longest_pause: Nanoseconds = 0

    def watch_garbage(self) -> None:
        """Begin to measure pauses for garbage collection."""
        gc.callbacks.append(self._collected)

    def unwatch_garbage(self) -> None:
        """Stop measuring pauses."""
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)

    def read(self) -> tuple[float, Seconds, int]:
        """Return (CPU seconds ÷ wall seconds, longest pause, resident bytes) since the last reading."""
        now, cpu = self._clock(), time.process_time()
        share = (cpu - self._cpu_before) * SECOND_NS / max(1, now - self._read_before)
        pause = self._longest_pause / SECOND_NS
        self._cpu_before, self._read_before, self._longest_pause = cpu, now, 0
        return share, pause, resident()

    def _collected(self, phase: str, _: dict[str, int]) -> None:
        now = self._clock()
        if phase == "start":
            self._collecting_since = now
        else:
            self._longest_pause = max(self._longest_pause, now - self._collecting_since)


class VitalLog:
    """The vitals of a process second by second, each on disk at once: those of a process that is killed are there.

    One frame of a VITALS segment a second, 77 bytes: 33 MB for the longest opening of all.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = SegmentWriter(folder / Kind.VITALS.file_name, Kind.VITALS)

    def add(self, at: Nanoseconds, cpu: float, loop_lag: Seconds, gc_pause: Seconds, rss: int) -> None:
        """Write the second that ended at `at`, of a process that plays nobody; raises EvidenceError."""
        self._writer.append(np.array([(at, cpu, loop_lag, gc_pause, math.nan, math.nan, 0, rss)], VITAL))

    def records(self) -> list[dict[str, float]]:
        """Return one record a second, times to the microsecond, as controller.json holds them; raises EvidenceError."""
        return [
            {
                "at": int(second["at"]),
                "cpu": round(float(second["cpu"]), 4),
                "loop_lag": round(float(second["loop_lag"]), 6),
                "gc_pause": round(float(second["gc_pause"]), 6),
                "rss": int(second["rss"]),
            }
            for second in read_segment(self._writer.path, Kind.VITALS).records
        ]

    def close(self) -> None:
        """Force everything onto the disk; raises EvidenceError when that fails."""
        try:
            self._writer.close()
        except OSError as refusal:
            raise EvidenceError(f"cannot sync {self._writer.path}: {refusal.strerror}") from refusal


def resident() -> int:
    """Return the resident memory of this process in bytes, 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def calm_garbage() -> None:
    """Keep garbage collection from stopping the load.

    What exists now is never looked at again (`gc.freeze`), and the oldest generation is collected practically never:
    it would walk every registrant under way, tens of milliseconds long, to find nothing, because a registrant who has
    left is freed by reference counting. The youngest is collected when it has grown by more objects than ten thousand
    registrants under way are: below that every swing of their number would set it off, which took a tenth of the CPU at
    the opening minute's rate. Pauses are recorded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 5, 100_000)
