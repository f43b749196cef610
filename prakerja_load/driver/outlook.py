"""What a ramp under the stock command looks like so far, in words: an outlook, because no evidence is kept there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prakerja_load.evidence.progress import Progress
from prakerja_load.judgement.accusing import CPU_LIMIT
from prakerja_load.scenario import Objectives
from prakerja_load.units import (
    PerSecond,
    Seconds,
    format_count,
    format_duration,
    format_number,
    format_rate,
    format_share,
)

EARLY: int = 100
"""Requests before which nothing is said about shares and quantiles."""

NO_PROOF = "only a run with evidence proves more (prakerja-load run)"


@dataclass(frozen=True)
class Ask:
    """What is asked for, as far as an outlook needs it."""

    name: str
    registrants: int
    rate: PerSecond  # highest
    hold: Seconds
    steps: int  # number of the last gated step
    objectives: Objectives

    @property
    def limit(self) -> Seconds:
        """Return the limit of the whole journey; no step's is longer."""
        return self.objectives.elapsed_base + self.objectives.elapsed_per_step * self.steps

    @property
    def lateness_limit(self) -> Seconds:
        """Return how late the generator may be: the larger of 10 ms and 10 % of the tightest limit (method.md §3)."""
        return max(0.010, 0.1 * (self.objectives.elapsed_base + self.objectives.elapsed_per_step))


def rows(ask: Ask, seen: Progress) -> list[tuple[str, str]]:
    """Return (what, how it is now), a line each."""
    offered = f"{format_count(seen.offered)} due, {format_count(seen.started)} started"
    finished = f"{format_count(seen.finished)} finished"
    rates = f"{format_number(seen.offered_rate)} due and {format_rate(seen.finished_rate, 'finished')}"
    times = f"p50 {format_duration(seen.p50)}, p99 {format_duration(seen.p99)}" if seen.p99 else "none yet"
    asked = f"{format_count(ask.registrants)} registrants, {format_rate(ask.rate)} held for {format_duration(ask.hold)}"
    return [
        ("Ramp", f"{ask.name}: {asked}"),
        ("Phase", f"{seen.phase}, {format_duration(seen.elapsed)} in, {format_duration(seen.remaining)} left"),
        ("Offered against achieved", f"{offered}, {finished}; {rates} in the last seconds"),
        ("Elapsed to a step, last seconds", f"{times} (think time taken out; the journey's limit {_limit(ask)})"),
        ("In flight", f"{format_count(seen.in_flight)} registrants, {format_rate(seen.request_rate, 'requests')}"),
        ("Soundness", "; ".join(_doubts(ask, seen)) or f"no doubt so far: {_health(ask, seen)}"),
        ("Verdict so far", verdict_so_far(ask, seen)),
    ]


def verdict_so_far(ask: Ask, seen: Progress) -> str:
    """Return what speaks against the system so far; never SUSTAINED, which needs evidence and reconciliation."""
    against = list(_against(ask, seen))
    excuses = list(_excuses(ask, seen))
    if against and not excuses:
        return f"NOT_SUSTAINED so far: {'; '.join(against)}"
    if against:
        return f"INCONCLUSIVE so far: {'; '.join(against)}, but the generator itself is in doubt: {'; '.join(excuses)}"
    doubts = list(_doubts(ask, seen))
    if doubts:
        return f"INCONCLUSIVE so far: {'; '.join(doubts)}"
    return f"INCONCLUSIVE so far: nothing against it yet; {NO_PROOF}"


def _against(ask: Ask, seen: Progress) -> Iterator[str]:
    """Yield every objective that the last seconds, or all requests so far, miss."""
    limits = ask.objectives
    if seen.requests < EARLY:
        return
    if seen.p99 > ask.limit:
        yield f"elapsed p99 {format_duration(seen.p99)}, limit {_limit(ask)}"
    success = 1 - seen.errors / seen.requests
    if success < limits.step_success:
        yield f"success of requests {format_share(success)}, limit {format_share(limits.step_success)}"


def _doubts(ask: Ask, seen: Progress) -> Iterator[str]:
    """Yield every reason to doubt the measurement so far."""
    if seen.dropped:
        yield f"{format_count(seen.dropped)} arrivals dropped, allowed none"
    if seen.lost_workers:
        yield f"{seen.lost_workers} of {seen.workers} workers lost, allowed none"
    yield from _excuses(ask, seen)
    if seen.note:
        yield f"ended early: {seen.note}"


def _excuses(ask: Ask, seen: Progress) -> Iterator[str]:
    """Yield every doubt that withdraws what is said about time: the generator was late, busy, or stood still."""
    if seen.lateness_p99 > ask.lateness_limit:
        yield _lateness(ask, seen)
    if seen.cpu > CPU_LIMIT:
        yield f"a worker used {format_share(seen.cpu)} of a core, allowed {format_share(CPU_LIMIT)}"
    if seen.lag > ask.lateness_limit:
        allowed = format_duration(ask.lateness_limit)
        yield f"a worker's loop stood still for {format_duration(seen.lag)}, allowed {allowed}"


def _lateness(ask: Ask, seen: Progress) -> str:
    allowed = format_duration(ask.lateness_limit)
    return f"lateness p99 {format_duration(seen.lateness_p99)} in the last seconds, allowed {allowed}"


def _health(ask: Ask, seen: Progress) -> str:
    loop = f"its loop at most {format_duration(seen.lag)} behind"
    return f"{_lateness(ask, seen)}; the busiest worker used {format_share(seen.cpu)} of a core, {loop}"


def _limit(ask: Ask) -> str:
    return format_duration(ask.limit)
