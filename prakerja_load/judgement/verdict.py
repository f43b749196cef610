"""The three-valued verdict, its one ordering, and the values that carry it to report and exit code."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from prakerja_load.judgement.estimate import Estimate
from prakerja_load.units import PerSecond, Seconds


class Verdict(enum.IntEnum):
    """SUSTAINED < INCONCLUSIVE < NOT_SUSTAINED; the worst part is the whole (method.md §4)."""

    SUSTAINED = 0
    INCONCLUSIVE = 1
    NOT_SUSTAINED = 2

    @property
    def indonesian(self) -> str:
        """Return the word the ministry reads."""
        return ("LAYAK", "BELUM TERBUKTI", "TIDAK LAYAK")[self]

    @property
    def exit_code(self) -> int:
        """Return the process exit code: 0, 3 or 1."""
        return (0, 3, 1)[self]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict; of nothing it is INCONCLUSIVE, never green."""
    return max(verdicts, default=Verdict.INCONCLUSIVE)


def at_most(estimate: Estimate, limit: float) -> Verdict:
    """Return SUSTAINED when the upper bound is inside, NOT_SUSTAINED when the lower one is outside."""
    if not estimate.n:
        return Verdict.INCONCLUSIVE
    if estimate.high <= limit:
        return Verdict.SUSTAINED
    return Verdict.NOT_SUSTAINED if estimate.low > limit else Verdict.INCONCLUSIVE


def at_least(estimate: Estimate, limit: float) -> Verdict:
    """Return SUSTAINED when the lower bound is inside, NOT_SUSTAINED when the upper one is outside."""
    if not estimate.n:
        return Verdict.INCONCLUSIVE
    if estimate.low >= limit:
        return Verdict.SUSTAINED
    return Verdict.NOT_SUSTAINED if estimate.high < limit else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Finding:
    """One soundness check: a named line with what was observed, what is allowed and what to change."""

    rule: str
    kind: str  # "flattering" forbids SUSTAINED; "accusing" makes timing INCONCLUSIVE; "note" is only shown
    holds: bool
    observed: str
    allowed: str
    advice: str = ""


@dataclass(frozen=True)
class ObjectiveResult:
    """One objective judged on its bounds."""

    name: str  # "elapsed to step 5 identity, p99"
    kind: str  # "timing", "success", "backlog", "sample", "window", "resource"
    limit: float
    unit: str  # "s" or "ratio"
    estimate: Estimate | None
    verdict: Verdict
    reason: str
    untimed: Verdict | None = None  # what stands when no time can be trusted; None: nothing does
    rule: str = ""  # name of the rule that judged it
    quantile: float | None = None  # share of an objective on a quantile, None of another one
    window: Seconds | None = None  # length of the windows that were judged one by one, None where the whole was


@dataclass(frozen=True)
class StepRow:
    """One step in the table: gated times and service times side by side."""

    number: int
    name: str
    is_gated: bool
    requests: int
    outcomes: dict[str, int]  # outcome name → count
    elapsed: dict[str, Estimate]  # "p50", "p95", "p99" of elapsed to this step (failures as +∞)
    service: dict[str, Estimate]
    response: dict[str, Estimate]  # dependent: shown, never the only gate
    success: Estimate | None


@dataclass(frozen=True)
class Counts:
    """The four counts that head every result, with a reason for each gap."""

    offered: int
    started: int
    acknowledged: int  # registrants whose last stored step was acknowledged
    verified: int  # of those, found in the store with every acknowledged write correct
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Integrity:
    """The generator's ledger against what the system stores, in writes."""

    acknowledged: int
    verified: int
    lost: int
    duplicate: int
    corrupted: int
    unexpected: int
    contradicted: int
    in_doubt: int
    landed: int
    not_landed: int
    unverified: int
    oversold: int
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    undersold: int = 0
    is_whole: bool = field(kw_only=True)  # all that is stored was looked through; else a count of it is a least


@dataclass(frozen=True)
class Series:
    """Per-second curves for the charts; times are seconds after the ramp's epoch."""

    second: tuple[float, ...] = ()
    offered: tuple[float, ...] = ()
    started: tuple[float, ...] = ()
    finished: tuple[float, ...] = ()
    elapsed_p50: tuple[float, ...] = ()
    elapsed_p99: tuple[float, ...] = ()  # journey time by intended second; inf where failures reach the quantile
    service_p99: tuple[float, ...] = ()
    in_flight: tuple[float, ...] = ()


@dataclass(frozen=True)
class RampJudgement:
    """Everything said about one ramp."""

    number: int
    name: str
    registrants: int
    claim: str
    rate: PerSecond  # λ_peak asked for
    hold: Seconds
    verdict: Verdict
    sentence: str
    reasons: tuple[str, ...]
    counts: Counts
    integrity: Integrity
    findings: tuple[Finding, ...] = ()
    objectives: tuple[ObjectiveResult, ...] = ()
    steps: tuple[StepRow, ...] = ()
    journey: StepRow | None = None
    backlog: Estimate | None = None
    headroom: float | None = None  # proven rate ÷ λ_peak − 1, "at least"
    offered_rate: PerSecond = 0.0
    request_rate: PerSecond = 0.0
    lateness_p50: Seconds = 0.0
    lateness_p99: Seconds = 0.0
    arithmetic: tuple[str, ...] = ()
    disclosures: tuple[str, ...] = ()  # what was scaled down, co-location, lab defects
    series: Series = field(default_factory=Series)
    throughput: Estimate | None = None  # journeys completed per second over the judged window
    warm_up: Seconds = 0.0  # beginning of the ramp that is not judged; the charts shade it
    p99_kept: tuple[Seconds, ...] = ()  # of the limits a capacity is published for, those the journey's p99 keeps
    owed: float = 0.0  # registrants waiting for an answer, think time excluded, mean over the judged window
    stored_before: int | None = None  # registrants the store held before the ramp, None where nothing says so


@dataclass(frozen=True)
class EarlierRun:
    """A run that asked the same of the same system, as it stood when this one began."""

    run: str  # name of its directory
    created: str
    verdict: Verdict


@dataclass(frozen=True)
class RunJudgement:
    """Everything said about one run directory."""

    scenario: str
    description: str
    run: str
    seed: int
    created: str
    verdict: Verdict
    exit_code: int
    ramps: tuple[RampJudgement, ...]
    environment: dict[str, str]
    not_tested: tuple[str, ...] = ()
    earlier_runs: tuple[EarlierRun, ...] = ()  # in the same folder, oldest first
    looks: int = 1  # how often the scenario means to be run before somebody decides; shares the error


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """Return the exit code of a run: 0 when every ramp is SUSTAINED, 1 when one is NOT_SUSTAINED, else 3."""
    return worst(verdicts).exit_code


def combine(
    findings: Iterable[Finding], objectives: Iterable[ObjectiveResult], integrity: Integrity
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict of one ramp and what decided it.

    The worst part is the whole. Accusing unsoundness leaves of every timing judgement INCONCLUSIVE, and of a success
    only what no slow generator can cause; flattering unsoundness turns a SUSTAINED into INCONCLUSIVE; integrity is
    excused by neither. A crash while judging is a finding that does not hold, or a part that is INCONCLUSIVE.
    """
    broken = [finding for finding in findings if not finding.holds and finding.kind != "note"]
    is_accusing = any(finding.kind == "accusing" for finding in broken)
    doubts = [f"{finding.rule}: {finding.observed}, allowed: {finding.allowed}" for finding in broken]
    parts = [(integrity.verdict, "; ".join(integrity.reasons) or "integrity")]
    parts += [_part(objective, is_accusing) for objective in objectives]
    is_green = len(parts) > 1 and not broken
    verdict = worst([*(part for part, _ in parts), Verdict.SUSTAINED if is_green else Verdict.INCONCLUSIVE])
    if verdict is Verdict.SUSTAINED:
        return verdict, ("every objective holds with its pessimistic bound, and every acknowledged write is stored",)
    reasons = list(dict.fromkeys(reason for part, reason in parts if part is verdict))
    decided = [*reasons, *doubts] if verdict is Verdict.NOT_SUSTAINED else [*doubts, *reasons]
    return verdict, tuple(decided or ["no objective was judged"])


def _part(objective: ObjectiveResult, is_accusing: bool) -> tuple[Verdict, str]:
    """Return what is left of an objective; how many arrivals were judged for how long is no matter of their times."""
    reason = f"{objective.name}: {objective.reason}"
    if not is_accusing or objective.kind == "sample":
        return objective.verdict, reason
    if objective.untimed is None or objective.untimed is not objective.verdict:
        return Verdict.INCONCLUSIVE, "no time can be judged: the generator may have been what was slow"
    return objective.untimed, reason
