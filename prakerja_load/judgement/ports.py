"""The ephemeral-port ceiling: how many connections a second one machine can open towards one target.

A connection holds a port of its source address towards the target's address and port while it is open and, when the
generator closes first, in TIME_WAIT after it. Linux keeps that for 60 s, or lets a new connection take the port over
after `tcp_tw_reuse_delay` (1 s): always with `tcp_tw_reuse` 1, on loopback only with 2, the default, never with 0.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.errors import Problem
from prakerja_load.scenario import Scenario
from prakerja_load.units import PerSecond, Seconds, format_count, format_number

TIME_WAIT: Seconds = 60.0  # TCP_TIMEWAIT_LEN of Linux
_LOOPBACK = ("127.", "localhost", "::1")
_MOST = 254  # source addresses taken without being told
_SYSCTL = Path("/proc/sys/net/ipv4")


@dataclass(frozen=True)
class PortSpace:
    """What the generator's system gives each source address; the defaults are those of Linux."""

    ports: int = 28_232  # 32768 … 60999
    reuse: int = 2  # net.ipv4.tcp_tw_reuse
    reuse_after: Seconds = 1.0  # net.ipv4.tcp_tw_reuse_delay
    has_timestamps: bool = True  # without net.ipv4.tcp_timestamps nothing is taken over

    def time_wait(self, is_loopback: bool) -> Seconds:
        """Return how long a port stays taken after its connection was closed from here."""
        is_reused = self.has_timestamps and (self.reuse == 1 or (self.reuse == 2 and is_loopback))
        return self.reuse_after if is_reused else TIME_WAIT


LINUX = PortSpace()


@dataclass(frozen=True)
class PortNeed:
    """What one ramp needs of the ports: as many as arrive in (mean journey + TIME_WAIT), against ports × addresses."""

    needed: int  # taken at once, when most are
    mean_seconds: Seconds
    time_wait: Seconds
    ports: int
    addresses: int

    @property
    def addresses_needed(self) -> int:
        """Return how many source addresses have so many ports."""
        return math.ceil(self.needed / self.ports)

    @property
    def ceiling(self) -> PerSecond:
        """Return the arrivals per second at which the last port is taken."""
        return self.ports * self.addresses / (self.mean_seconds + self.time_wait)

    @property
    def is_enough(self) -> bool:
        """Tell whether every registrant finds a port."""
        return self.addresses_needed <= self.addresses

    def line(self) -> str:
        """Return the arithmetic in a line."""
        held = f"{format_number(self.mean_seconds)} + {format_number(self.time_wait)} s with TIME_WAIT"
        given = f"{format_count(self.ports)} × {self.addresses} address{'es' if self.addresses > 1 else ''}"
        verdict = "enough" if self.is_enough else f"NOT ENOUGH, {self.addresses_needed} source addresses are needed"
        return f"ports: at most {format_count(self.needed)} arrivals in {held}, of {given}: {verdict}"


def need(scenario: Scenario, curve: RateCurve, mean_seconds: Seconds, space: PortSpace) -> PortNeed | None:
    """Return what a ramp with this arrival curve needs, None where connections outlive registrants."""
    if scenario.load.connection != "per-registrant":
        return None
    time_wait = space.time_wait(_is_loopback(scenario.target.url))
    needed = most_within(curve, mean_seconds + time_wait)
    wanted = PortNeed(needed, mean_seconds, time_wait, space.ports, max(1, len(scenario.load.source_addresses)))
    if scenario.load.source_addresses or not _has_many_addresses(scenario.target.url):
        return wanted
    return replace(wanted, addresses=min(_MOST, wanted.addresses_needed))


def sources(scenario: Scenario, curve: RateCurve, mean_seconds: Seconds, space: PortSpace) -> tuple[str, ...]:
    """Return where connections come from: what the scenario says, or as much of 127.0.0.0/8 as a loopback target needs.

    Empty where the system may choose.
    """
    given = scenario.load.source_addresses
    wanted = need(scenario, curve, mean_seconds, space)
    if given or wanted is None or wanted.addresses == 1:
        return given
    return tuple(f"127.0.0.{number}" for number in range(1, wanted.addresses + 1))


def most_within(curve: RateCurve, length: Seconds) -> int:
    """Return how many arrive in the busiest stretch of this length, looked for in steps of an eighth of it."""
    steps = max(1, math.ceil(curve.duration / length * 8))
    ends = [min(curve.duration, (number + 1) * length / 8) for number in range(steps)]
    until = curve.cumulative(ends)
    before = curve.cumulative([max(0.0, end - length) for end in ends])
    return math.ceil(float((until - before).max()))


def problem(wanted: PortNeed, number: int) -> Problem:
    """Return why ramp `number` would run out of ports, with what to change."""
    given = f"{wanted.addresses}, good for {format_number(wanted.ceiling)} arrivals/s"
    allowed = f"at least {wanted.addresses_needed} addresses of this machine in ramp {number}: {wanted.line()}"
    hint = 'or load.connection = "reuse", a wider net.ipv4.ip_local_port_range, or workers on more machines'
    return Problem("load.source_addresses", given, allowed, hint)


def of_this_machine(sysctl: Path = _SYSCTL) -> PortSpace:
    """Return this machine's port space; what cannot be read is taken to be Linux's default."""
    usual = PortSpace()
    low, high = (_numbers(sysctl / "ip_local_port_range") or [32_768, 60_999])[:2]
    reserved = sum(_inside(part, low, high) for part in _words(sysctl / "ip_local_reserved_ports"))
    reuse = _numbers(sysctl / "tcp_tw_reuse") or [usual.reuse]
    delay = _numbers(sysctl / "tcp_tw_reuse_delay") or [round(usual.reuse_after * 1000)]
    stamps = _numbers(sysctl / "tcp_timestamps") or [1]
    return PortSpace(max(1, high - low + 1 - reserved), reuse[0], delay[0] / 1000, stamps[0] != 0)


def _words(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text().replace(",", " ").split()
    return []


def _numbers(path: Path) -> list[int]:
    with contextlib.suppress(ValueError):
        return [int(word) for word in _words(path)]
    return []


def _inside(part: str, low: int, high: int) -> int:
    """Return how many ports of a reserved range ("8080", "9000-9010") lie within [low, high]."""
    first, _, last = part.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()):
        return 0
    return max(0, min(int(last or first), high) - max(int(first), low) + 1)


def _has_many_addresses(url: str | None) -> bool:
    """Tell whether the target is on IPv4's loopback, all of whose addresses are this machine's."""
    return url is None or (urlsplit(url).hostname or "").startswith("127.")


def _is_loopback(url: str | None) -> bool:
    return url is None or (urlsplit(url).hostname or "").startswith(_LOOPBACK)
