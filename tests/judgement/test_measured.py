"""One step of a capacity search: what of a ramp's judgement decides it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prakerja_load.judgement.capacity import Next, Purpose
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.measured import MeasuredStep, measure
from prakerja_load.judgement.verdict import (
    Counts,
    Finding,
    Integrity,
    ObjectiveResult,
    RampJudgement,
    StepRow,
    Verdict,
    combine,
)

GOOD, OPEN, BAD = Verdict
LATE = Finding("lateness", "accusing", False, "40 ms", "≤ 10 ms")
SHORT = Finding("warm-up", "flattering", False, "3 s", "at least 4 s")
STEP = Next(100.0, Purpose.BISECT, is_repeat=True)


def around(value: float) -> Estimate:
    return Estimate(value, 0.9 * value, 1.1 * value, 1_000, 1_000.0)


def objective(name: str, kind: str, unit: str, verdict: Verdict) -> ObjectiveResult:
    return ObjectiveResult(name, kind, 1.0, unit, around(1.0), verdict, "reason")


def ramp(*findings: Finding, integrity: Verdict = GOOD, **verdicts: Verdict) -> RampJudgement:
    objectives = (
        objective("arrivals judged", "sample", "arrivals", verdicts.get("sample", GOOD)),
        objective("time judged", "sample", "s", GOOD),
        objective("elapsed to step 2 log-in, p99", "timing", "s", verdicts.get("early", GOOD)),
        objective("elapsed to step 5 identity, p99", "timing", "s", verdicts.get("time", GOOD)),
        objective("success of step 5 identity", "success", "ratio", verdicts.get("success", GOOD)),
        objective("backlog growth", "backlog", "ratio", verdicts.get("backlog", GOOD)),
    )
    found = Integrity(9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, integrity, ("2 writes (lost)",) if integrity is BAD else ())
    verdict, reasons = combine((Finding("data", "flattering", True, "", ""), *findings), objectives, found)
    return RampJudgement(
        number=1,
        name="a",
        registrants=6_000,
        claim="peak",
        rate=100.0,
        hold=60.0,
        verdict=verdict,
        sentence="",
        reasons=reasons,
        counts=Counts(6_000, 6_000, 6_000, 6_000),
        integrity=found,
        findings=(Finding("data", "flattering", True, "", ""), *findings),
        objectives=objectives,
        journey=StepRow(0, "journey", True, 9, {}, {name: around(0.2) for name in ("p50", "p95", "p99")}, {}, {}, None),
        throughput=around(99.0),
        p99_kept=(0.25, 0.5, 1.0, 2.0),
        owed=20.0,
    )


def test_a_step_keeps_what_the_search_and_the_curve_need() -> None:
    step = measure(7, STEP, ramp(), "run-7")

    assert (step.number, step.purpose, step.is_repeat, step.run) == (7, Purpose.BISECT, True, "run-7")
    assert (step.rate, step.hold, step.verdict, step.owed) == (100.0, 60.0, GOOD, 20.0)
    assert step.served == around(99.0)
    assert step.p50 == step.p95 == step.p99 == around(0.2)
    assert step.p99_proven == (0.25, 0.5, 1.0, 2.0)
    assert (step.failing, step.doubts, step.is_timed, step.is_lagging) == ((), (), True, False)
    assert (step.attempt.rate, step.attempt.verdict, step.attempt.purpose) == (100.0, GOOD, Purpose.BISECT)


def test_what_failed_first_is_the_first_step_of_the_journey_that_failed() -> None:
    step = measure(1, STEP, ramp(time=BAD, backlog=BAD), "run")

    assert step.failing == ("elapsed to step 5 identity, p99: reason", "backlog growth: reason")
    assert step.is_lagging


def test_lost_writes_fail_before_all_else() -> None:
    step = measure(1, STEP, ramp(time=BAD, integrity=BAD), "run")

    assert step.failing[0] == "integrity: 2 writes (lost)"
    assert step.p99_proven == ()


@pytest.mark.parametrize(
    ("judged", "proven"),
    [
        (ramp(time=BAD), True),  # only a limit of the scenario's own is missed
        (ramp(early=OPEN), True),
        (ramp(success=BAD), False),
        (ramp(sample=OPEN), False),
        (ramp(backlog=OPEN), False),
        (ramp(integrity=OPEN), False),
        (ramp(SHORT), False),
        (ramp(LATE), False),
    ],
)
def test_a_limit_is_proven_only_where_all_that_is_no_limit_of_time_holds(judged: RampJudgement, proven: bool) -> None:
    assert bool(measure(1, STEP, judged, "run").p99_proven) is proven


def test_an_unsound_generator_decides_nothing_and_is_named() -> None:
    step = measure(1, STEP, ramp(LATE, time=BAD), "run")

    assert step.verdict is OPEN
    assert step.is_generator_bound
    assert not step.is_timed
    assert step.doubts == ("lateness: 40 ms, allowed: ≤ 10 ms",)


def test_a_short_warm_up_is_no_fault_of_the_generator() -> None:
    step = measure(1, STEP, ramp(SHORT), "run")

    assert step.verdict is OPEN
    assert step.is_timed
    assert not step.is_generator_bound


def test_a_run_of_which_nothing_is_known_was_not_timed() -> None:
    step = measure(1, STEP, replace(ramp(), findings=(), journey=None, verdict=OPEN), "run")

    assert not step.is_timed
    assert step.p50 is None


def test_on_speed_alone_what_was_not_looked_up_is_forgiven_and_what_was_lost_is_not() -> None:
    assert measure(1, STEP, ramp(integrity=OPEN), "run").verdict is OPEN
    assert measure(1, STEP, ramp(integrity=OPEN), "run", on_speed_alone=True).verdict is GOOD
    assert measure(1, STEP, ramp(integrity=BAD), "run", on_speed_alone=True).verdict is BAD
    assert measure(1, STEP, ramp(LATE, integrity=OPEN), "run", on_speed_alone=True).verdict is OPEN


def test_a_step_is_a_value() -> None:
    assert measure(1, STEP, ramp(), "run") == measure(1, STEP, ramp(), "run")
    assert isinstance(measure(1, STEP, ramp(), "run"), MeasuredStep)
