"""How far a ramp is, once a second, for whoever watches it live; never judged."""

from __future__ import annotations

import msgspec

from prakerja_load.units import PerSecond, Seconds


class Progress(msgspec.Struct, frozen=True):
    """One second of a ramp as its controller sees it."""

    ramp: str
    phase: str  # starting, prefilling, warming-up, holding, draining, reconciling, judging
    elapsed: Seconds
    remaining: Seconds
    offered: int = 0  # arrivals due so far
    started: int = 0
    finished: int = 0
    dropped: int = 0
    in_flight: int = 0
    offered_rate: PerSecond = 0.0  # over the last seconds
    finished_rate: PerSecond = 0.0
    request_rate: PerSecond = 0.0
    p50: Seconds = 0.0  # elapsed times of the last seconds, every step pooled; live indication only
    p99: Seconds = 0.0
    lateness_p99: Seconds = 0.0
    requests: int = 0  # so far
    errors: int = 0  # of them neither ok nor expected
    workers: int = 0
    lost_workers: int = 0
    cpu: float = 0.0  # of the busiest worker's core, over the last seconds
    lag: Seconds = 0.0  # worst delay of a worker's loop in the last seconds
    note: str = ""
