"""Trials that send nothing: a system of known capacity answers as its formula says, through the real scenario."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from prakerja_load.clock import Clock, VirtualClock
from prakerja_load.evidence.progress import Progress
from prakerja_load.judgement.capacity import CapacityInterval, Next
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.measured import MeasuredStep
from prakerja_load.judgement.objective import P99_LIMITS
from prakerja_load.judgement.verdict import (
    Counts,
    Finding,
    Integrity,
    ObjectiveResult,
    RampJudgement,
    RunJudgement,
    StepRow,
    Verdict,
    combine,
    exit_code,
    worst,
)
from prakerja_load.report.live import Live
from prakerja_load.scenario import load, plan_ramp
from prakerja_load.trial.run import Order, Standing

SERVICE = 0.02  # seconds, of one registrant alone


def exactly(value: float) -> Estimate:
    return Estimate(value, value, value, 1_000, 1_000.0)


def clean(count: int, *, is_verified: bool = True) -> Integrity:
    verdict = Verdict.SUSTAINED if is_verified else Verdict.INCONCLUSIVE
    reasons = () if is_verified else (f"{count} writes unverified: no export of what is stored",)
    unverified = 0 if is_verified else count
    return Integrity(count, count, 0, 0, 0, 0, 0, 0, 0, 0, unverified, 0, verdict, reasons, is_whole=is_verified)


class OracleTrial:
    """Judges a rate by the queue M/D/1 with this capacity: times grow as it is approached, then without end."""

    def __init__(self, capacity: float, limit: float = 1.0) -> None:
        self.capacity = capacity
        self.limit = limit  # of the journey's p99
        self.orders: list[Order] = []
        self.standings: list[tuple[Path | None, int]] = []  # folder, first person not yet used
        self.is_sound: Callable[[float], bool] = lambda _: True
        self.is_verified = True
        self.before: Callable[[int], None] = lambda _: None

    def __call__(self, order: Order, display: Live, clock: Clock | None, *, standing: Standing | None) -> RunJudgement:
        self.before(len(self.orders) + 1)
        assert standing is not None
        assert isinstance(clock, VirtualClock)
        clock.advance(60_000_000_000)
        self.orders.append(order)
        self.standings.append((standing.folder, standing.next_person))
        scenario = load(order.scenario, order.settings)
        (order.reports / f"{clock.wall():%Y%m%dT%H%M%SZ}-{scenario.name}").mkdir()
        display.progress(Progress(ramp="step", phase="holding", elapsed=1, remaining=1))
        plan = plan_ramp(scenario, 1)
        display.message("words that are not for the search's reader")
        ramp = self.judge(plan.rate, plan.hold, plan.count, plan.registrants)
        return RunJudgement(
            scenario.name, "", "k1", 1, "", ramp.verdict, exit_code([ramp.verdict]), (ramp,), {"machine": "oracle"}
        )

    def judge(self, rate: float, hold: float, count: int, registrants: int) -> RampJudgement:
        load_share = rate / self.capacity
        is_over = load_share > 1
        wait = SERVICE * load_share / (2 * (1 - load_share)) if load_share < 1 else math.inf
        p50, p99 = SERVICE + wait, SERVICE + 4.6 * wait
        times = {name: exactly(value) for name, value in (("p50", p50), ("p95", p99 / 1.5), ("p99", p99))}
        findings = (Finding("lateness", "accusing", self.is_sound(rate), "40 ms", "≤ 10 ms"),)
        is_slow = Verdict.NOT_SUSTAINED if p99 > self.limit else Verdict.SUSTAINED
        is_behind = Verdict.NOT_SUSTAINED if is_over else Verdict.SUSTAINED
        objectives = (
            ObjectiveResult("arrivals judged", "sample", 1, "arrivals", exactly(count), Verdict.SUSTAINED, "enough"),
            ObjectiveResult("elapsed to step 1 ask, p99", "timing", self.limit, "s", times["p99"], is_slow, "limit"),
            ObjectiveResult("backlog growth", "backlog", 0.01, "ratio", exactly(0.0), is_behind, "falls behind"),
        )
        integrity = clean(count, is_verified=self.is_verified)
        verdict, reasons = combine(findings, objectives, integrity)
        return RampJudgement(
            number=1,
            name="step",
            registrants=registrants,
            claim="peak",
            rate=rate,
            hold=hold,
            verdict=worst([verdict]),
            sentence="",
            reasons=reasons,
            counts=Counts(count, count, count, count),
            integrity=integrity,
            findings=findings,
            objectives=objectives,
            journey=StepRow(0, "journey", True, count, {}, times, {}, {}, None),
            throughput=exactly(min(rate, self.capacity)),
            disclosures=("think time × 0.005",),
            p99_kept=tuple(limit for limit in P99_LIMITS if p99 <= limit),
            owed=rate * min(p50, 30.0),
        )


class Listener:
    """Whoever watches, for a test to ask afterwards."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.begun: list[tuple[Next, float, float]] = []
        self.measured: list[MeasuredStep] = []
        self.intervals: list[CapacityInterval] = []
        self.seconds = 0

    def progress(self, p: Progress) -> None:
        self.seconds += 1

    def message(self, text: str) -> None:
        self.said.append(text)

    def step_begins(self, number: int, step: Next, rate: float, hold: float) -> None:
        assert number == len(self.begun) + 1
        self.begun.append((step, rate, hold))

    def step_measured(self, step: MeasuredStep, interval: CapacityInterval) -> None:
        self.measured.append(step)
        self.intervals.append(interval)
