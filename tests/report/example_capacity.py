"""A made-up capacity search with everything its page must be able to show; plausible numbers, not measured ones."""

from __future__ import annotations

import math
from pathlib import Path

from prakerja_load.judgement import carrying
from prakerja_load.judgement.capacity import Purpose
from prakerja_load.judgement.carrying import CapacityJudgement
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.measured import MeasuredStep
from prakerja_load.judgement.objective import P99_LIMITS
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.scenario import load

SCENARIO = Path(__file__).resolve().parent.parent.parent / "scenarios" / "ministry-ramp.toml"
CAPACITY = 640.0
LATE = "lateness: 40 ms, allowed: ≤ 10 ms"


def around(value: float) -> Estimate:
    return Estimate(value, value * 0.98, value * 1.02, 9_000, 3_000.0)


def step(number: int, rate: float, purpose: Purpose, verdict: Verdict, *, again: bool = False) -> MeasuredStep:
    """Return a step of a system that serves 640 registrants a second and slows down as it gets there."""
    share = min(rate / CAPACITY, 0.999)
    p50 = 0.11 * (1 + 0.4 * share / (1 - share))
    fails = verdict is Verdict.NOT_SUSTAINED
    is_late = verdict is Verdict.INCONCLUSIVE
    p99 = math.inf if fails and rate > 1.5 * CAPACITY else 1.6 * p50
    reason = f"journey time (elapsed to step 14 read-status), p99: {p99:.2f} s, limit 8 s"
    return MeasuredStep(
        number=number,
        purpose=purpose,
        is_repeat=again,
        run=f"20261124T08{number:02d}00Z-ministry-ramp-2020",
        rate=rate,
        hold=60.0,
        verdict=verdict,
        reasons=(LATE,) if is_late else (reason if fails else "every objective holds",),
        failing=(reason,) if fails else (),
        doubts=(LATE,) if is_late else (),
        is_timed=not is_late,
        is_sound=not is_late,
        is_broken=False,
        is_lagging=fails,
        served=around(min(rate, CAPACITY)),
        p50=around(p50),
        p95=around(1.3 * p50),
        p99=Estimate(math.inf, math.inf, math.inf, 9_000, 3_000.0) if math.isinf(p99) else around(p99),
        owed=rate * p50,
        p99_proven=() if verdict is not Verdict.SUSTAINED else tuple(one for one in P99_LIMITS if p99 * 1.02 <= one),
    )


def steps() -> tuple[MeasuredStep, ...]:
    good, open_, bad = Verdict
    widen, bisect, confirm, probe = Purpose
    return (
        step(1, 150.0, widen, good),
        step(2, 300.0, widen, good),
        step(3, 600.0, widen, good),
        step(4, 1200.0, widen, bad),
        step(5, 1200.0, widen, bad, again=True),
        step(6, 848.5, bisect, bad),
        step(7, 848.5, bisect, bad, again=True),
        step(8, 713.5, bisect, open_),
        step(9, 713.5, bisect, open_, again=True),
        step(10, 654.3, bisect, bad),
        step(11, 654.3, bisect, bad, again=True),
        step(12, 626.6, bisect, bad),
        step(13, 626.6, bisect, good, again=True),
        step(14, 626.6, confirm, good),
        step(15, 817.9, probe, good),
    )


def judged(made: tuple[MeasuredStep, ...] | None = None, ending: str = "found") -> CapacityJudgement:
    """Return what a search with these steps shows of the ministry's ramps."""
    made = steps() if made is None else made
    scenario = load(SCENARIO)
    interval = carrying.interval_of(made)
    ramps = carrying.judge_ramps(scenario, interval, 2_000_000)
    verdict = carrying.verdict_of(ending, ramps, on_speed_alone=False)
    return CapacityJudgement(
        scenario=scenario.name,
        description=scenario.description,
        seed=2020,
        created="2026-11-24T08:00:00Z",
        asked=carrying.Asked((), 0.05, None, 150.0, math.inf),
        precision=0.05,
        on_speed_alone=False,
        stored=2_000_000,
        ending=ending,
        verdict=verdict,
        exit_code=verdict.exit_code,
        interval=interval,
        first_failing=carrying.first_failing(made, interval),
        limits=carrying.judge_limits(made),
        knee=carrying.find_knee(made),
        saturation=carrying.find_saturation(made),
        ramps=ramps,
        registrants=carrying.judge_registrants(scenario, interval, 2_000_000),
        model=carrying.fit_model(made),
        steps=made,
        disclosures=("think time × 0.005", "generator and system on one machine"),
        environment={"machine": "x86_64", "cores": "2"},
        not_tested=("the networks between citizens and the system",),
    )
