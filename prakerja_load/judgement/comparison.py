"""Two groups of repeats compared run by run: what changed, by how much, and what change could have been seen at all.

A run gives one value of each indicator, so the spread between runs of the same system, not the number of requests in
them, decides what counts as a change. Times and rates are compared by their ratio, as differences of logarithms; shares
by their difference. With means a, b of n and m runs and variances s², t²:

    error    e = √(s²/n + t²/m), with Welch's degrees of freedom ν (Biometrika 34, 1947)
    bounds   (b − a) ± t(95 %, ν)·e, one-sided 95 % each
    changed  one-sided p of (b − a)/e, against 5 % by Holm's step-down over all of them (Scand. J. Stat. 6, 1979)
    seen     a change of (t(1 − 5 %/k, ν) + t(95 %, ν))·e would have been called so in 95 of 100 comparisons of k

So at most one comparison in twenty calls an unchanged system worse, and one in twenty better.

A capacity search gives two ends, and the capacity lies between them: a change must show at both, or their intervals
must lie apart; searches are the same where both ends are. Ends that do not differ from run to run lie on the rates that
were tried, not on the capacity: then the intervals alone are asked.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from prakerja_load.judgement.estimate import ALPHA
from prakerja_load.judgement.tails import regularized_beta, student_quantile
from prakerja_load.units import format_share

POWER = 0.95
TOLERANCE = 0.05  # change of a time or rate within which two systems count as the same
FEWEST = 2  # runs on a side that show any spread
CEILING = 10.0  # a quantile that failures reach counts as this many times the longest that was measured


Span: TypeAlias = tuple[float, float]


class Outcome(enum.IntEnum):
    """What a comparison says; the order is that of the sort, the exit code another."""

    BETTER = 0
    SAME = 1
    CANNOT_TELL = 2
    WORSE = 3

    @property
    def exit_code(self) -> int:
        """Return the exit code for gates: 0 better or the same, 3 cannot tell, 1 worse."""
        return (0, 0, 3, 1)[self]

    @property
    def words(self) -> str:
        """Return the outcome as people say it."""
        return ("better", "same", "cannot tell", "worse")[self]


@dataclass(frozen=True)
class Indicator:
    """One number that every run gives; higher is worse, unless `is_gain`."""

    part: str  # of the run: "ramp 1", "capacity"
    name: str
    unit: str  # "s" and "1/s" are compared by ratio, "share" by difference
    base: tuple[float, ...]
    new: tuple[float, ...]
    tolerance: float  # as a ratio, or for a share as a difference
    is_gain: bool = False  # higher is better
    against_worse: str = ""  # why "worse" could not be believed, empty where it could
    against_better: str = ""  # the same of "better"; "same" needs both to be empty
    spans: tuple[tuple[Span, ...], tuple[Span, ...]] = ((), ())  # of capacity searches: [passed, failed) of each


@dataclass(frozen=True)
class Change:
    """What became of one indicator; `change` and bounds are relative for times and rates, differences for shares."""

    indicator: Indicator
    outcome: Outcome
    base: float  # typical value: geometric mean of times and rates, mean of shares
    new: float
    change: float
    low: float
    high: float
    p: float  # one-sided, of the direction seen
    seen: float  # the smallest change for the worse that would have been seen; +inf where none
    reason: str


@dataclass(frozen=True)
class Comparison:
    """All changes, the worst first, and what they come to."""

    outcome: Outcome
    changes: tuple[Change, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Difference:
    """new − base on the scale of comparison, so that more is worse."""

    indicator: Indicator
    size: float
    error: float
    freedom: float
    base: float
    new: float

    @property
    def t(self) -> float:
        if self.error > 0:
            return self.size / self.error
        return math.copysign(math.inf, self.size) if self.size and self.freedom > 0 else 0.0

    @property
    def p(self) -> float:
        """Return the one-sided p of a change in the direction seen, 1 where the runs show no spread to judge by."""
        return student_tail(abs(self.t), self.freedom) if self.freedom > 0 else 1.0

    def margin(self, alpha: float) -> float:
        """Return how far off the difference may be."""
        if self.freedom <= 0:
            return math.inf
        return student_quantile(1 - alpha, self.freedom) * self.error if self.error > 0 else 0.0


def compare(indicators: Sequence[Indicator], harm: Sequence[str] = ()) -> Comparison:
    """Return what all indicators together say; `harm` is what the new runs lost or broke and the base did not.

    Worse where any indicator is; else cannot tell where any cannot; else better where any is.
    """
    ends = [_ends(indicator) for indicator in indicators]
    is_changed = _holm([max(end.p for end in both) for both in ends])
    k = max(1, len(ends))
    changes = [_change(both, changed, k) for both, changed in zip(ends, is_changed, strict=True)]
    changes.sort(key=lambda change: (-change.outcome, change.p))
    outcomes = {change.outcome for change in changes} | ({Outcome.WORSE} if harm else set())
    return Comparison(_together(outcomes), tuple(changes), tuple(_reasons(changes, harm)))


def _together(outcomes: set[Outcome]) -> Outcome:
    for outcome in (Outcome.WORSE, Outcome.CANNOT_TELL, Outcome.BETTER, Outcome.SAME):
        if outcome in outcomes:
            return outcome
    return Outcome.CANNOT_TELL


def _reasons(changes: Sequence[Change], harm: Sequence[str]) -> Sequence[str]:
    if not changes and not harm:
        return ["there is nothing to compare"]
    worst = max(changes, key=lambda change: change.outcome).outcome if changes else Outcome.WORSE
    return [*harm, *(change.reason for change in changes if change.outcome is worst)]


def _ends(indicator: Indicator) -> tuple[_Difference, ...]:
    """Return the difference of an indicator; of capacity searches that of the passed rates and that of the failed."""
    passed = _difference(indicator)
    if not all(indicator.spans):
        return (passed,)
    base, new = (tuple(high for _, high in side) for side in indicator.spans)
    return passed, _difference(replace(indicator, base=base, new=new))


def _difference(indicator: Indicator) -> _Difference:
    base, new = _scaled(indicator)
    n, m = base.size, new.size
    size = float(new.mean() - base.mean())
    typical = [
        float(side.mean()) if indicator.unit == "share" else math.exp(float(side.mean())) for side in (base, new)
    ]
    if indicator.is_gain:
        size = -size
    if n < FEWEST or m < FEWEST or not math.isfinite(size):
        return _Difference(indicator, size, 0.0, 0.0, *typical)
    parts = float(base.var(ddof=1)) / n, float(new.var(ddof=1)) / m
    total = sum(parts)
    # with no spread at all any freedom does
    freedom = total**2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1)) if total > 0 else float(n + m - 2)
    return _Difference(indicator, size, math.sqrt(total), freedom, *typical)


def _scaled(indicator: Indicator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    base, new = np.array(indicator.base, np.float64), np.array(indicator.new, np.float64)
    if indicator.unit == "share":
        return base, new
    finite = [value for value in (*indicator.base, *indicator.new) if value < math.inf]
    ceiling = CEILING * max(finite, default=1.0)
    floor = np.finfo(np.float64).tiny
    return np.log(np.clip(base, floor, ceiling)), np.log(np.clip(new, floor, ceiling))


def _holm(ps: Sequence[float]) -> list[bool]:
    """Tell, for each p, whether its change stands when all of them are looked at."""
    stands = [False] * len(ps)
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        if ps[place] > ALPHA / (len(ps) - rank):
            break
        stands[place] = True
    return stands


def _change(ends: tuple[_Difference, ...], is_changed: bool, k: int) -> Change:
    """Return what became of an indicator; of two ends the bounds reach over both."""
    difference = ends[0]
    indicator = difference.indicator
    low = min(end.size - end.margin(ALPHA) for end in ends)
    high = max(end.size + end.margin(ALPHA) for end in ends)
    outcome = _outcome(ends, is_changed=is_changed)
    seen = max(end.margin(ALPHA / k) + end.margin(1 - POWER) for end in ends)
    sign = -1.0 if indicator.is_gain else 1.0
    bounds = sorted(_amount(indicator, sign * bound) for bound in (low, high))
    change = Change(
        indicator=indicator,
        outcome=outcome,
        base=difference.base,
        new=difference.new,
        change=_amount(indicator, sign * difference.size),
        low=bounds[0],
        high=bounds[1],
        p=max(end.p for end in ends),
        seen=abs(_amount(indicator, sign * seen)),
        reason="",
    )
    return replace(change, reason=_reason(change))


def _outcome(ends: tuple[_Difference, ...], *, is_changed: bool) -> Outcome:
    """Return what the numbers say, unless a doubt stands against just that."""
    found = _by_numbers(ends[0], is_changed=is_changed) if len(ends) == 1 else _by_ends(ends, is_changed=is_changed)
    return Outcome.CANNOT_TELL if _doubt(ends[0].indicator, found) else found


def _doubt(indicator: Indicator, outcome: Outcome) -> str:
    against = {Outcome.WORSE: indicator.against_worse, Outcome.BETTER: indicator.against_better}
    return against.get(outcome, indicator.against_worse or indicator.against_better)


def _by_numbers(difference: _Difference, *, is_changed: bool) -> Outcome:
    indicator = difference.indicator
    if not math.isfinite(difference.size):
        return Outcome.CANNOT_TELL
    limit = indicator.tolerance if indicator.unit == "share" else math.log1p(indicator.tolerance)
    if abs(difference.size) + difference.margin(ALPHA) <= limit:
        return Outcome.SAME
    if not is_changed:
        return Outcome.CANNOT_TELL
    return Outcome.WORSE if difference.size > 0 else Outcome.BETTER


def _by_ends(ends: tuple[_Difference, ...], *, is_changed: bool) -> Outcome:
    """Return what repeated searches say: at both ends the same, or at the lower end and by intervals that lie apart."""
    if any(end.freedom <= 0 or not math.isfinite(end.size) for end in ends):
        return Outcome.CANNOT_TELL
    by_spans = _by_spans(ends[0].indicator)
    if any(end.error <= 0 for end in ends):
        return by_spans
    found = {_by_numbers(end, is_changed=is_changed) for end in ends}
    if len(found) == 1:
        return found.pop()
    passed = _by_numbers(ends[0], is_changed=ends[0].p <= ALPHA)
    is_apart = by_spans is passed and passed in {Outcome.BETTER, Outcome.WORSE}
    return passed if is_apart else Outcome.CANNOT_TELL


def _by_spans(indicator: Indicator) -> Outcome:
    """Return what the intervals of repeated searches say: all apart, all together within the tolerance, or neither."""
    base, new = ((min(low for low, _ in spans), max(high for _, high in spans)) for spans in indicator.spans)
    if new[1] <= base[0]:
        return Outcome.WORSE
    if new[0] >= base[1]:
        return Outcome.BETTER
    is_same = max(base[1], new[1]) / min(base[0], new[0]) - 1 <= indicator.tolerance
    return Outcome.SAME if is_same else Outcome.CANNOT_TELL


def _amount(indicator: Indicator, size: float) -> float:
    """Return a difference of the scale of comparison as people read it."""
    if indicator.unit == "share":
        return size
    return math.expm1(size) if size < 700 else math.inf


def _reason(change: Change) -> str:
    indicator = change.indicator
    name = f"{indicator.part}, {indicator.name}"
    if doubt := indicator.against_worse or indicator.against_better:
        name = f"{name} ({doubt})"
    if not math.isfinite(change.change):
        return name
    runs = f"{len(indicator.base)} and {len(indicator.new)} runs"
    if min(len(indicator.base), len(indicator.new)) < FEWEST:
        if all(indicator.spans):
            return f"{name}: {change.outcome.words}: {_spans_text(indicator)}"
        return f"{name}: {signed_share(change.change)}, and one run shows no spread to judge it by; give five of each"
    span = f"{signed_share(change.change)} (from {signed_share(change.low)} to {signed_share(change.high)}), {runs}"
    if change.outcome is Outcome.SAME:
        return f"{name}: same within {format_share(indicator.tolerance)}: {span}"
    could = f"could have seen a change of {round_share(change.seen)}" if change.seen else "no spread between runs"
    return f"{name}: {change.outcome.words}: {span}; {could}"


def _spans_text(indicator: Indicator) -> str:
    base, new = (", ".join(f"[{low:.4g}, {high:.4g})" for low, high in spans) for spans in indicator.spans)
    return f"{base} before and {new} now, and one search shows no spread to judge them by; give five of each"


def signed_share(share: float) -> str:
    """Return a change in per cent with its sign."""
    if not math.isfinite(share):
        return "unknown"
    return f"{'+' if share >= 0 else '−'}{round_share(abs(share))}"


def round_share(share: float) -> str:
    """Return a change in per cent with as many digits as are worth reading."""
    return f"{100 * share:.2g} %" if abs(share) < 0.995 else f"{100 * share:.0f} %"


def student_tail(t: float, freedom: float) -> float:
    """Return P(T > t) of Student's t for t ≥ 0: I_{ν/(ν + t²)}(ν/2, 1/2) / 2 (Abramowitz & Stegun 26.5.27, 26.7.1)."""
    if t == math.inf:
        return 0.0
    return regularized_beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2


def repeats_needed(change: Change, wanted: float, k: int) -> int | None:
    """Return how many runs of each side would see a change of `wanted`, None where the runs show no spread."""
    indicator = change.indicator
    difference = _difference(indicator)
    if difference.freedom <= 0 or difference.error <= 0:
        return None
    size = wanted if indicator.unit == "share" else math.log1p(wanted)
    n, m = len(indicator.base), len(indicator.new)
    deviation = difference.error / math.sqrt(1 / n + 1 / m)
    for runs in range(FEWEST, 1001):
        freedom = 2.0 * (runs - 1)
        reach = student_quantile(1 - ALPHA / k, freedom) + student_quantile(POWER, freedom)
        if reach * deviation * math.sqrt(2 / runs) <= size:
            return runs
    return None
