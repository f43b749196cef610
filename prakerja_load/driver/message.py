"""What controller and workers say to each other over Locust's messaging; the run stands in every message.

Arrivals travel as (start, stop) pairs of indices, times as nanoseconds after the epoch, histograms in their own
compact form. A worker that comes from elsewhere asks for its place first: its Join is the one message without a run,
because the answer tells it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from prakerja_load.units import Nanoseconds, Seconds

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
    exhausted: int = 0  # attempts at a connection for which this machine had no port, descriptor or memory left


class Join(msgspec.Struct, frozen=True, tag="join"):
    """Somebody from elsewhere would like to be a worker of whatever is run here."""

    host: str
    pid: int
    version: str  # of this package, with the digest of its sources


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A worker is ready to begin."""

    run: str
    worker: int
    pid: int
    timebase: str = ""  # which monotonic clock it lives by; equal texts name one clock
    host: str = ""


class Reading(msgspec.Struct, frozen=True, tag="reading"):
    """What the worker's clock showed when it was asked."""

    run: str
    worker: int
    asked: Nanoseconds  # by the controller's clock, handed back as it came
    clock: Nanoseconds


class Parcel(msgspec.Struct, frozen=True, tag="parcel"):
    """A piece of the evidence of a worker on another host; the pieces of all kinds form one sequence."""

    run: str
    worker: int
    number: int  # from 0
    kind: int  # evidence.journal.Kind
    content: bytes
    checksum: int  # CRC-32 of the content


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """A worker lives: what it has done since its last message."""

    run: str
    worker: int
    totals: Totals
    handled: list[tuple[int, int]]  # leases that are done
    under_way: tuple[int, int, int] | None  # lease being worked on, and how many of its arrivals are done
    elapsed: bytes = b""  # histogram of elapsed times since the last beat
    lateness: bytes = b""  # histogram of lateness since the last beat
    standstill: Nanoseconds = 0  # since the loop last looked at its clock
    cpu: float = 0.0  # CPU seconds of its process ÷ wall seconds, in the last second that was taken down
    lag: Seconds = 0.0  # worst delay of its loop in that second


class Final(msgspec.Struct, frozen=True, tag="final"):
    """A worker has come to its end: everything is on its disk, and these are the totals."""

    run: str
    worker: int
    totals: Totals
    handled: list[tuple[int, int]]
    left: list[tuple[int, int, int]]  # leases it could not finish, and how many arrivals of each are done
    reason: str = ""  # why it ended before it was over
    is_fatal: bool = False  # the harness could not do its work
    shipped: list[tuple[int, int, int]] = []  # (kind, bytes, CRC-32) of the evidence that was sent in parcels


class Place(msgspec.Struct, frozen=True, tag="place"):
    """The worker's number, and what the run asks of it."""

    run: str
    worker: int
    task: bytes  # driver.assignment.Assignment as JSON


class Question(msgspec.Struct, frozen=True, tag="question"):
    """What does the worker's clock show?"""

    run: str
    asked: Nanoseconds


class Received(msgspec.Struct, frozen=True, tag="received"):
    """The parcels below this number lie on the controller's disk; the next one is awaited."""

    run: str
    awaited: int


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """Time 0 is this instant of the worker's own monotonic clock."""

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
    """The worker may go: its final totals and all its evidence were received, or it was given up."""

    run: str
    is_acknowledged: bool = True


class Over(msgspec.Struct, frozen=True, tag="over"):
    """No ramp follows: whoever waits for one may go home."""


Report: TypeAlias = Join | Hello | Beat | Reading | Parcel | Final
Order: TypeAlias = Place | Question | Received | Begin | Leases | Finish | Stop | Quit | Over

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
