"""One step of a capacity search as it was measured: what the search and its curve need of a ramp's judgement."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from prakerja_load.judgement.capacity import Attempt, Next, Purpose
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.integrity import NO_EXPORT, is_unasked, writes_text
from prakerja_load.judgement.verdict import Finding, ObjectiveResult, RampJudgement, Verdict, combine
from prakerja_load.units import PerSecond, Seconds, format_count


@dataclass(frozen=True)
class MeasuredStep:
    """One rate held once; times are those of the whole journey, counted from the intended arrival."""

    number: int  # from 1, in the order in which they were run
    purpose: Purpose
    is_repeat: bool
    run: str  # name of its run directory
    rate: PerSecond  # offered
    hold: Seconds
    verdict: Verdict
    reasons: tuple[str, ...]
    failing: tuple[str, ...]  # what failed, in the order of the journey
    doubts: tuple[str, ...]  # soundness that does not hold
    is_timed: bool  # the generator was sound, so that it is not what made times long
    is_sound: bool  # nothing flattered the system either, so that times and throughput can be believed
    is_broken: bool  # beyond doubt in something that is no time: integrity, success, backlog, resources
    is_lagging: bool  # the served fall behind the offered
    served: Estimate | None  # registrants served as they meant to be, 1/s
    p50: Estimate | None
    p95: Estimate | None
    p99: Estimate | None
    owed: float  # registrants waiting for an answer, mean
    p99_proven: tuple[Seconds, ...]  # limits of the journey's p99 for which this step proves its rate

    @property
    def attempt(self) -> Attempt:
        """Return what the search needs of it."""
        return Attempt(self.rate, self.verdict, self.purpose)

    @property
    def is_generator_bound(self) -> bool:
        """Tell whether nothing could be decided because the generator was the one that did not keep up."""
        return self.verdict is Verdict.INCONCLUSIVE and not self.is_timed


def measure(number: int, step: Next, ramp: RampJudgement, run: str, *, on_speed_alone: bool = False) -> MeasuredStep:
    """Return a step from the judgement of its run; `on_speed_alone` forgives that nobody was asked what is stored.

    Never forgiven are what is found lost, duplicate or corrupted, an export that is cut off, a crash while
    reconciling, and more writes in doubt than writes may fail.
    """
    ramp = _unasked_forgiven(ramp) if on_speed_alone and is_unasked(ramp.integrity) else ramp
    broken = [finding for finding in ramp.findings if not finding.holds and finding.kind != "note"]
    is_timed = bool(ramp.findings) and not any(finding.kind == "accusing" for finding in broken)
    times = ramp.journey.elapsed if ramp.journey is not None else {}
    return MeasuredStep(
        number=number,
        purpose=step.purpose,
        is_repeat=step.is_repeat,
        run=run,
        rate=ramp.rate,
        hold=ramp.hold,
        verdict=ramp.verdict,
        reasons=ramp.reasons,
        failing=tuple(_failing(ramp)) if ramp.verdict is Verdict.NOT_SUSTAINED else (),
        doubts=tuple(f"{finding.rule}: {finding.observed}, allowed: {finding.allowed}" for finding in broken),
        is_timed=is_timed,
        is_sound=bool(ramp.findings) and not broken,
        is_broken=_is_broken(ramp, is_timed=is_timed),
        is_lagging=any(objective.kind == "backlog" and _is_missed(objective) for objective in ramp.objectives),
        served=ramp.throughput,
        p50=times.get("p50"),
        p95=times.get("p95"),
        p99=times.get("p99"),
        owed=ramp.owed,
        p99_proven=ramp.p99_kept if _is_green_but_for_time(ramp, broken) else (),
    )


def _unasked_forgiven(ramp: RampJudgement) -> RampJudgement:
    doubtful, allowed = ramp.integrity.in_doubt, _writes_allowed_to_fail(ramp)
    if doubtful > allowed:
        why = f"{writes_text(doubtful)} in doubt, more than the {format_count(allowed)} that may fail, and {NO_EXPORT}"
        standing = replace(ramp.integrity, reasons=(why,))
    else:
        standing = replace(ramp.integrity, verdict=Verdict.SUSTAINED, reasons=())
    verdict, reasons = combine(ramp.findings, ramp.objectives, standing)
    return replace(ramp, integrity=standing, verdict=verdict, reasons=reasons)


def _writes_allowed_to_fail(ramp: RampJudgement) -> int:
    """Return how many of the writes the strictest success limit lets fail; none where no success was judged."""
    strictest = max((objective.limit for objective in ramp.objectives if objective.kind == "success"), default=1.0)
    return math.floor((1 - strictest) * (ramp.integrity.acknowledged + ramp.integrity.in_doubt) + 1e-6)


def _is_missed(objective: ObjectiveResult) -> bool:
    return objective.verdict is Verdict.NOT_SUSTAINED


def _is_limit_of_time(objective: ObjectiveResult) -> bool:
    return objective.unit == "s" and objective.kind != "sample"


def _is_broken(ramp: RampJudgement, *, is_timed: bool) -> bool:
    """Tell whether the ramp fails at any limit of time; of a late generator only what no lateness can cause counts."""
    missed = [one for one in ramp.objectives if _is_missed(one) and not _is_limit_of_time(one)]
    believed = missed if is_timed else [one for one in missed if one.untimed is Verdict.NOT_SUSTAINED]
    return ramp.integrity.verdict is Verdict.NOT_SUSTAINED or bool(believed)


def _failing(ramp: RampJudgement) -> Iterator[str]:
    if ramp.integrity.verdict is Verdict.NOT_SUSTAINED:
        yield f"integrity: {'; '.join(ramp.integrity.reasons)}"
    for objective in filter(_is_missed, ramp.objectives):
        yield f"{objective.name}: {objective.reason}"


def _is_green_but_for_time(ramp: RampJudgement, broken: list[Finding]) -> bool:
    """Tell whether all that is no limit of a time holds: then the limits of the table stand in for the scenario's."""
    rest = [objective for objective in ramp.objectives if not _is_limit_of_time(objective)]
    return (
        not broken
        and ramp.integrity.verdict is Verdict.SUSTAINED
        and bool(rest)
        and not any(objective.verdict is not Verdict.SUSTAINED for objective in rest)
    )
