"""Who works on a ramp: what the controller knows of each worker, and what it needs for those on other hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from prakerja_load.driver.alignment import Alignment
from prakerja_load.driver.archive import Archive
from prakerja_load.driver.message import Totals
from prakerja_load.units import SECOND_NS, Nanoseconds


@dataclass(frozen=True)
class Elsewhere:
    """What it takes to lead workers that are not on this disk: the task they are given, and where evidence goes."""

    task: bytes  # driver.assignment.Assignment as JSON
    version: str  # of this package, with the digest of its sources: others may understand the same words otherwise
    archive: Archive


@dataclass
class Worker:
    """What is known of one worker."""

    number: int
    client: str  # its address in Locust's messaging
    pid: int
    heard: Nanoseconds
    totals: Totals = field(default_factory=Totals)
    state: str = "running"  # finished, lost
    reason: str = ""
    host: str = ""
    alignment: Alignment = field(default_factory=lambda: Alignment(is_same=True))
    fed: Nanoseconds = 0  # when its last parcel came

    @property
    def is_running(self) -> bool:
        """Tell whether its final totals are still to come."""
        return self.state == "running"

    def record(self) -> dict[str, Any]:
        """Return what controller.json says of this worker; times in seconds."""
        return {
            "worker": self.number,
            "pid": self.pid,
            "host": self.host,
            "clock_offset": self.alignment.offset / SECOND_NS,
            "clock_error": self.alignment.bound / SECOND_NS,
            "clock_exchanges": self.alignment.exchanges,
            "state": self.state,
            "reason": self.reason,
            **msgspec.structs.asdict(self.totals),
        }
