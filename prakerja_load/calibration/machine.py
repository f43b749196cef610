"""What this machine's clock and timers are worth, measured in this process alone."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

Array = NDArray[np.float64]
_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_PAUSE: Nanoseconds = 100_000  # a gap between two readings of a spinning loop that something else must have made


@dataclass(frozen=True)
class ClockReading:
    """The monotonic clock as every process of this machine reads it."""

    source: str
    step: Nanoseconds  # smallest difference seen between two readings
    cost: Nanoseconds  # of one reading
    backward: int  # readings below the one before
    is_shared: bool  # another process read an instant between two of ours


def read_clock(readings: int = 200_000) -> ClockReading:
    """Return what many readings in a row, and one of another process in between, say of the clock."""
    instants = np.fromiter((time.perf_counter_ns() for _ in range(readings)), np.int64, readings)
    steps = np.diff(instants)
    return ClockReading(
        source=_SOURCE.read_text().strip() if _SOURCE.exists() else "unknown",
        step=int(steps[steps > 0].min(initial=SECOND_NS)),
        cost=int((instants[-1] - instants[0]) // (readings - 1)),
        backward=int((steps < 0).sum()),
        is_shared=_is_shared(),
    )


def _is_shared() -> bool:
    before = time.perf_counter_ns()
    program = "import time; print(time.perf_counter_ns(), time.monotonic_ns())"
    said = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout
    return all(before < int(instant) < time.perf_counter_ns() for instant in said.split())


def timer_lateness(count: int = 1_000, wait: Seconds = 0.002) -> Array:
    """Return how much later than asked the kernel woke this process, in seconds, shape (count,)."""
    late = np.empty(count)
    for place in range(count):
        due = time.perf_counter() + wait
        time.sleep(wait)
        late[place] = time.perf_counter() - due
    return late


def stolen(length: Seconds = 2.0) -> tuple[float, Seconds]:
    """Return (share of the time that a process that never waits did not run, its longest pause in seconds)."""
    begin = last = time.perf_counter_ns()
    end, lost, longest = begin + round(length * SECOND_NS), 0, 0
    while last < end:
        now = time.perf_counter_ns()
        gap = now - last
        if gap > _PAUSE:
            lost += gap
            longest = max(longest, gap)
        last = now
    return lost / (last - begin), longest / SECOND_NS
