"""One step of a capacity search: what of a ramp's judgement decides it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prakerja_load.judgement.capacity import Next, Purpose
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.integrity import NO_EXPORT, NOTHING_WRITTEN, unverified
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
    harm = ("2 writes (lost)",) if integrity is BAD else ()
    found = Integrity(9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, integrity, harm, is_whole=True)
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

    assert step.is_broken
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


@pytest.mark.parametrize(
    ("judged", "broken"),
    [
        (ramp(), False),
        (ramp(time=BAD), False),  # a limit of time: the table has its own
        (ramp(success=BAD), True),
        (ramp(backlog=BAD), True),
        (ramp(success=OPEN), False),
        (ramp(integrity=BAD), True),
        (ramp(SHORT, success=BAD), True),
        (ramp(LATE, success=BAD), False),  # a late generator may have caused it
        (ramp(LATE, integrity=BAD), True),
    ],
)
def test_a_step_is_broken_by_what_fails_at_any_limit_of_time(judged: RampJudgement, broken: bool) -> None:
    assert measure(1, STEP, judged, "run").is_broken is broken


def test_of_a_late_generator_what_no_lateness_causes_still_breaks() -> None:
    judged = ramp(LATE, success=BAD)
    certain = tuple(replace(one, untimed=one.verdict) for one in judged.objectives)

    assert measure(1, STEP, replace(judged, objectives=certain), "run").is_broken


def test_flattering_doubts_leave_a_step_timed_and_unsound() -> None:
    short = measure(1, STEP, ramp(SHORT), "run")

    assert (short.is_timed, short.is_sound) == (True, False)
    assert measure(1, STEP, ramp(), "run").is_sound
    assert not measure(1, STEP, replace(ramp(), findings=()), "run").is_sound


def test_a_short_warm_up_is_no_fault_of_the_generator() -> None:
    step = measure(1, STEP, ramp(SHORT), "run")

    assert step.verdict is OPEN
    assert step.is_timed
    assert not step.is_generator_bound


def test_a_run_of_which_nothing_is_known_was_not_timed() -> None:
    step = measure(1, STEP, replace(ramp(), findings=(), journey=None, verdict=OPEN), "run")

    assert not step.is_timed
    assert step.p50 is None


def with_integrity(judged: RampJudgement, *reasons: str, **changes: int) -> RampJudgement:
    """Return a ramp whose integrity is INCONCLUSIVE for these reasons."""
    found = replace(judged.integrity, verdict=OPEN, reasons=reasons, **changes)
    verdict, why = combine(judged.findings, judged.objectives, found)
    return replace(judged, integrity=found, verdict=verdict, reasons=why)


UNASKED = f"9 writes unverified: {NO_EXPORT}"


def test_on_speed_alone_what_was_not_looked_up_is_forgiven_and_what_was_lost_is_not() -> None:
    unasked = with_integrity(ramp(), UNASKED, verified=0, unverified=9)

    assert measure(1, STEP, unasked, "run").verdict is OPEN
    assert measure(1, STEP, unasked, "run", on_speed_alone=True).verdict is GOOD
    assert (
        measure(1, STEP, with_integrity(ramp(), UNASKED, NOTHING_WRITTEN), "run", on_speed_alone=True).verdict is GOOD
    )
    assert measure(1, STEP, ramp(integrity=BAD), "run", on_speed_alone=True).verdict is BAD
    assert measure(1, STEP, with_integrity(ramp(LATE), UNASKED), "run", on_speed_alone=True).verdict is OPEN


@pytest.mark.parametrize(
    "reason",
    [
        "9 writes unverified: the file is cut off: unexpected end",
        "9 writes unverified: judging this crashed: KeyError: 'kind'",
        "the ledger names arrivals 0 to 9 of a ramp of 5",
        "2 writes unverified: of steps that were not looked up",
    ],
)
def test_on_speed_alone_an_export_that_was_cut_off_and_a_crash_are_not_forgiven(reason: str) -> None:
    for reasons in ((reason,), (UNASKED, reason)):
        step = measure(1, STEP, with_integrity(ramp(), *reasons), "run", on_speed_alone=True)

        assert step.verdict is OPEN
        assert step.p99_proven == ()
        assert reason in "; ".join(step.reasons)
    assert measure(1, STEP, with_integrity(ramp()), "run", on_speed_alone=True).verdict is OPEN


@pytest.mark.parametrize(("in_doubt", "verdict"), [(10, GOOD), (11, OPEN)])
def test_on_speed_alone_as_many_writes_may_be_in_doubt_as_may_fail(in_doubt: int, verdict: Verdict) -> None:
    judged = ramp()
    limits = {"success": 0.999}
    judged = replace(
        judged, objectives=tuple(replace(one, limit=limits.get(one.kind, one.limit)) for one in judged.objectives)
    )
    doubtful = with_integrity(judged, UNASKED, acknowledged=10_000 - in_doubt, in_doubt=in_doubt, unverified=10_000)

    step = measure(1, STEP, doubtful, "run", on_speed_alone=True)

    assert step.verdict is verdict
    assert ("11 writes in doubt" in "".join(step.reasons)) is (verdict is OPEN)


def test_on_speed_alone_a_ramp_that_could_not_be_judged_says_why() -> None:
    crashed = replace(
        ramp(), findings=(), objectives=(), integrity=unverified("crash"), verdict=OPEN, reasons=("crash",)
    )

    step = measure(1, STEP, crashed, "run", on_speed_alone=True)

    assert (step.verdict, step.is_timed, step.reasons) == (OPEN, False, crashed.reasons)


def test_a_step_is_a_value() -> None:
    assert measure(1, STEP, ramp(), "run") == measure(1, STEP, ramp(), "run")
    assert isinstance(measure(1, STEP, ramp(), "run"), MeasuredStep)
