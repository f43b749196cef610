"""What controller and workers say to each other over Locust's messaging; the run stands in every message.

Arrivals travel as (start, stop) pairs of indices, times as nanoseconds after the epoch, histograms in their own
compact form.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from prakerja_load.units import Nanoseconds

KIND = "prakerja-load"
"""The type of Locust message that carries all of these."""


class Totals(msgspec.Struct, frozen=True):
    """How far one worker is; the counts of records are those on its disk."""

    issued: int = 0
    started: int = 0
    finished: int = 0
    dropped: int = 0
    in_flight: int = 0
    samples: int = 0
    arrivals: int = 0
    ledger: int = 0
    errors: int = 0  # requests neither ok nor expected


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A worker is ready to begin."""

    run: str
    worker: int
    pid: int


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """A worker lives: what it has done since its last message."""

    run: str
    worker: int
    totals: Totals
    handled: list[tuple[int, int]]  # leases that are done
    under_way: tuple[int, int, int] | None  # lease being worked on, and how many of its arrivals are done
    elapsed: bytes = b""  # histogram of elapsed times since the last beat
    lateness: bytes = b""  # histogram of lateness since the last beat


class Final(msgspec.Struct, frozen=True, tag="final"):
    """A worker has come to its end: everything is on its disk, and these are the totals."""

    run: str
    worker: int
    totals: Totals
    handled: list[tuple[int, int]]
    left: list[tuple[int, int, int]]  # leases it could not finish, and how many arrivals of each are done
    reason: str = ""  # why it ended before it was over
    is_fatal: bool = False  # the harness could not do its work


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """Time 0 is this instant of the host's monotonic clock."""

    run: str
    epoch: Nanoseconds


class Leases(msgspec.Struct, frozen=True, tag="leases"):
    """Start these arrivals; an empty list says that the controller lives."""

    run: str
    spans: list[tuple[int, int]]


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """There is nothing more to start; cut off at the deadline whoever is still under way."""

    run: str
    deadline: Nanoseconds


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Start nothing more; cut off at the deadline whoever is still under way."""

    run: str
    reason: str
    deadline: Nanoseconds


class Quit(msgspec.Struct, frozen=True, tag="quit"):
    """The final totals were received; the worker may go."""

    run: str


Report: TypeAlias = Hello | Beat | Final
Order: TypeAlias = Begin | Leases | Finish | Stop | Quit

_REPORT: Any = Report
_ORDER: Any = Order


def pack(message: Report | Order) -> dict[str, Any]:
    """Return a message as plain values for Locust to send."""
    packed: dict[str, Any] = msgspec.to_builtins(message, builtin_types=(bytes,))
    return packed


def unpack_report(packed: object) -> Report:
    """Return what a worker said; raises msgspec.ValidationError for anything else."""
    report: Report = msgspec.convert(packed, type=_REPORT, builtin_types=(bytes,))
    return report


def unpack_order(packed: object) -> Order:
    """Return what the controller said; raises msgspec.ValidationError for anything else."""
    order: Order = msgspec.convert(packed, type=_ORDER, builtin_types=(bytes,))
    return order
