"""What a capacity search shows: the interval, the rate for each limit, the knee, headroom, registrants, the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prakerja_load.arrivals import demand as demands
from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.judgement import projection
from prakerja_load.judgement.capacity import CapacityInterval, Ending, Purpose, conclude
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.measured import MeasuredStep
from prakerja_load.judgement.objective import P99_LIMITS
from prakerja_load.judgement.projection import Projected, ScalabilityLaw, Unidentified
from prakerja_load.judgement.ramp import journey_seconds
from prakerja_load.judgement.tails import student_quantile
from prakerja_load.judgement.verdict import Verdict, worst
from prakerja_load.scenario import Scenario, plan_ramp
from prakerja_load.units import PerSecond, Seconds

BENT = 2.0
"""The median journey time has left its flat part where it is more than so many times the shortest one seen."""

SAME = 1e-6  # relative difference of two rates that are the same


@dataclass(frozen=True)
class ProvenLimit:
    """The highest rate below every failure that keeps a limit of the journey's p99, None where none does."""

    limit: Seconds
    rate: PerSecond | None


@dataclass(frozen=True)
class Knee:
    """The rate where response time leaves its flat part lies above `flat_to` and not above `bent_from`."""

    level: Seconds  # the flat part: the shortest median journey time
    flat_to: PerSecond
    bent_from: PerSecond | None  # None: no step reached it


@dataclass(frozen=True)
class RampHeadroom:
    """What the search says of one ramp of the scenario."""

    name: str
    registrants: int
    rate: PerSecond  # λ_peak
    verdict: Verdict  # whether its rate is proven
    proven: float | None  # proven rate ÷ λ_peak − 1: at least so much
    refuted: float | None  # failed rate ÷ λ_peak − 1: less than that


@dataclass(frozen=True)
class Registrants:
    """How many registrants are proven at the scenario's peak, and what twice as many would need.

    A peak is proven on a store of its N: none where nobody knows what the store held, or where it held nobody.
    """

    by_rate: int  # N whose λ_peak is the proven rate
    stored: int | None  # registrants in the store while it was proven, None where nobody knows
    proven: int | None  # the smaller of the two, None where there is none
    doubled: int | None  # 2 · proven
    doubled_rate: PerSecond | None  # its λ_peak
    doubled_factor: float | None  # that ÷ the proven rate


@dataclass(frozen=True)
class Asked:
    """What a search was asked for besides its scenario file; two that were asked otherwise are not compared."""

    overrides: tuple[str, ...]  # of the scenario file: dotted.key=value
    precision: float
    hold: Seconds | None  # of each rate at least, None: as long as its objectives need
    begin: PerSecond  # tried first
    highest: PerSecond  # nothing above is tried


@dataclass(frozen=True)
class CapacityJudgement:
    """Everything said about one capacity search."""

    scenario: str
    description: str
    seed: int
    created: str
    asked: Asked
    precision: float  # as asked for, or what rates of whole N allow
    on_speed_alone: bool  # what the system stored was not looked up
    stored: int | None  # registrants in the store, None where nobody knows
    ending: str  # an Ending, "interrupted", or why the harness could not go on
    verdict: Verdict  # of the scenario's ramps, worst first; INCONCLUSIVE when the search did not come to its end
    exit_code: int
    interval: CapacityInterval
    first_failing: str  # objective and step that failed at the lowest rate that failed
    limits: tuple[ProvenLimit, ...]
    knee: Knee | None
    saturation: Estimate | None  # throughput where it no longer follows what is offered, 1/s
    ramps: tuple[RampHeadroom, ...]
    registrants: Registrants | None
    model: ScalabilityLaw | Unidentified
    steps: tuple[MeasuredStep, ...]
    disclosures: tuple[str, ...]
    environment: dict[str, str]
    not_tested: tuple[str, ...]


def judge_limits(steps: Sequence[MeasuredStep]) -> tuple[ProvenLimit, ...]:
    """Return the highest rate proven for each published limit of the journey's p99.

    As in the search, the last look at a rate decides, a doubt takes back no failure, and above a rate that broke the
    limit, or failed at all that is no time, nothing is proven. Probes count for neither.
    """
    return tuple(ProvenLimit(limit, _proven_within(steps, limit)) for limit in P99_LIMITS)


def _proven_within(steps: Sequence[MeasuredStep], limit: Seconds) -> PerSecond | None:
    last: dict[PerSecond, MeasuredStep] = {}
    broken: set[PerSecond] = set()
    for step in steps:
        if step.purpose is Purpose.PROBE:
            continue
        last[step.rate] = step
        if limit in step.p99_proven:
            broken.discard(step.rate)
        elif _breaks(step, limit):
            broken.add(step.rate)
    ceiling = min(broken, default=math.inf)
    return max((rate for rate, step in last.items() if limit in step.p99_proven and rate < ceiling), default=None)


def _breaks(step: MeasuredStep, limit: Seconds) -> bool:
    return step.is_broken or (step.is_timed and step.p99 is not None and step.p99.low > limit)


def find_knee(steps: Sequence[MeasuredStep]) -> Knee | None:
    """Return where the median journey time leaves its flat part; None without a sound step that measured one.

    The last sound look at a rate counts; of the lower end that is its confirmation, the longest of all.
    """
    medians = {step.rate: step.p50.value for step in steps if step.is_sound and step.p50 and step.p50.n}
    if not medians:
        return None
    level = min(medians.values())
    bent = min((rate for rate, seconds in medians.items() if seconds > BENT * level), default=None)
    flat = [rate for rate, seconds in medians.items() if seconds <= BENT * level and (bent is None or rate < bent)]
    return Knee(level, max(flat), bent) if flat else None


def find_saturation(steps: Sequence[MeasuredStep]) -> Estimate | None:
    """Return the highest throughput among the sound steps in which the served fell behind the offered."""
    served = [step.served for step in steps if step.is_sound and step.is_lagging and step.served and step.served.n]
    return max(served, key=lambda estimate: estimate.value, default=None)


def has_throughput(steps: Sequence[MeasuredStep]) -> bool:
    """Tell whether any sound step measured a throughput, so that its not falling behind says something."""
    return any(step.is_sound and step.served is not None and step.served.n for step in steps)


def judge_ramps(scenario: Scenario, interval: CapacityInterval, stored: int | None) -> tuple[RampHeadroom, ...]:
    """Return what the interval, on a store of so many registrants, says of the rate of each ramp."""
    seconds = journey_seconds(scenario)
    plans = (plan_ramp(scenario, number, seconds) for number in range(1, len(scenario.ramps) + 1))
    return tuple(
        RampHeadroom(
            name=plan.name,
            registrants=plan.registrants,
            rate=plan.rate,
            verdict=_of_ramp(plan, interval, stored),
            proven=None if interval.passed is None else interval.passed / plan.rate - 1,
            refuted=None if interval.failed is None else interval.failed / plan.rate - 1,
        )
        for plan in plans
    )


def _of_ramp(plan: RampPlan, interval: CapacityInterval, stored: int | None) -> Verdict:
    """Return SUSTAINED below a confirmed lower end, on a store that was counted; NOT_SUSTAINED above the upper end.

    A failure says nothing of a ramp that asks for a smaller store, nor where this rate or a higher one passed as well.
    """
    if interval.passed is not None and plan.rate <= interval.passed * (1 + SAME):
        is_proven = interval.is_confirmed and stored is not None
        return Verdict.SUSTAINED if is_proven else Verdict.INCONCLUSIVE
    is_refuted = interval.failed is not None and plan.rate >= interval.failed * (1 - SAME)
    is_contested = any(rate >= plan.rate * (1 - SAME) for rate in interval.above_a_fail)
    is_fuller = stored is not None and stored > max(plan.registrants, plan.prefill)
    return Verdict.NOT_SUSTAINED if is_refuted and not is_contested and not is_fuller else Verdict.INCONCLUSIVE


def judge_registrants(scenario: Scenario, interval: CapacityInterval, stored: int | None) -> Registrants | None:
    """Return the registrants proven; None where nothing passed or the peak does not depend on N."""
    exact = None if interval.passed is None else demands.registrants_at(scenario.demand, interval.passed)
    if exact is None or interval.passed is None:
        return None
    by_rate = math.floor(exact * (1 + 1e-9))  # the rates tried are those of whole N
    proven = min(by_rate, stored or 0)
    if not proven:
        return Registrants(by_rate, stored, None, None, None, None)
    rate = demands.peak_rate(scenario.demand, 2 * proven)
    return Registrants(by_rate, stored, proven, 2 * proven, rate, rate / interval.passed)


def fit_model(steps: Sequence[MeasuredStep]) -> ScalabilityLaw | Unidentified:
    """Return the scalability law of the sound steps; a model, which proves nothing."""
    sound = [step for step in steps if step.is_sound and step.served is not None and step.served.n]
    return projection.fit([projection.Point(step.owed, step.served.value) for step in sound if step.served is not None])


def shape_of(law: ScalabilityLaw) -> tuple[Projected, Projected]:
    """Return contention α = b/a and crosstalk β = c/a with 99 % bounds; neither is below 0 by its meaning.

    The delta method on the fitted (a, b, c): var(b/a) = (V_bb − 2·α·V_ab + α²·V_aa) / a².
    """
    margin = student_quantile(1 - projection.ALPHA, law.freedom) * law.gamma.value
    cov = law.covariance

    def bounded(value: float, place: int) -> Projected:
        variance = cov[place][place] - 2 * value * cov[0][place] + value**2 * cov[0][0]
        error = margin * math.sqrt(max(0.0, variance))
        return Projected(value, max(0.0, value - error), max(0.0, value + error))

    return bounded(law.contention, 1), bounded(law.crosstalk, 2)


def first_failing(steps: Sequence[MeasuredStep], interval: CapacityInterval) -> str:
    """Return what failed first at the lowest rate that counts as failed, empty when nothing did."""
    failing = (step.failing for step in steps if step.rate == interval.failed and step.failing)
    return next(failing, ("",))[0]


def verdict_of(ending: str, ramps: Sequence[RampHeadroom], *, on_speed_alone: bool) -> Verdict:
    """Return the verdict of the search: what it says of the scenario's ramps, once it came to its end.

    On speed alone it is never SUSTAINED: the same evidence as a run leaves open whether anything was stored.
    """
    if ending not in {Ending.FOUND, Ending.CEILING, Ending.NOTHING_PASSES}:
        return Verdict.INCONCLUSIVE
    said = [ramp.verdict for ramp in ramps]
    return worst([*said, Verdict.INCONCLUSIVE] if on_speed_alone else said)


def interval_of(steps: Sequence[MeasuredStep]) -> CapacityInterval:
    """Return the interval that the steps prove."""
    return conclude([step.attempt for step in steps])
