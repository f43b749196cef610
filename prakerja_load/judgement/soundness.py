"""Soundness: is the measurement fit to be believed? One function a check, each with what to change.

Flattering unsoundness could make the system look better than it is: it forbids SUSTAINED, and a NOT_SUSTAINED found
in spite of it stands. Accusing unsoundness could make it look worse: no time can be judged. Integrity is excused by
neither. Notes are only shown.
"""

from __future__ import annotations

import numpy as np

from prakerja_load.judgement import accusing, flattering
from prakerja_load.judgement.case import MOST_RESENT, Case
from prakerja_load.judgement.estimate import Array
from prakerja_load.judgement.resources import keeps_memory
from prakerja_load.judgement.rule import Rule, Rulebook, Seen, crash_text
from prakerja_load.judgement.verdict import Finding
from prakerja_load.judgement.window import mser5
from prakerja_load.units import format_count, format_duration, format_share

BOOK = Rulebook("note")

ANOTHER_REGIME = 0.10


def judge_soundness(case: Case) -> tuple[Finding, ...]:
    """Return the finding of every rule; a rule that crashes does not hold, and nothing is green without it."""
    return tuple(_finding(rule, case) for rule in RULES)


def _finding(rule: Rule[Case, Seen], case: Case) -> Finding:
    try:
        seen = rule.check(case)
    except Exception as crash:
        kind = "flattering" if rule.kind == "note" else rule.kind
        return Finding(rule.name, kind, False, crash_text(crash), rule.threshold, "report this crash")
    return Finding(
        rule=rule.name,
        kind=rule.kind,
        holds=seen.holds,
        observed=seen.observed,
        allowed=seen.allowed or rule.threshold,
        advice="" if seen.holds else rule.advice,
    )


@BOOK.rule(
    "steady from the start",
    allowed="MSER-5 cuts no more than the declared warm-up, or what it cuts is within 10 % of the rest",
    reason="a later cut may be the opening stall itself: it is shown, never removed",
    advice="look at the first seconds of the curves",
)
def is_steady(case: Case) -> Seen:
    """Ask MSER-5 where the steady part of the mean service time per second begins.

    Of pure noise MSER-5 cuts a random part, so a later cut counts only where the part it removes is another regime.
    """
    if case.is_curve:
        return Seen(True, "a curve is never steady", "nothing of a curve")
    history = case.history
    seconds, means = _per_second(history.seconds("started"), history.seconds("finished"), case.window.stop)
    cut = mser5(means)
    warm = int(np.searchsorted(seconds, case.plan.warm_up))
    place = means.size // 2 if cut is None else cut
    if place <= warm:
        return Seen(True, f"cuts {place} s")
    change = abs(float(means[warm:place].mean() / means[place:].mean()) - 1)
    observed = "no steady part" if cut is None else f"cuts {format_duration(float(seconds[place]))}"
    return Seen(change <= ANOTHER_REGIME, f"{observed}, {format_share(change)} apart from the rest")


BOOK.rule(
    "memory of the target",
    allowed="growth over the judged time ≤ 25 % of what it was at its beginning, or 64 MiB",
    reason="a leak carries the wave of today and not that of the third day",
    advice="look at what grows; objectives.memory_growth makes it an objective",
)(keeps_memory)


@BOOK.rule(
    "foreign reports refused",
    allowed="0",
    reason="somebody else speaks to this controller; what they said was not merged",
    advice="see who else uses the controller's port",
)
def hears_no_strangers(case: Case) -> Seen:
    """Check that no message of another run reached the controller."""
    refused = int(case.controller.get("foreign_messages", 0))
    return Seen(not refused, format_count(refused))


@BOOK.rule(
    "closed",
    allowed="ramp.json says closed",
    reason="a ramp that was not closed may have been killed after its evidence was complete",
    advice="run it again if anything else is missing",
)
def is_closed(case: Case) -> Seen:
    """Check that the ramp was closed."""
    return Seen(case.evidence.is_closed, "closed" if case.evidence.is_closed else "open")


@BOOK.rule(
    "sent again",
    allowed=f"at most {format_share(MOST_RESENT)} of the judged requests; beyond, each is a failure of its step",
    reason="a server that closed an idle connection cannot be told from one that dropped its answer",
    advice="see why the system closes connections that are in use; a longer keep-alive time-out helps against a race",
)
def sends_little_again(case: Case) -> Seen:
    """Check how many requests were sent again because their kept-alive connection died before any of an answer."""
    asked = int(np.count_nonzero(case.judged_requests))
    return Seen(
        not case.has_too_many_resent,
        f"{format_count(case.resent)} of {format_count(asked)} requests were sent again because the connection died",
    )


def _per_second(started: Array, finished: Array, stop: float) -> tuple[Array, Array]:
    """Return the seconds up to `stop` in which requests started, and the mean service time of each."""
    second = np.floor(started).astype(np.int64)
    inside = (second >= 0) & (second < int(stop))
    counts = np.bincount(second[inside], minlength=1)
    sums = np.bincount(second[inside], finished[inside] - started[inside], minlength=1)
    asked = np.flatnonzero(counts)
    return asked.astype(np.float64), np.asarray(sums[asked] / counts[asked], np.float64)


RULES: tuple[Rule[Case, Seen], ...] = (*flattering.BOOK.rules, *accusing.BOOK.rules, *BOOK.rules)
"""Every check in the order in which it is shown."""
