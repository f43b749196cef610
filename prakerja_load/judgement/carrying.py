"""What a capacity search shows: the interval, the rate for each limit, the knee, headroom, registrants, the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prakerja_load.arrivals import demand as demands
from prakerja_load.judgement import projection
from prakerja_load.judgement.capacity import CapacityInterval, Ending, conclude
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.measured import MeasuredStep
from prakerja_load.judgement.objective import P99_LIMITS
from prakerja_load.judgement.projection import ScalabilityLaw, Unidentified
from prakerja_load.judgement.ramp import journey_seconds
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
    """How many registrants are proven at the scenario's peak, and what twice as many would need."""

    by_rate: int  # N whose λ_peak is the proven rate
    stored: int | None  # registrants in the store while it was proven, None where nobody knows
    proven: int  # the smaller of the two
    doubled: int  # 2 · proven
    doubled_rate: PerSecond  # its λ_peak
    doubled_factor: float  # that ÷ the proven rate


@dataclass(frozen=True)
class CapacityJudgement:
    """Everything said about one capacity search."""

    scenario: str
    description: str
    seed: int
    created: str
    precision: float
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

    As in the search, the last look at a rate decides, and above a rate that broke the limit nothing is proven.
    """
    return tuple(ProvenLimit(limit, _proven_within(steps, limit)) for limit in P99_LIMITS)


def _proven_within(steps: Sequence[MeasuredStep], limit: Seconds) -> PerSecond | None:
    last = {step.rate: step for step in steps}
    broken = (rate for rate, step in last.items() if step.is_timed and step.p99 and step.p99.low > limit)
    ceiling = min(broken, default=math.inf)
    return max((rate for rate, step in last.items() if limit in step.p99_proven and rate < ceiling), default=None)


def find_knee(steps: Sequence[MeasuredStep]) -> Knee | None:
    """Return where the median journey time leaves its flat part; None without a sound step that measured one.

    The last sound look at a rate counts; of the lower end that is its confirmation, the longest of all.
    """
    medians = {step.rate: step.p50.value for step in steps if step.is_timed and step.p50 and step.p50.n}
    if not medians:
        return None
    level = min(medians.values())
    bent = min((rate for rate, seconds in medians.items() if seconds > BENT * level), default=None)
    flat = [rate for rate, seconds in medians.items() if seconds <= BENT * level and (bent is None or rate < bent)]
    return Knee(level, max(flat), bent) if flat else None


def find_saturation(steps: Sequence[MeasuredStep]) -> Estimate | None:
    """Return the highest throughput among the sound steps in which the served fell behind the offered."""
    served = [step.served for step in steps if step.is_timed and step.is_lagging and step.served and step.served.n]
    return max(served, key=lambda estimate: estimate.value, default=None)


def judge_ramps(scenario: Scenario, interval: CapacityInterval) -> tuple[RampHeadroom, ...]:
    """Return what the interval says of the rate of each ramp."""
    seconds = journey_seconds(scenario)
    plans = (plan_ramp(scenario, number, seconds) for number in range(1, len(scenario.ramps) + 1))
    return tuple(
        RampHeadroom(
            name=plan.name,
            registrants=plan.registrants,
            rate=plan.rate,
            verdict=_of_rate(plan.rate, interval),
            proven=None if interval.passed is None else interval.passed / plan.rate - 1,
            refuted=None if interval.failed is None else interval.failed / plan.rate - 1,
        )
        for plan in plans
    )


def _of_rate(rate: PerSecond, interval: CapacityInterval) -> Verdict:
    if interval.passed is not None and rate <= interval.passed * (1 + SAME):
        return Verdict.SUSTAINED
    is_refuted = interval.failed is not None and rate >= interval.failed * (1 - SAME)
    return Verdict.NOT_SUSTAINED if is_refuted else Verdict.INCONCLUSIVE


def judge_registrants(scenario: Scenario, interval: CapacityInterval, stored: int | None) -> Registrants | None:
    """Return the registrants proven; None where nothing passed or the peak does not depend on N."""
    exact = None if interval.passed is None else demands.registrants_at(scenario.demand, interval.passed)
    if exact is None or interval.passed is None:
        return None
    by_rate = math.floor(exact * (1 + 1e-9))  # the rates tried are those of whole N
    proven = by_rate if stored is None else min(by_rate, stored)
    rate = demands.peak_rate(scenario.demand, 2 * proven)
    return Registrants(by_rate, stored, proven, 2 * proven, rate, rate / interval.passed)


def fit_model(steps: Sequence[MeasuredStep]) -> ScalabilityLaw | Unidentified:
    """Return the scalability law of the sound steps; a model, which proves nothing."""
    timed = [step for step in steps if step.is_timed and step.served is not None and step.served.n]
    return projection.fit([projection.Point(step.owed, step.served.value) for step in timed if step.served is not None])


def first_failing(steps: Sequence[MeasuredStep], interval: CapacityInterval) -> str:
    """Return what failed first at the lowest rate that counts as failed, empty when nothing did."""
    failing = (step.failing for step in steps if step.rate == interval.failed and step.failing)
    return next(failing, ("",))[0]


def verdict_of(ending: str, ramps: Sequence[RampHeadroom]) -> Verdict:
    """Return the verdict of the search: what it says of the scenario's ramps, once it came to its end."""
    is_over = ending in {Ending.FOUND, Ending.CEILING, Ending.NOTHING_PASSES}
    return worst(ramp.verdict for ramp in ramps) if is_over else Verdict.INCONCLUSIVE


def interval_of(steps: Sequence[MeasuredStep]) -> CapacityInterval:
    """Return the interval that the steps prove."""
    return conclude([step.attempt for step in steps])
