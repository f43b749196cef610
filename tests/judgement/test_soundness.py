"""Each check of soundness sees what it is there for, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import CURVE, OPTIONS, Ramp, controller_vitals, parse

from prakerja_load.evidence.journal import Kind
from prakerja_load.evidence.sample import SAMPLE, VITAL
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement import soundness
from prakerja_load.judgement.case import Case, open_case
from prakerja_load.judgement.rule import Rule, Seen
from prakerja_load.judgement.soundness import RULES, judge_soundness
from prakerja_load.judgement.verdict import Finding
from prakerja_load.scenario.values import JourneyFile
from prakerja_load.units import SECOND_NS


def case_of(ramp: Ramp, folder: Path) -> Case:
    return open_case(ramp.evidence(folder), ramp.scenario, ramp.plan, make_journey(OPTIONS).steps, ramp.plan.prefill)


def broken(case: Case) -> set[str]:
    return {finding.rule for finding in judge_soundness(case) if not finding.holds}


def unsteady() -> Ramp:
    ramp = Ramp()
    ramp.service[ramp.due < 15] *= 4
    return ramp


def late(seconds: float) -> Ramp:
    ramp = Ramp()
    ramp.lateness[::50] = seconds  # 2 %
    return ramp


CASES: dict[str, tuple[Callable[[], Ramp], set[str]]] = {
    "nothing is wrong": (Ramp, set()),
    "two workers": (lambda: Ramp(workers=2), set()),
    "dropped arrivals": (lambda: Ramp(dropped=slice(0, 1)), {"dropped arrivals"}),
    "a journey in flight": (lambda: Ramp().fail(4, slice(9, 10), Outcome.IN_FLIGHT), {"in flight at the end"}),
    "a lost worker": (
        lambda: Ramp(unrecorded=slice(6_000, 6_500), worker={"state": "lost"}),
        {"arrivals accounted for", "workers"},
    ),
    "a worker without a report": (
        lambda: Ramp(controller={"workers": []}),
        {"workers", "records complete", "reports merged"},
    ),
    "an interrupt": (lambda: Ramp(controller={"interrupted": True}), {"uninterrupted"}),
    "an abort": (lambda: Ramp(controller={"stopped": "abort_on"}), {"uninterrupted"}),
    "arrivals held back": (lambda: Ramp(controller={"issued": 6_499}), {"arrivals issued"}),
    "arrivals not started": (lambda: Ramp(controller={"not_started": 2}), {"arrivals issued"}),
    "a report lost": (lambda: Ramp(controller={"merged_samples": 25_999}), {"reports merged"}),
    "samples cut off": (lambda: Ramp(worker={"samples": 26_001}), {"records complete", "reports merged"}),
    "ledger cut off": (lambda: Ramp(worker={"ledger": 13_001}), {"records complete"}),
    "another schedule": (lambda: Ramp(digest="0" * 32), {"schedule kept"}),
    "a short warm-up": (lambda: Ramp(scenario=parse("load.warm_up=100ms")), {"warm-up"}),
    "late arrivals": (lambda: late(0.3), {"lateness"}),
    "late arrivals within the limit": (lambda: late(0.14), set()),
    "a busy generator": (lambda: Ramp(cpu=0.81), {"generator CPU"}),
    "a generator busy up to the limit": (lambda: Ramp(cpu=0.8), set()),
    "a slow loop": (lambda: Ramp(loop_lag=0.2), {"event-loop lag"}),
    "a loop with short delays only": (lambda: Ramp(loop_lag=0.1), set()),
    "long pauses": (lambda: Ramp(gc_pause=0.2), {"garbage-collection pauses"}),
    "clocks apart": (lambda: Ramp(worker={"clock_error": -0.2}), {"clock offset"}),
    "a full disk": (
        lambda: Ramp(controller={"stopped": "result disk full"}),
        {"uninterrupted", "result disk"},
    ),
    "a full disk of a worker": (lambda: Ramp(worker={"reason": "No space left on device"}), {"result disk"}),
    "no port left": (lambda: Ramp(worker={"exhausted": 1}), {"connections to spare"}),
    "gauges that disagree": (lambda: Ramp(gauge=1.2), {"Little's law"}),
    "gauges that agree roughly": (lambda: Ramp(gauge=1.05), set()),
    "another regime at first": (unsteady, {"steady from the start"}),
    "strangers": (lambda: Ramp(controller={"foreign_messages": 3}), {"foreign reports refused"}),
    "a ramp left open": (lambda: Ramp(is_closed=False), {"closed"}),
    "a killed run": (
        lambda: Ramp(controller=None, is_closed=False),
        {"controller record", "workers", "arrivals issued", "records complete", "closed"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_check_fails_for_its_own_reason_only(name: str, tmp_path: Path) -> None:
    make, expected = CASES[name]

    assert broken(case_of(make(), tmp_path)) == expected


@pytest.mark.parametrize(("stored", "holds"), [(600_000, True), (600_007, True), (599_999, False), (None, False)])
def test_a_store_that_held_less_than_is_said_flatters(tmp_path: Path, stored: int | None, holds: bool) -> None:
    case = replace(case_of(Ramp(), tmp_path), stored_before=stored)

    assert ("store filled" in broken(case)) is not holds


def test_no_data_holds_back_every_claim(tmp_path: Path) -> None:
    case = case_of(Ramp(unrecorded=slice(0, None)), tmp_path)

    assert broken(case) == {"data", "arrivals accounted for"}


def test_late_steps_inside_a_journey_are_seen(tmp_path: Path) -> None:
    ramp = Ramp()
    case = case_of(ramp, tmp_path)
    samples = case.history.samples
    samples["started"][samples["step"] == 3] += SECOND_NS // 5

    assert "lateness of later steps" in broken(case)


def test_a_torn_segment_is_seen(tmp_path: Path) -> None:
    ramp = Ramp()
    ramp.write(tmp_path)
    with (tmp_path / "worker-0" / Kind.SAMPLES.file_name).open("ab") as file:
        file.write(b"PLSG half a frame")

    findings = {finding.rule: finding for finding in judge_soundness(_reopened(ramp, tmp_path))}

    assert not findings["records complete"].holds
    assert "torn: worker-0/samples.seg" in findings["records complete"].observed


def test_a_missing_segment_is_seen(tmp_path: Path) -> None:
    ramp = Ramp(workers=2)
    ramp.write(tmp_path)
    (tmp_path / "worker-1" / Kind.VITALS.file_name).unlink()

    assert {"records complete", "vitals"} <= broken(_reopened(ramp, tmp_path))


def _reopened(ramp: Ramp, folder: Path) -> Case:
    from prakerja_load.evidence.ramp import load_ramp

    return open_case(load_ramp(folder), ramp.scenario, ramp.plan, make_journey(OPTIONS).steps, ramp.plan.prefill)


def test_records_of_another_ramp_are_seen(tmp_path: Path) -> None:
    ramp = Ramp()
    evidence = ramp.evidence(tmp_path)
    stranger = np.zeros(1, SAMPLE)
    stranger["index"] = ramp.plan.count
    evidence = replace(evidence, samples=np.concatenate([evidence.samples, stranger]))

    assert "records of this ramp only" in broken(
        open_case(evidence, ramp.scenario, ramp.plan, make_journey(OPTIONS).steps, ramp.plan.prefill)
    )


def test_an_arrival_due_at_another_time_is_seen(tmp_path: Path) -> None:
    ramp = Ramp()
    evidence = ramp.evidence(tmp_path)
    moved = evidence.arrivals.copy()
    moved["intended"][7] += 2_000
    evidence = replace(evidence, arrivals=moved)

    assert broken(open_case(evidence, ramp.scenario, ramp.plan, make_journey(OPTIONS).steps, ramp.plan.prefill)) == {
        "schedule kept"
    }


def test_cpu_is_seen_over_any_ten_seconds_of_the_judged_window_only(tmp_path: Path) -> None:
    evidence = Ramp().evidence(tmp_path)
    vitals = evidence.vitals[0]
    for first, is_seen in ((0, False), (20, True)):
        busy = vitals.copy()
        busy["cpu"][first : first + (5 if first == 0 else 10)] = 1.0
        case = open_case(
            replace(evidence, vitals={0: busy}), parse(), Ramp().plan, make_journey(OPTIONS).steps, 600_000
        )
        assert ("generator CPU" in broken(case)) is is_seen


def test_the_controller_may_be_what_is_busy(tmp_path: Path) -> None:
    vitals = controller_vitals(65, range(10, 30), cpu=0.9)

    assert broken(case_of(Ramp(controller={"vitals": vitals}), tmp_path)) == {"generator CPU"}


def test_the_controller_may_be_busy_outside_the_judged_window(tmp_path: Path) -> None:
    """Filling the store and winding up are no matter of the times that were judged: 5 s to 65 s."""
    before = [{"at": second * SECOND_NS, "cpu": 0.9} for second in range(-20, 1)]
    vitals = before + controller_vitals(90, (*range(1, 6), *range(66, 90)), cpu=0.9)

    assert broken(case_of(Ramp(controller={"vitals": vitals}), tmp_path)) == set()


@pytest.mark.parametrize(("name", "rule"), [("loop_lag", "event-loop lag"), ("gc_pause", "garbage-collection pauses")])
@pytest.mark.parametrize(("seconds", "first", "is_seen"), [(1.2, 30, True), (0.9, 30, False), (1.2, 66, False)])
def test_a_controller_that_stands_still_for_more_than_a_second_is_seen(
    name: str, rule: str, seconds: float, first: int, is_seen: bool, tmp_path: Path
) -> None:
    """Arrivals are leased 2.5 s ahead: what is shorter makes nobody late, nor does what is outside 5 s to 65 s."""
    vitals = controller_vitals(70, (first, first + 1), **{name: seconds})

    assert broken(case_of(Ramp(controller={"vitals": vitals}), tmp_path)) == ({rule} if is_seen else set())


OWN = """
from prakerja_load.journey.own import OwnJourney
from prakerja_load.journey.step import Step

class Mine(OwnJourney):
    name = "mine"
    steps = (Step(1, "a"), Step(2, "b"))
    refusals = {refusals}

    def play(self, registrant, browser):
        yield from browser.get(self.steps[0], "/")
"""


def refusing(folder: Path, every: int, refusals: float) -> Finding:
    """Return what is found where every so many registrants are told a no, and so large a share is declared."""
    ramp = Ramp()
    indices = np.arange(0, ramp.plan.count, every) if every else np.empty(0, np.int64)
    case = case_of(ramp.fail(2, indices, Outcome.REJECTED, 0.02), folder)
    file = JourneyFile("mine.py", OWN.format(refusals=refusals))
    journey = ramp.scenario.journey.model_copy(update={"file": file, "name": "mine"})
    own = replace(case, scenario=ramp.scenario.model_copy(update={"journey": journey}))
    return next(finding for finding in judge_soundness(own) if finding.rule == "refusals")


@pytest.mark.parametrize(
    ("every", "refusals", "holds"),
    [(0, 0.0, True), (50, 0.0, False), (50, 0.02, True), (50, 0.01, False), (1, 1, True)],
)
def test_an_own_journey_that_is_refused_more_often_than_it_declares_flatters(
    every: int, refusals: float, holds: bool, tmp_path: Path
) -> None:
    finding = refusing(tmp_path, every, refusals)

    assert (finding.kind, finding.holds) == ("flattering", holds)


def test_what_is_refused_is_told_beside_what_was_declared(tmp_path: Path) -> None:
    finding = refusing(tmp_path, 50, 0.0)

    assert finding.observed.startswith("2 % of 6 0")
    assert finding.allowed == "≤ 0 %"


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_worker_with_more_connections_than_registrants_is_seen(beyond: int, tmp_path: Path) -> None:
    """Those of one second's arrivals may still be closing."""
    ramp = Ramp()
    evidence = ramp.evidence(tmp_path)
    vitals = evidence.vitals[0].copy()
    vitals["sockets"][40] = ramp.scenario.load.in_flight_limit + int(np.ceil(ramp.plan.rate)) + beyond
    case = open_case(
        replace(evidence, vitals={0: vitals}), ramp.scenario, ramp.plan, make_journey(OPTIONS).steps, ramp.plan.prefill
    )

    assert broken(case) == ({"open sockets"} if beyond else set())


@pytest.mark.parametrize(("seen", "is_enough"), [(53, True), (52, False)])
def test_nine_seconds_in_ten_of_a_worker_must_be_seen(seen: int, *, is_enough: bool, tmp_path: Path) -> None:
    """Of 60 judged seconds 90 % less the one that is cut by the window's edge."""
    evidence = Ramp().evidence(tmp_path)
    judged = np.flatnonzero((evidence.vitals[0]["at"] > 5 * SECOND_NS) & (evidence.vitals[0]["at"] <= 65 * SECOND_NS))
    kept = np.delete(evidence.vitals[0], judged[seen:])
    case = open_case(replace(evidence, vitals={0: kept}), parse(), Ramp().plan, make_journey(OPTIONS).steps, 600_000)

    assert ("vitals" not in broken(case)) is is_enough


def test_a_generator_without_vitals_cannot_be_trusted_with_time(tmp_path: Path) -> None:
    ramp = Ramp()
    evidence = replace(ramp.evidence(tmp_path), vitals={0: np.empty(0, VITAL)})
    case = open_case(evidence, ramp.scenario, ramp.plan, make_journey(OPTIONS).steps, ramp.plan.prefill)

    assert {"vitals", "Little's law"} <= broken(case)


def test_a_check_that_crashes_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: Case) -> Seen:
        raise ZeroDivisionError("by zero")

    rules = tuple(Rule(kind, kind, "never", "none", crash) for kind in ("flattering", "accusing", "note"))
    monkeypatch.setattr(soundness, "RULES", rules)

    findings = judge_soundness(case_of(Ramp(), tmp_path))

    assert [finding.kind for finding in findings] == ["flattering", "accusing", "flattering"]
    assert all(not finding.holds and "ZeroDivisionError: by zero" in finding.observed for finding in findings)


def test_every_rule_says_what_it_is_for() -> None:
    names = [rule.name for rule in RULES]

    assert len(set(names)) == len(names)
    assert {rule.kind for rule in RULES} == {"flattering", "accusing", "note"}
    assert all(rule.threshold and rule.reason and rule.advice for rule in RULES)


def test_advice_is_given_only_where_something_is_wrong(tmp_path: Path) -> None:
    findings: tuple[Finding, ...] = judge_soundness(case_of(Ramp(dropped=slice(0, 1)), tmp_path))

    assert [finding.rule for finding in findings if finding.advice] == ["dropped arrivals"]


def test_a_curve_has_no_warm_up_and_no_steady_state(tmp_path: Path) -> None:
    findings = {finding.rule: finding for finding in judge_soundness(case_of(Ramp(scenario=CURVE), tmp_path))}

    assert all(finding.holds for finding in findings.values())
    assert findings["warm-up"].observed == "a curve is judged whole"


def test_the_vitals_of_a_second_are_taken_a_little_after_its_end_and_still_are_its_own(tmp_path: Path) -> None:
    evidence = Ramp().evidence(tmp_path)
    outside, inside = 4, 64  # the seconds 4 to 5 and 64 to 65 of a window from 5 s to 65 s
    for second, is_seen in ((outside, False), (inside, True)):
        vitals = evidence.vitals[0].copy()
        vitals["at"] += 3_000_000
        vitals["in_flight"][second] = 10_000
        case = open_case(
            replace(evidence, vitals={0: vitals}), parse(), Ramp().plan, make_journey(OPTIONS).steps, 600_000
        )

        assert ("Little's law" in broken(case)) is is_seen


def resumed(ramp: Ramp, folder: Path) -> Case:
    """Return the case of a ramp that was cut off 30 s into its schedule, and whose rest came a minute later."""
    evidence = replace(
        ramp.evidence(folder),
        cut_at=(30.0,),
        offsets=(60.0,),
        carried={"arrivals": 100, "samples": 400, "ledger": 200},
        replayed=np.arange(100, 120),
    )
    return open_case(evidence, ramp.scenario, ramp.plan, make_journey(OPTIONS).steps, ramp.plan.prefill)


def test_a_peak_in_two_parts_is_no_peak(tmp_path: Path) -> None:
    ramp = Ramp(controller={"issued": 6_400, "merged_samples": 25_600}, worker={"samples": 25_600, "ledger": 12_800})
    findings = {finding.rule: finding for finding in judge_soundness(resumed(ramp, tmp_path))}

    assert {rule for rule, finding in findings.items() if not finding.holds} == {"uninterrupted", "in one piece"}
    assert findings["uninterrupted"].observed == (
        "cut off 30 s into its schedule and resumed, the rest 60 s after its time; 100 arrivals before, "
        "at most 20 begun anew"
    )


def test_a_curve_may_be_played_in_two_parts(tmp_path: Path) -> None:
    ramp = Ramp(scenario=CURVE)
    sound = case_of(ramp, tmp_path / "sound")
    (worker,) = sound.workers
    left = {"samples": int(worker["samples"]) - 400, "ledger": int(worker["ledger"]) - 200}
    changes = {"issued": ramp.plan.count - 100, "merged_samples": left["samples"]}
    parts = resumed(Ramp(scenario=CURVE, controller=changes, worker=left), tmp_path / "parts")

    assert broken(parts) == broken(sound)
