"""The records a run leaves behind, and the times derived from them in one place.

All times are int64 nanoseconds after the ramp's epoch (the instant at which arrival time 0 is due), so that
records of all workers of one host compare directly. Outcomes, endings and step numbers are those of `journey.step`.
"""

from __future__ import annotations

import numpy as np

SAMPLE = np.dtype(
    [
        ("index", "<i8"),  # arrival index within the ramp
        ("step", "u1"),  # step number, from 1
        ("attempt", "u1"),  # 0 for the first, 1 … for repeats of the same step
        ("outcome", "u1"),
        ("status", "<u2"),  # HTTP status, 0 when none came
        ("intended", "<i8"),  # when the arrival was due (schedule)
        ("think", "<i8"),  # planned think time of this journey before this request
        ("due", "<i8"),  # when this request was due: intended for the first, previous finish + think time after
        ("started", "<i8"),
        ("finished", "<i8"),
    ]
)
"""One request."""

ARRIVAL = np.dtype(
    [
        ("index", "<i8"),
        ("intended", "<i8"),
        ("started", "<i8"),  # -1: never started
        ("finished", "<i8"),  # -1: never finished
        ("think", "<i8"),  # planned think time of the whole journey so far
        ("meant", "u1"),  # number of the last step this registrant meant to reach
        ("reached", "u1"),  # number of the last step that succeeded (ok or expected "no"), 0 for none
        ("ending", "u1"),
    ]
)
"""One arrival, written when its journey ends, is dropped, or the drain ends."""

LEDGER = np.dtype(
    [
        ("index", "<i8"),
        ("step", "u1"),
        ("attempt", "u1"),
        ("state", "u1"),  # LedgerState
        ("status", "<u2"),
        ("at", "<i8"),
    ]
)
"""One entry of the ledger of writes: INTENT before a stored step is sent, its fate afterwards."""

VITAL = np.dtype(
    [
        ("at", "<i8"),  # end of the second described
        ("cpu", "<f8"),  # CPU seconds this process used ÷ wall seconds
        ("loop_lag", "<f8"),  # seconds: worst delay of the event loop
        ("gc_pause", "<f8"),  # seconds: longest garbage-collection pause
        ("in_flight", "<f8"),  # time-weighted mean of registrants started and unfinished
        ("in_system", "<f8"),  # time-weighted mean of requests under way (think time excluded)
        ("sockets", "<i8"),
        ("rss", "<i8"),  # bytes
    ]
)
"""One second of a generator process's own health."""
