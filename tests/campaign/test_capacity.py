"""A whole search through the real scenario, with trials that answer by formula instead of sending anything."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from oracle_trial import SERVICE, Listener, OracleTrial

from prakerja_load.campaign.capacity import INTERRUPTED, OUT_OF_PEOPLE, find
from prakerja_load.campaign.order import CapacityOrder, Given, order
from prakerja_load.clock import VirtualClock
from prakerja_load.errors import AuthorizationError, HarnessError, ScenarioError
from prakerja_load.judgement.capacity import Purpose
from prakerja_load.judgement.carrying import CapacityJudgement
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.scenario import load
from prakerja_load.units import format_count

SCENARIOS = Path(__file__).resolve().parent.parent.parent / "scenarios"
MINISTRY = SCENARIOS / "ministry-ramp.toml"
LARGEST = 0.0134 * 2_000_000 / 60  # λ_peak


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    # drawing them takes longer than all else; the tests of the report do
    monkeypatch.setattr("prakerja_load.report.capacity.render_html", lambda page: page.headline)


def search(trial: OracleTrial, reports: Path, watcher: Listener | None = None, **changes: Any) -> CapacityJudgement:
    wanted = dataclasses.replace(CapacityOrder(MINISTRY, reports=reports), **changes)
    return find(wanted, watcher or Listener(), VirtualClock(), trial)


def written(reports: Path) -> dict[str, Any]:
    (folder,) = reports.iterdir()
    said = json.loads((folder / "capacity.json").read_text())
    assert isinstance(said, dict)
    return said


def test_the_capacity_is_found_and_written_down(tmp_path: Path) -> None:
    judged = search(OracleTrial(700), tmp_path)
    interval, said = judged.interval, written(tmp_path)

    assert interval.passed is not None
    assert interval.failed is not None
    assert interval.is_confirmed
    assert interval.failed / interval.passed <= 1.05
    # M/D/1 keeps a p99 of 1 s while D + 4.6·W_q ≤ 1 s
    wait = (1 - SERVICE) / 4.6
    most = 700 * 2 * wait / (SERVICE + 2 * wait)
    assert interval.passed <= most < interval.failed
    assert (judged.verdict, judged.exit_code) == (Verdict.SUSTAINED, 0)
    assert said["schema"] == 1
    assert said["interval"]["passed"] == interval.passed
    assert said["verdict"] == "SUSTAINED"
    assert [step["run"] for step in said["steps"]] == sorted(step["run"] for step in said["steps"])
    assert {path.name for path in next(tmp_path.iterdir()).iterdir()} == {
        "capacity.json", "capacity.html", "capacity.md", "scenario.toml", "steps"
    }  # fmt: skip


def test_every_step_is_a_run_of_the_scenario_at_the_rate_of_its_n_with_a_draw_of_its_own(tmp_path: Path) -> None:
    trial, watcher = OracleTrial(700), Listener()
    search(trial, tmp_path, watcher)

    draws = set()
    for asked, (_, rate, hold) in zip(trial.orders, watcher.begun, strict=True):
        scenario = load(asked.scenario, asked.settings)
        (ramp,) = scenario.ramps
        assert ramp.registrants == round(rate * 60 / 0.0134)
        assert ramp.prefill == 2_000_000
        assert ramp.hold == hold
        assert scenario.objectives == load(MINISTRY).objectives
        draws.add(ramp.draw)
    assert len(draws) == len(trial.orders)


def test_each_rate_is_held_as_long_as_its_objectives_need_and_the_confirmation_twice_as_long(tmp_path: Path) -> None:
    watcher = Listener()
    search(OracleTrial(700), tmp_path, watcher)

    for step, rate, hold in watcher.begun:
        # 3 000 journeys of the 34.8 % meant to finish, and a margin for their chance; 60 s at least
        needed = max(60.0, (1 + math.sqrt(3_001)) ** 2 / 0.348 / rate)
        factor = 2 if step.purpose is Purpose.CONFIRM else 1
        assert hold == pytest.approx(needed * factor, rel=0.03)


def test_a_longer_hold_can_be_asked_for(tmp_path: Path) -> None:
    watcher = Listener()
    search(OracleTrial(700), tmp_path, watcher, hold=300.0)

    assert {hold for step, _, hold in watcher.begun if step.purpose is not Purpose.CONFIRM} == {300.0}


def test_one_store_serves_all_steps_and_no_person_is_used_twice(tmp_path: Path) -> None:
    trial = OracleTrial(700)
    search(trial, tmp_path)

    folders = {folder for folder, _ in trial.standings}
    assert len(folders) == 1
    first_unused = [person for _, person in trial.standings][1:]
    counts = [round((load(o.scenario, o.settings).ramps[0].hold + 15) * rate) for o, rate in _rates(trial)]
    for place, person in enumerate(first_unused):
        assert person == pytest.approx(2_000_000 + sum(counts[: place + 1]), abs=place + 1)


def _rates(trial: OracleTrial) -> list[tuple[Any, float]]:
    return [(o, load(o.scenario, o.settings).ramps[0].registrants * 0.0134 / 60) for o in trial.orders]


def test_the_search_says_what_it_means_for_the_ministry(tmp_path: Path) -> None:
    judged = search(OracleTrial(700), tmp_path)
    passed = judged.interval.passed
    assert passed is not None

    assert [ramp.registrants for ramp in judged.ramps] == [200_000, 300_000, 600_000, 2_000_000]
    assert [ramp.verdict for ramp in judged.ramps] == [Verdict.SUSTAINED] * 4
    assert judged.ramps[-1].proven == pytest.approx(passed / LARGEST - 1)
    registrants = judged.registrants
    assert registrants is not None
    assert registrants.by_rate == pytest.approx(passed * 60 / 0.0134, abs=2)
    assert registrants.proven == registrants.stored == 2_000_000  # the store held no more
    assert registrants.doubled == 4_000_000
    assert registrants.doubled_rate == pytest.approx(2 * LARGEST)
    assert registrants.doubled_factor == pytest.approx(2 * LARGEST / passed)


def test_a_ramp_beyond_the_capacity_is_refuted(tmp_path: Path) -> None:
    judged = search(OracleTrial(300), tmp_path)

    assert [ramp.verdict for ramp in judged.ramps] == [Verdict.SUSTAINED] * 3 + [Verdict.NOT_SUSTAINED]
    assert judged.exit_code == 1
    assert judged.registrants is not None
    assert judged.registrants.proven == judged.registrants.by_rate < 2_000_000


def test_limits_that_no_rate_keeps_have_none(tmp_path: Path) -> None:
    judged = search(OracleTrial(700, limit=2.0), tmp_path)
    proven = {one.limit: one.rate for one in judged.limits}

    rates = [proven[limit] for limit in (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)]
    known = [rate for rate in rates if rate is not None]
    assert known == sorted(known)
    assert proven[2.0] == judged.interval.passed
    for limit, rate in proven.items():
        if rate is not None:
            share = rate / 700
            assert SERVICE + 4.6 * SERVICE * share / (2 * (1 - share)) <= limit


def test_what_failed_first_the_knee_and_the_saturation_are_told(tmp_path: Path) -> None:
    judged = search(OracleTrial(700), tmp_path)

    assert judged.first_failing.startswith("elapsed to step 1 ask, p99")
    assert judged.saturation is not None
    assert judged.saturation.value == 700
    assert judged.knee is not None
    assert judged.knee.bent_from is not None
    # M/D/1: the time at ρ is twice the time at rest where ρ/(2(1 − ρ)) = 1 + …; between the rates tried
    at_rest = 1 + min(step.rate for step in judged.steps) / 700 / 2
    assert judged.knee.level == pytest.approx(SERVICE * at_rest, rel=0.05)
    share = judged.knee.bent_from / 700
    assert share >= 1 or SERVICE * (1 + share / (2 * (1 - share))) > 2 * judged.knee.level


def test_what_the_generator_cannot_reach_is_no_failure_of_the_system(tmp_path: Path) -> None:
    trial = OracleTrial(700)
    trial.is_sound = lambda rate: rate < 500
    judged = search(trial, tmp_path)

    assert judged.interval.passed is not None
    assert 500 / 1.05 <= judged.interval.passed < 500
    bound = [step for step in judged.steps if step.is_generator_bound]
    assert bound
    # an overloaded system that fails while the generator is late is not called failed: nothing above 500 is sound
    assert judged.interval.failed is None
    text = (next(tmp_path.iterdir()) / "capacity.md").read_text()
    assert "not reached by this generator: lateness" in text


def test_without_evidence_of_what_is_stored_nothing_passes_unless_speed_alone_is_asked_for(tmp_path: Path) -> None:
    trial = OracleTrial(700)
    trial.is_verified = False

    assert search(trial, tmp_path / "strict", begin=400.0).interval.passed is None
    judged = search(trial, tmp_path / "alone", on_speed_alone=True)
    assert judged.interval.passed is not None
    assert judged.interval.passed > LARGEST
    assert (judged.verdict, judged.exit_code) == (Verdict.INCONCLUSIVE, 3)
    assert "speed and success alone" in (next((tmp_path / "alone").iterdir()) / "capacity.md").read_text()


def test_ctrl_c_leaves_what_is_proven_so_far(tmp_path: Path) -> None:
    def interrupt(number: int) -> None:
        if number == 6:
            raise KeyboardInterrupt

    trial = OracleTrial(700)
    trial.before = interrupt
    judged = search(trial, tmp_path)

    assert len(judged.steps) == 5
    assert (judged.ending, judged.verdict, judged.exit_code) == (INTERRUPTED, Verdict.INCONCLUSIVE, 3)
    assert judged.interval.passed == pytest.approx(0.0134 * 200_000 / 60 * 8)
    assert written(tmp_path)["interval"]["passed"] == judged.interval.passed


def test_a_step_that_was_interrupted_is_the_last(tmp_path: Path) -> None:
    class Interrupted(OracleTrial):
        def __call__(self, order: Any, display: Any, clock: Any, *, standing: Any) -> Any:
            judged = super().__call__(order, display, clock, standing=standing)
            standing.was_interrupted = len(self.orders) == 3
            return judged

    judged = search(Interrupted(700), tmp_path)

    assert len(judged.steps) == 3
    assert judged.ending == INTERRUPTED


def test_what_was_proven_is_on_disk_after_every_step(tmp_path: Path) -> None:
    seen: list[int] = []

    def look(number: int) -> None:
        if number > 1:
            seen.append(len(written(tmp_path)["steps"]))

    trial = OracleTrial(700)
    trial.before = look
    judged = search(trial, tmp_path)

    assert seen == list(range(1, len(judged.steps)))


def test_a_harness_that_fails_says_so_and_keeps_what_was_proven(tmp_path: Path) -> None:
    def fail(number: int) -> None:
        if number == 4:
            raise HarnessError("the disk is full")

    trial = OracleTrial(700)
    trial.before = fail
    with pytest.raises(HarnessError, match="disk is full"):
        search(trial, tmp_path)

    said = written(tmp_path)
    assert "the disk is full" in said["ending"]
    assert said["interval"]["passed"] > 100
    assert said["exit_code"] == 3


def test_a_consent_that_ends_keeps_what_was_proven_and_one_that_never_was_sends_nothing(tmp_path: Path) -> None:
    for number, expected in ((4, HarnessError), (1, AuthorizationError)):

        def withdraw(step: int, last: int = number) -> None:
            if step == last:
                raise AuthorizationError("no consent")

        trial = OracleTrial(700)
        trial.before = withdraw
        with pytest.raises(expected, match="no consent"):
            search(trial, tmp_path / str(number))

    said = written(tmp_path / "4")
    assert "no consent" in said["ending"]
    assert len(said["steps"]) == 3


def test_what_it_was_asked_for_is_written_down_and_the_doctor_is_quoted_by_every_step(tmp_path: Path) -> None:
    (tmp_path / "doctor.json").write_text('{"labels": {}}')
    trial = OracleTrial(700)
    search(trial, tmp_path, settings=("load.workers=2",), hold=90.0, begin=100.0, highest=150.0)

    (tmp_path / "doctor.json").unlink()
    said = written(tmp_path)["asked"]
    assert said == {"overrides": ["load.workers=2"], "precision": 0.05, "hold": 90.0, "begin": 100.0, "highest": 150.0}
    assert {(asked.reports / "doctor.json").read_text() for asked in trial.orders} == {'{"labels": {}}'}


def test_what_single_steps_scaled_down_is_told_and_a_store_below_their_n_is_not(tmp_path: Path) -> None:
    class Disclosing(OracleTrial):
        def judge(self, rate: float, hold: float, count: int, registrants: int) -> Any:
            told = ["think time × 0.005"]
            if registrants > 2_000_000:
                told.append(f"the store held 2 000 000 of {format_count(registrants)} registrants")
            if len(self.orders) == 1:
                told.append("laboratory defects active: slow")
            return dataclasses.replace(super().judge(rate, hold, count, registrants), disclosures=tuple(told))

    judged = search(Disclosing(700), tmp_path)

    assert max(step.rate for step in judged.steps) > LARGEST
    assert judged.disclosures == (
        "think time × 0.005",
        f"laboratory defects active: slow (in 1 of {len(judged.steps)} steps)",
    )


def test_the_search_ends_when_all_people_are_used(tmp_path: Path) -> None:
    judged = search(OracleTrial(700), tmp_path, hold=2_000.0)

    assert judged.ending == OUT_OF_PEOPLE
    assert judged.exit_code == 3


def test_a_rate_beyond_the_largest_n_has_more_accounts_a_registrant(tmp_path: Path) -> None:
    trial, watcher = OracleTrial(5_000), Listener()
    search(trial, tmp_path, watcher, begin=1_000.0, highest=4_000.0)

    tops = [
        load(o.scenario, o.settings)
        for o, (_, rate, _) in zip(trial.orders, watcher.begun, strict=True)
        if rate > 1_340
    ]
    assert tops
    for scenario in tops:
        assert scenario.ramps[0].registrants == 6_000_000
        assert scenario.demand.multiplier > 1


def test_rates_of_so_few_registrants_that_none_lies_between_end_the_bisection(tmp_path: Path) -> None:
    few = ("demand.peak_minute_share=1", "ramps=[{name='few', registrants=30}]")  # 0.5 arrivals/s
    judged = search(OracleTrial(1.1, limit=10.0), tmp_path, scenario=MINISTRY, settings=few, precision=0.005)
    interval = judged.interval

    assert judged.ending == "found"
    assert interval.is_confirmed
    assert interval.passed is not None
    assert interval.failed is not None
    assert (interval.failed - interval.passed) * 60 == pytest.approx(1)  # one registrant apart
    assert judged.precision == pytest.approx(interval.failed / interval.passed - 1)


def test_words_of_single_runs_are_kept_out_and_their_seconds_shown(tmp_path: Path) -> None:
    trial, watcher = OracleTrial(700), Listener()
    search(trial, tmp_path, watcher)

    assert not [text for text in watcher.said if "not for the search" in text]
    assert watcher.seconds == len(trial.orders)
    assert any(text.startswith("CAPACITY: [") for text in watcher.said)


def test_a_curve_has_no_capacity(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="claim"):
        search(OracleTrial(700), tmp_path, scenario=SCENARIOS / "ministry-ramp-volume.toml")
    assert not list(tmp_path.iterdir())


def test_a_scenario_that_can_never_be_decided_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"load\.warm_up"):
        search(OracleTrial(700), tmp_path, settings=("load.warm_up=1s",))
    assert not list(tmp_path.iterdir())


def test_wrong_options_are_refused_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refused:
        order(MINISTRY, (), Given("0.01%", "soon", "-3/s", "many"), tmp_path)

    assert [problem.key for problem in refused.value.problems] == ["--precision", "--hold", "--begin", "--highest"]


def test_options_are_read_with_their_units(tmp_path: Path) -> None:
    wanted = order(MINISTRY, (), Given("2%", "90s", "600/min", "2000/s"), tmp_path, on_speed_alone=True)

    assert (wanted.precision, wanted.hold, wanted.begin, wanted.highest) == (0.02, 90.0, 10.0, 2000.0)
    assert order(MINISTRY, (), Given(), tmp_path).highest == math.inf
