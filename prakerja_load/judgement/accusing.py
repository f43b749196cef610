"""Accusing unsoundness: what could make the system look worse than it is makes every timing judgement INCONCLUSIVE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from prakerja_load.evidence.journal import Records
from prakerja_load.judgement.case import Case, p99
from prakerja_load.judgement.estimate import Array
from prakerja_load.judgement.rule import Rulebook, Seen
from prakerja_load.judgement.window import Window
from prakerja_load.units import SECOND_NS, format_count, format_duration, format_share

BOOK = Rulebook("accusing")

CPU_LIMIT = 0.80
CPU_SECONDS = 10
LOST_TIME = 0.01  # share of the judged time that long delays of the generator may take
LITTLE = 0.10
SEEN_SECONDS = 0.90  # share of the judged seconds for which a worker must have given its vitals
CONTROLLER_DELAY = 1.0  # s: arrivals are leased 2.5 s ahead of their time, so that shorter ones make nobody late


@BOOK.rule(
    "lateness",
    allowed="p99 ≤ max(10 ms, 10 % of the tightest objective)",
    reason="what the generator is late is charged to the system",
    advice="add workers, or move the generator to another machine",
)
def is_punctual(case: Case) -> Seen:
    """Check that arrivals start when they are due."""
    started = case.judged & case.history.is_started
    late = case.history.arrivals["started"][started] / SECOND_NS - case.history.intended[started]
    return _within(p99(late), case)


@BOOK.rule(
    "lateness of later steps",
    allowed="p99 ≤ max(10 ms, 10 % of the tightest objective)",
    reason="a request sent late inside a journey is charged to the system as well",
    advice="add workers, or move the generator to another machine",
)
def keeps_pace(case: Case) -> Seen:
    """Check that every first attempt is sent when it is due; a repeat may have been told to wait."""
    late = case.history.seconds("started") - case.history.seconds("due")
    return _within(p99(late[case.judged_requests & (case.history.samples["attempt"] == 0)]), case)


@BOOK.rule(
    "vitals",
    allowed="every worker's and the controller's vitals for 90 % of the judged seconds",
    reason="a generator that cannot tell how it was may have been starved",
    advice="add workers, or move the generator to another machine",
)
def shows_vitals(case: Case) -> Seen:
    """Check that each worker, and a controller that left a record, wrote down their health."""
    window, seen = case.window, [_in_window(vitals, case.window).size for vitals in case.evidence.vitals.values()]
    fewest, own = min(seen, default=0), len(_own_vitals(case))
    # a controller that kept its seconds in its record alone has left them of the last part only
    since = window.start if case.evidence.led.size else max((window.start, *case.evidence.cut_at))
    is_led = case.evidence.controller is None or own >= SEEN_SECONDS * (window.stop - since) - 1
    is_played = len(seen) >= max(1, case.evidence.ramp.workers) and fewest >= SEEN_SECONDS * window.length - 1
    return Seen(is_played and is_led, f"{fewest} s at least of each worker, {own} s of the controller")


@BOOK.rule(
    "generator CPU",
    allowed="≤ 80 % of one core over any 10 s",
    reason="a busy generator reads answers late",
    advice="add workers, or move the generator to another machine",
)
def has_cpu_to_spare(case: Case) -> Seen:
    """Check that no generator process was near the end of its core in any 10 s."""
    shares = [_busiest(_in_window(vitals, case.window)["cpu"]) for vitals in case.evidence.vitals.values()]
    own = [float(vital["cpu"]) for vital in _own_vitals(case)]
    busiest = max([*shares, _busiest(np.array(own))], default=0.0)
    return Seen(busiest <= CPU_LIMIT, f"at most {format_share(busiest)} over {CPU_SECONDS} s")


@BOOK.rule(
    "event-loop lag",
    allowed="≤ 1 % of the judged time lost in delays above the lateness limit (of the controller: also above 1 s)",
    reason="while the loop stands still, every answer ages",
    advice="add workers, or move the generator to another machine",
)
def has_a_quick_loop(case: Case) -> Seen:
    """Check that the event loop never stood still for long."""
    return _lost_time(case, "loop_lag")


@BOOK.rule(
    "garbage-collection pauses",
    allowed="≤ 1 % of the judged time lost in pauses above the lateness limit (of the controller: also above 1 s)",
    reason="a pause of the generator reads like a pause of the system",
    advice="add workers, or lower load.in_flight_limit",
)
def collects_quickly(case: Case) -> Seen:
    """Check that collecting garbage did not stop the generator."""
    return _lost_time(case, "gc_pause")


@BOOK.rule(
    "clock offset",
    allowed="error of aligning hosts ≤ the lateness limit",
    reason="times of two hosts compare only as well as their clocks are aligned",
    advice="generate from one host, or fix its clock",
)
def shares_a_clock(case: Case) -> Seen:
    """Check how well the clocks of several hosts were aligned; one host has one clock."""
    error = max((abs(float(worker.get("clock_error", 0.0))) for worker in case.workers), default=0.0)
    return _within(error, case)


@BOOK.rule(
    "in one piece",
    allowed="a peak is offered without a break",
    reason="a ramp that was cut off and resumed met a system that was interrupted with it",
    advice="run it again with --redo",
)
def is_in_one_piece(case: Case) -> Seen:
    """Check that a peak was not put together from parts; a curve may be, and its windows are judged."""
    parts = len(case.evidence.cut_at) + 1
    return Seen(case.is_curve or parts == 1, "one" if parts == 1 else f"{parts} parts")


@BOOK.rule(
    "result disk",
    allowed="never full",
    reason="a generator that waits for its disk is late",
    advice="free disk space, and run again",
)
def has_disk_to_spare(case: Case) -> Seen:
    """Check that no worker and no controller gave up for want of disk space."""
    said = [
        str(case.controller.get("stopped") or ""),
        *(str(worker.get("reason") or "") for worker in case.workers),
    ]
    full = [text for text in said if "disk" in text.lower() or "no space" in text.lower()]
    return Seen(not full, "; ".join(full) or "never full")


@BOOK.rule(
    "connections to spare",
    allowed="0 attempts for which the generator had no port, descriptor or memory left",
    reason="a registrant who waits for a port of ours waits for nothing of the system's",
    advice='load.source_addresses, load.connection = "reuse", more workers on more machines, or a higher ulimit -n',
)
def has_connections_to_spare(case: Case) -> Seen:
    """Check that no worker ran out of what a connection needs on its own machine."""
    exhausted = sum(int(worker.get("exhausted", 0)) for worker in case.workers)
    return Seen(not exhausted, format_count(exhausted))


@BOOK.rule(
    "open sockets",
    allowed="of a worker ≤ load.in_flight_limit + the arrivals of one second",
    reason="connections that outlive their registrants take room that the system and the generator need",
    advice="look for connections that are not closed",
)
def closes_connections(case: Case) -> Seen:
    """Check that no worker held more connections than it had registrants, those who have just left included."""
    most = max((int(vitals["sockets"].max()) for vitals in case.evidence.vitals.values() if vitals.size), default=0)
    allowed = case.scenario.load.in_flight_limit + math.ceil(case.plan.rate)
    return Seen(most <= allowed, f"at most {format_count(most)}", f"≤ {format_count(allowed)} of a worker")


@BOOK.rule(
    "Little's law",
    allowed="the gauges of the workers and λ·W of the samples agree within 10 %",
    reason="the gauges count what is under way without reading a sample; where both disagree, one is wrong",
    advice="look for samples or gauges that stopped",
)
def obeys_little(case: Case) -> Seen:
    """Check L = λW for journeys (think time included) and for requests, against gauges that read no sample."""
    if case.evidence.cut_at:
        return Seen(True, "not compared: journeys that were begun twice are in the gauges twice")
    if not case.history.is_recorded.all():
        return Seen(True, "not compared: arrivals without a record are in the gauges only")
    started = case.history.arrivals[case.history.is_started]
    left = np.where(started["finished"] >= 0, started["finished"], np.iinfo(np.int64).max)
    journeys = (started["started"] / SECOND_NS, left / SECOND_NS)
    requests = (case.history.seconds("started"), case.history.seconds("finished"))
    pairs = (
        ("in flight", *_gauge_and_derived(case, "in_flight", *journeys)),
        ("requests under way", *_gauge_and_derived(case, "in_system", *requests)),
    )
    holds = all(abs(gauge - derived) <= max(LITTLE * max(gauge, derived), 0.5) for _, gauge, derived in pairs)
    return Seen(
        holds, "; ".join(f"{name} {gauge:.1f} by gauge, {derived:.1f} by λ·W" for name, gauge, derived in pairs)
    )


def _within(seconds: float, case: Case) -> Seen:
    limit = case.lateness_limit
    return Seen(seconds <= limit, format_duration(max(0.0, seconds)), f"≤ {format_duration(limit)}")


def _in_window(vitals: Records, window: Window) -> Records:
    """Return the vitals of seconds in the window, by their middles: they are taken a little after their end."""
    return vitals[window.contains(vitals["at"] / SECOND_NS - 0.5)]


def _own_vitals(case: Case) -> list[Mapping[str, Any]]:
    """Return the controller's vitals of the judged seconds: what it wrote each second, or left in its record."""
    window, led = case.window, case.evidence.led
    names = ("at", "cpu", "loop_lag", "gc_pause", "rss")
    vitals = [dict(zip(names, one, strict=True)) for one in led[list(names)].tolist()]
    vitals = vitals or case.controller.get("vitals") or []
    return [vital for vital in vitals if window.start <= float(vital.get("at", -1)) / SECOND_NS - 0.5 < window.stop]


def _busiest(shares: Array) -> float:
    """Return the highest mean over any 10 seconds in a row, or over all where there are fewer."""
    if not shares.size:
        return 0.0
    width = min(CPU_SECONDS, shares.size)
    sums = np.convolve(shares, np.ones(width), "valid")
    return float(sums.max()) / width


def _lost_time(case: Case, name: str) -> Seen:
    limit = case.lateness_limit
    lost = 0.0
    for vitals in case.evidence.vitals.values():
        delays = _in_window(vitals, case.window)[name]
        lost = max(lost, float(delays[delays > limit].sum()) / case.window.length)
    own = np.array([float(vital.get(name, 0.0)) for vital in _own_vitals(case)])
    lost = max(lost, float(own[own > max(limit, CONTROLLER_DELAY)].sum()) / case.window.length)
    return Seen(lost <= LOST_TIME, f"{format_share(lost)} of the time in delays above {format_duration(limit)}")


def _gauge_and_derived(case: Case, name: str, starts: Array, stops: Array) -> tuple[float, float]:
    """Return a gauge's time-weighted mean, all workers added, and λ·W over the very same time; NaN without vitals.

    A gauge is read about once a second, so what it covers begins and ends up to a second beside the judged window:
    with a stall near an edge of a short window, that second would be a tenth of everything.
    """
    gauge, derived, workers = 0.0, 0.0, 0
    for vitals in case.evidence.vitals.values():
        ends = vitals["at"] / SECOND_NS
        lengths = np.diff(ends, prepend=ends[:1] - 1.0)
        inside = case.window.contains(ends - 0.5)
        if not inside.any():
            return math.nan, math.nan
        covered = Window(float((ends - lengths)[inside][0]), float(ends[inside][-1]))
        gauge += float((vitals[name] * lengths)[inside].sum()) / covered.length
        derived += covered.overlap(starts, stops) / covered.length
        workers += 1
    return (gauge, derived / workers) if workers else (math.nan, math.nan)
