"""The checks of soundness at their limits: what just holds, what just does not, and in what words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from synthetic import CURVE, OPTIONS, Ramp

from prakerja_load.evidence.sample import ARRIVAL
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement import flattering
from prakerja_load.judgement.case import Case, open_case
from prakerja_load.judgement.rule import Seen
from prakerja_load.scenario.values import JourneyFile


def case_of(ramp: Ramp, folder: Path, **changes: Any) -> Case:
    """Return the case of a ramp, its evidence changed."""
    evidence = replace(ramp.evidence(folder), **changes)
    return open_case(evidence, ramp.scenario, ramp.plan, make_journey(OPTIONS).steps, ramp.plan.prefill)


def as_case(**known: Any) -> Case:
    """Return as much of a case as one check looks at."""
    return cast(Case, SimpleNamespace(**known))


def test_one_judged_arrival_is_data(tmp_path: Path) -> None:
    case = case_of(Ramp(unrecorded=slice(0, 6_499)), tmp_path)

    assert flattering.has_data(case) == Seen(True, "1 judged arrivals")


@pytest.mark.parametrize(("warm_up", "holds"), [(0.5, True), (0.5 - 1e-9, False)])
def test_a_warm_up_of_just_the_p99_journey_time_is_enough(warm_up: float, *, holds: bool) -> None:
    """Of 100 journeys the p99 is the second longest; who never finished has no journey time."""
    seconds = np.concatenate([np.full(98, 0.1), [0.5, 0.9, np.inf]])
    case = as_case(
        is_curve=False,
        elapsed={4: SimpleNamespace(seconds=seconds)},
        last_step=SimpleNamespace(number=4),
        plan=SimpleNamespace(warm_up=warm_up),
    )

    assert flattering.warms_up(case) == Seen(holds, "500 ms", "at least the p99 journey time, 500 ms")


@pytest.mark.parametrize(("strange", "repeated", "holds"), [(0, 0, True), (1, 0, False), (0, 1, False), (2, 3, False)])
def test_a_stranger_and_a_record_that_came_twice_are_each_enough(strange: int, repeated: int, *, holds: bool) -> None:
    case = as_case(history=SimpleNamespace(strange=strange, repeated=repeated))

    assert flattering.keeps_to_itself(case) == Seen(holds, f"{strange} of unknown arrivals, {repeated} repeated")


@pytest.mark.parametrize(("unheard", "told"), [(0, "0"), (1, "at least 1")])
def test_who_was_left_waiting_is_told_in_number(unheard: int, told: str) -> None:
    seen = flattering.knows_who_waited(as_case(evidence=SimpleNamespace(unheard=unheard)))

    assert seen == Seen(not unheard, told)


@pytest.mark.parametrize(
    ("controller", "told"),
    [({}, "2 without a report"), ({"taken_over": 7}, "2 without a report; 7 taken over by others")],
)
def test_a_worker_of_whom_nothing_is_known_is_lost(controller: dict[str, Any], told: str) -> None:
    evidence = SimpleNamespace(ramp=SimpleNamespace(workers=2))

    assert flattering.loses_no_worker(as_case(evidence=evidence, workers=[], controller=controller)) == Seen(
        False, told
    )


def test_a_lost_worker_is_named_with_its_reason() -> None:
    workers = [{"worker": 0, "state": "finished"}, {"worker": 1, "state": "lost"}, {"worker": 2, "reason": "killed"}]
    case = as_case(evidence=SimpleNamespace(ramp=SimpleNamespace(workers=3)), workers=workers, controller={})

    assert flattering.loses_no_worker(case) == Seen(False, "worker 1 lost: no reason given; worker 2 None: killed")
    assert flattering.loses_no_worker(
        as_case(evidence=SimpleNamespace(ramp=SimpleNamespace(workers=1)), workers=workers[:1], controller={})
    ) == Seen(True, "1 finished")


def records(samples: int, ledger: int, **more: Any) -> Any:
    """Return evidence of so many records."""
    known = {"carried": {}, "missing": (), "torn": (), **more}
    return SimpleNamespace(samples=np.zeros(samples), ledger=np.zeros(ledger), **known)


@pytest.mark.parametrize(
    ("evidence", "worker", "seen"),
    [
        (records(9, 4), {"samples": 9, "ledger": 4}, Seen(True, "9 samples of 9; 4 ledger of 4")),
        (records(9, 4), {}, Seen(False, "9 samples of 0; 4 ledger of 0")),
        (records(8, 4), {"samples": 9, "ledger": 4}, Seen(False, "8 samples of 9; 4 ledger of 4")),
        (
            records(9, 4, carried={"samples": 2, "ledger": 1}),
            {"samples": 7, "ledger": 3},
            Seen(True, "7 samples of 7; 3 ledger of 3"),
        ),
        (
            records(9, 4, torn=("a.seg", "b.seg")),
            {"samples": 9, "ledger": 4},
            Seen(False, "9 samples of 9; 4 ledger of 4; torn: a.seg, b.seg"),
        ),
        (
            records(9, 4, missing=("worker-1/vitals.seg", "controller.json")),
            {"samples": 9, "ledger": 4},
            Seen(False, "9 samples of 9; 4 ledger of 4; missing: worker-1/vitals.seg"),
        ),
    ],
)
def test_records_are_complete_when_those_on_disk_are_those_that_were_made(
    evidence: Any, worker: dict[str, int], seen: Seen
) -> None:
    assert flattering.keeps_records(as_case(evidence=evidence, workers=[worker])) == seen


@pytest.mark.parametrize(("stopped", "holds"), [("", True), ("abort_on", False)])
def test_a_curve_in_two_parts_that_was_stopped_is_no_whole_curve(stopped: str, tmp_path: Path, *, holds: bool) -> None:
    parts = {"cut_at": (30.0,), "offsets": (60.0,), "replayed": np.arange(2)}
    case = case_of(Ramp(scenario=CURVE, controller={"stopped": stopped}), tmp_path, **parts)

    assert flattering.runs_to_its_end(case).holds is holds


@pytest.mark.parametrize(
    ("controller", "aborted", "seen"),
    [
        ({}, "", Seen(True, "ran to its end")),
        ({"stopped": "by hand"}, "", Seen(False, "by hand")),
        ({"interrupted": True}, "", Seen(False, "interrupted")),
        ({"stopped": "by hand", "interrupted": True}, "too slow", Seen(False, "too slow")),
    ],
)
def test_why_a_ramp_ended_early_is_told(controller: dict[str, Any], aborted: str, seen: Seen, tmp_path: Path) -> None:
    assert flattering.runs_to_its_end(case_of(Ramp(controller=controller), tmp_path, aborted=aborted)) == seen


@pytest.mark.parametrize(
    ("controller", "holds"),
    [
        ({"issued": 9, "not_started": 0}, True),
        ({"issued": 9}, True),
        ({"issued": 8}, False),
        ({"issued": 10}, False),
        ({"issued": 9, "not_started": 1}, False),
        ({}, False),
    ],
)
def test_all_that_was_planned_must_be_issued_and_started(controller: dict[str, int], *, holds: bool) -> None:
    """One of the ten planned arrivals was of the part before."""
    case = as_case(
        controller=controller, plan=SimpleNamespace(count=10), evidence=SimpleNamespace(carried={"arrivals": 1})
    )

    assert flattering.issues_all(case).holds is holds
    assert f"{controller.get('issued', 0) + 1} of 10 issued" in flattering.issues_all(case).observed


def test_a_report_that_was_merged_twice_is_as_wrong_as_one_that_was_lost() -> None:
    for merged, holds in ((29, False), (30, True), (31, False)):
        case = as_case(workers=[{"samples": 10}, {"samples": 20}, {}], controller={"merged_samples": merged})
        assert flattering.merges_reports(case) == Seen(holds, f"{merged} of 30")


def test_arrivals_may_be_due_a_microsecond_beside_the_schedule_and_no_more() -> None:
    arrivals = np.zeros(4, ARRIVAL)
    arrivals["intended"] = [0, 1_000_000_900, 2_000_001_100, 99]
    history = SimpleNamespace(
        arrivals=arrivals, intended=np.array([0.0, 1.0, 2.0, 3.0]), is_recorded=np.array([True, True, True, False])
    )
    written = SimpleNamespace(ramp=SimpleNamespace(schedule_digest="d"))

    assert flattering.keeps_schedule(as_case(evidence=written, history=history, digest="d")) == Seen(
        False, "same digest, 1 arrivals due at another time"
    )
    nowhere = SimpleNamespace(ramp=SimpleNamespace(schedule_digest=""))
    assert flattering.keeps_schedule(as_case(evidence=nowhere, history=history, digest="d")) == Seen(
        False, "digest missing, the scenario gives d"
    )


OWN = """
from prakerja_load.journey.own import OwnJourney
from prakerja_load.journey.step import Step

class Mine(OwnJourney):
    name = "mine"
    steps = (Step(1, "a"), Step(2, "b"))
    refusals = 0.015

    def play(self, registrant, browser):
        yield from browser.get(self.steps[0], "/")
"""


def refusing(ramp: Ramp, folder: Path) -> Seen:
    """Return what is seen of refusals by somebody's own journey that declares 1.5 %."""
    case = case_of(ramp, folder)
    file = JourneyFile("mine.py", OWN)
    journey = ramp.scenario.journey.model_copy(update={"file": file, "name": "mine"})
    return flattering.refuses_as_declared(replace(case, scenario=ramp.scenario.model_copy(update={"journey": journey})))


@pytest.mark.parametrize(("scenario", "holds"), [(CURVE, False), (Ramp().scenario, True)])
def test_a_curve_is_played_whole_so_no_chance_excuses_its_refusals(
    scenario: Any, tmp_path: Path, *, holds: bool
) -> None:
    """Two seconds of refusals are 3 % of a minute. Another minute may have none; a curve has no other minute."""
    ramp = Ramp(scenario=scenario)
    refused = np.arange(3_000, 3_200)

    assert refusing(ramp.fail(2, refused, Outcome.REJECTED, 0.02), tmp_path).holds is holds


def test_where_nobody_started_nobody_was_refused(tmp_path: Path) -> None:
    assert refusing(Ramp(dropped=slice(0, None)), tmp_path) == Seen(True, "nobody asked", "≤ 1.5 %")
