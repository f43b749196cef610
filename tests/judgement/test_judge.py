"""Whole ramps and whole run directories: each ends in the verdict that its story demands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from synthetic import CURVE, NOBODY, TEXT, Ramp, parse, run_directory

from prakerja_load.errors import EvidenceError, ScenarioError
from prakerja_load.evidence.journal import Kind, SegmentWriter
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.evidence.run_directory import CONTROLLER, RAMP, RUN
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.judgement import judge
from prakerja_load.judgement.judge import judge_run
from prakerja_load.judgement.record import verdict_json
from prakerja_load.judgement.verdict import RampJudgement, Verdict

GREEN, OPEN, RED = Verdict
EVERY = 6_500


def some(share: float, seed: int = 5) -> np.ndarray[Any, Any]:
    """Return arrivals drawn at random."""
    return np.flatnonzero(np.random.default_rng(seed).random(EVERY) < share)


def late(seconds: float, **more: Any) -> Ramp:
    ramp = Ramp(**more)
    ramp.lateness[:] = seconds
    return ramp


def slow(seconds: float, **more: Any) -> Ramp:
    ramp = Ramp(**more)
    ramp.service += seconds
    return ramp


def overloaded() -> Ramp:
    ramp = Ramp(scenario=parse("load.warm_up=40s"))
    ramp.service[:, 0] += np.maximum(0, ramp.due - 10) * 0.5
    return ramp


STORIES: dict[str, tuple[Callable[[], Ramp], Verdict, str]] = {
    "a good system": (Ramp, GREEN, "every objective holds"),
    "a slow system": (lambda: slow(3.5), RED, "elapsed to step 1"),
    "0.9 % of a step time out": (lambda: Ramp().fail(2, some(0.009), Outcome.TIMEOUT), RED, "success of step 2"),
    "0.05 % of a step time out": (lambda: Ramp().fail(2, some(0.0005), Outcome.TIMEOUT), OPEN, "success of journeys"),
    "a stall of 3 s": (lambda: Ramp().stall(30, 3, 1_000), OPEN, "elapsed to step 1"),
    "a stall of 3 s where every window counts": (
        lambda: Ramp(scenario=parse("objectives.every_window=10s")).stall(30, 3, 1_000),
        RED,
        "every 10 s window",
    ),
    "a server that answers nothing": (lambda: Ramp().fail(1, slice(None), Outcome.TIMEOUT), RED, "success of step 1"),
    "a server that refuses half": (lambda: Ramp().fail(3, some(0.5), Outcome.ERROR, 0.01), RED, "success of step 3"),
    "a server that falls behind": (overloaded, RED, "backlog growth"),
    "a few dropped arrivals": (lambda: Ramp(dropped=slice(3_000, 3_010)), OPEN, "dropped arrivals: 10"),
    "many dropped arrivals": (lambda: Ramp(dropped=slice(3_000, 3_600)), RED, "success of journeys"),
    "a worker lost": (
        lambda: Ramp(unrecorded=slice(5_900, 6_500), worker={"state": "lost", "reason": "killed"}),
        OPEN,
        "workers: worker 0 lost: killed",
    ),
    "a worker lost on a slow system": (
        lambda: slow(3.5, unrecorded=slice(6_000, 6_500), worker={"state": "lost"}),
        RED,
        "elapsed to step 1",
    ),
    "a run killed": (
        lambda: Ramp(unrecorded=slice(4_000, 6_500), controller=None, has_export=False, is_closed=False),
        OPEN,
        "controller record: missing",
    ),
    "a starved generator": (lambda: late(0.3, cpu=0.97), OPEN, "lateness: 300 ms"),
    "a starved generator that makes the system look slow": (lambda: late(3, cpu=0.97), OPEN, "no time can be judged"),
    "a starved generator and time-outs": (
        lambda: Ramp(cpu=0.97).fail(2, some(0.02), Outcome.TIMEOUT),
        OPEN,
        "generator CPU",
    ),
    "a starved generator and errors": (
        lambda: Ramp(cpu=0.97).fail(2, some(0.02), Outcome.ERROR, 0.01),
        RED,
        "success of step 2",
    ),
    "a starved generator and a lost write": (
        lambda: Ramp(cpu=0.97, rows=lambda rows: rows[1:]),
        RED,
        "1 write acknowledged and not stored",
    ),
    "a lost write": (lambda: Ramp(rows=lambda rows: rows[:9] + rows[10:]), RED, "1 write acknowledged and not stored"),
    "a duplicate": (lambda: Ramp(rows=lambda rows: [*rows, rows[5]]), RED, "1 write stored more than once"),
    "a corrupted field": (
        lambda: Ramp(rows=lambda rows: [rows[0] | {"wave": 8}, *rows[1:]]),
        RED,
        "otherwise than sent",
    ),
    "a stranger's row": (lambda: Ramp(rows=lambda rows: [*rows, {"kind": "join-wave", "key": "x"}]), RED, "never sent"),
    "a refusal that was stored": (lambda: Ramp(state={7: LedgerState.REJECTED}, rows=with_row_7), RED, "all the same"),
    "an oversold wave": (lambda: Ramp(scenario=parse("registrar.wave_quota=6000")), RED, "500 writes beyond the quota"),
    "a wave that the system itself counts above its places": (
        lambda: Ramp(scenario=parse("registrar.wave_quota=6550"), end={"joined": {"7": 6_600}}),
        RED,
        "50 writes beyond the quota",
    ),
    "no export": (lambda: Ramp(has_export=False), OPEN, "6 500 writes unverified"),
    "half an export": (lambda: Ramp(end=None), OPEN, "no end line"),
    "too short a look": (lambda: Ramp(scenario=parse("ramps.1.hold=40s")), OPEN, "arrivals judged"),
    "a curve": (lambda: Ramp(scenario=CURVE), GREEN, "every objective holds"),
    "a curve with a stall": (lambda: Ramp(scenario=CURVE).stall(30, 3, 1_000), RED, "every 60 s window"),
}


def with_row_7(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*rows, {"kind": "join-wave", "key": "k1r1-7-3", "owner": NOBODY.email, "wave": 7}]


@pytest.mark.parametrize("story", STORIES)
def test_each_story_ends_in_the_verdict_that_it_demands(story: str, tmp_path: Path) -> None:
    make, verdict, reason = STORIES[story]

    judged = make().judge(tmp_path)

    assert judged.verdict is verdict, judged.reasons
    assert any(reason in text for text in judged.reasons), judged.reasons
    assert judged.sentence.startswith(f"{verdict.name}: ")


def test_in_doubt_writes_are_read_back(tmp_path: Path) -> None:
    ramp = Ramp(state={7: LedgerState.IN_DOUBT, 9: LedgerState.IN_DOUBT}, rows=with_row_7)

    judged = ramp.judge(tmp_path)

    assert (judged.integrity.in_doubt, judged.integrity.landed, judged.integrity.not_landed) == (2, 1, 1)
    assert judged.verdict is GREEN


def test_a_write_of_a_lost_worker_that_was_stored_is_no_harm(tmp_path: Path) -> None:
    ramp = Ramp(unrecorded=slice(7, 8), worker={"state": "lost"}, rows=with_row_7)

    judged = ramp.judge(tmp_path)

    assert (judged.integrity.unexpected, judged.integrity.landed, judged.verdict) == (0, 1, OPEN)


def test_a_stored_write_that_nobody_sent_is_harm_when_all_workers_reported(tmp_path: Path) -> None:
    ramp = Ramp(unrecorded=slice(7, 8), rows=with_row_7)

    assert ramp.judge(tmp_path).integrity.unexpected == 1


def test_the_four_counts_say_where_registrants_went(tmp_path: Path) -> None:
    ramp = Ramp(dropped=slice(0, 3), unrecorded=slice(3, 5), rows=lambda rows: rows[1:])
    ramp.fail(2, slice(10, 14), Outcome.TIMEOUT).fail(2, slice(14, 15), Outcome.ERROR)
    ramp.fail(2, slice(15, 16), Outcome.IN_FLIGHT)
    ramp.outcome[20, 2] = Outcome.REJECTED
    ramp.meant[30:36] = 2
    ramp.state[40] = LedgerState.IN_DOUBT

    counts = ramp.judge(tmp_path).counts

    assert (counts.offered, counts.started) == (6_500, 6_495)
    assert counts.acknowledged == 6_495 - 6 - 1 - 6 - 1
    assert counts.verified == counts.acknowledged - 1
    assert counts.gaps == (
        "3 dropped at the in-flight limit",
        "2 without a record: never started, or of a lost worker",
        "7 left before their first write, as planned",
        "1 failed before their last write was acknowledged",
        "4 gave up before their last write was acknowledged",
        "1 still under way when the drain ended",
        "1 ended as planned without the acknowledgement of their last write",
        "1 acknowledged, but not found stored as sent",
    )


def test_whom_nobody_looked_up_is_not_said_to_be_missing(tmp_path: Path) -> None:
    judged = Ramp(has_export=False).judge(tmp_path)

    assert judged.counts.gaps == ("6 500 acknowledged, but what is stored was not all looked through",)
    assert not judged.integrity.is_whole


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> RampJudgement:
    return Ramp().judge(tmp_path_factory.mktemp("good"))


def test_the_sentence_can_be_quoted_alone(good: RampJudgement) -> None:
    assert good.sentence == (
        "SUSTAINED: the system carries 600 000 registrants; claim `peak`: 100 arrivals/s (0.01 × 1 × 600 000 / 60 s) "
        "held for 60 s on a store prefilled to 600 000; m = 1, N counts accounts; scaled down: think time × 0.01, "
        "argon2id m=8KiB t=1, arrivals evenly spaced, which queue less than people's do, generator and system on one "
        "machine, e-mail and SMS codes read from the laboratory's outbox"
    )


def test_the_rows_of_the_steps_show_gated_and_service_times_side_by_side(good: RampJudgement) -> None:
    join = good.steps[2]

    assert [step.number for step in good.steps] == [1, 2, 3, 4]
    assert (join.name, join.requests, join.outcomes) == ("join-wave", 6_000, {"ok": 6_000})
    assert list(join.elapsed) == list(join.service) == list(join.response) == ["p50", "p95", "p99"]
    assert join.service["p50"].value == pytest.approx(0.005 + 0.02 * np.log(2), rel=0.05)
    assert join.elapsed["p50"].value == pytest.approx(3 * 0.025, rel=0.15)
    assert join.success is not None
    assert join.success.value == 1


def test_the_row_of_the_journey_is_of_those_who_mean_to_finish(good: RampJudgement) -> None:
    assert good.journey is not None
    assert (good.journey.number, good.journey.requests) == (0, 6_000)
    assert good.journey.outcomes == {Ending.COMPLETED.name.lower(): 6_000}
    assert good.journey.elapsed == good.steps[3].elapsed


def test_rates_and_lateness_are_those_of_the_judged_window(good: RampJudgement) -> None:
    assert (good.offered_rate, good.request_rate) == (pytest.approx(100), pytest.approx(400))
    assert (good.lateness_p50, good.lateness_p99) == (pytest.approx(0.0004), pytest.approx(0.0004))
    assert good.throughput is not None
    assert good.throughput.low < 100 < good.throughput.high
    assert good.arithmetic[1] == "0.01 × 1 × 600 000 / 60 s = 100 arrivals/s"


def test_the_curves_have_a_value_for_every_second(good: RampJudgement) -> None:
    series = good.series
    curves = [series.offered, series.started, series.finished, series.elapsed_p50, series.elapsed_p99]

    assert all(len(curve) == len(series.second) for curve in [*curves, series.service_p99, series.in_flight])
    assert (sum(series.offered), sum(series.started), sum(series.finished)) == (6_500, 6_500, 6_500)
    assert series.offered[:65] == (100.0,) * 65
    assert series.in_flight[30] == pytest.approx(70, abs=15)  # 100/s × (0.6 s of think time + 0.1 s)
    assert series.in_flight[-1] == 0


def test_the_curves_show_failures_as_infinite_and_silence_as_not_measured(tmp_path: Path) -> None:
    ramp = Ramp().fail(1, slice(1_000, 1_010), Outcome.TIMEOUT)
    ramp.meant[2_000:2_100] = 1

    series = ramp.judge(tmp_path).series

    assert series.elapsed_p99[10] == np.inf
    assert np.isnan(series.elapsed_p99[20])
    assert series.elapsed_p50[10] < 1


TWO_RAMPS = TEXT.replace("[journey]", '[[ramps]]\nname = "700 000"\nregistrants = 700_000\n[journey]')


SECOND = parse("ramps=[{name='600 000', registrants=600000}, {name='700 000', registrants=700000}]")


def test_a_run_directory_is_judged_from_what_it_holds(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp()])

    run = judge_run(path)

    assert (run.verdict, run.exit_code, run.run, run.seed, run.created) == (GREEN, 0, "k1", 11, "2020-04-11")
    assert run.environment == {"cores": "2", "machine": "made up"}
    assert run.ramps[0].headroom == 0
    assert any("reference registrar" in text for text in run.not_tested)


def test_judging_again_gives_the_same_bytes(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp().stall(30, 3, 1_000)])

    once, again = (msgspec.json.encode(verdict_json(judge_run(path))) for _ in range(2))

    assert once == again


def test_a_ramp_that_was_not_run_is_inconclusive(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp()], TWO_RAMPS)

    run = judge_run(path)

    assert [ramp.verdict for ramp in run.ramps] == [GREEN, OPEN]
    assert (run.verdict, run.exit_code) == (OPEN, 3)
    assert run.ramps[1].reasons == ("the ramp was not run",)
    assert run.ramps[1].sentence.startswith("INCONCLUSIVE: it is not shown whether the system carries 700 000")


def test_only_the_ramps_that_were_ordered_are_judged(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp()], TWO_RAMPS)
    run = json.loads((path / RUN).read_text())
    (path / RUN).write_text(json.dumps(run | {"ramps": [1]}))

    assert [ramp.number for ramp in judge_run(path).ramps] == [1]


def test_one_ramp_is_judged_with_the_ledgers_of_those_before_it(tmp_path: Path) -> None:
    late = {"kind": "join-wave", "key": "k1r1-9-3", "wave": 7}
    ramps = [
        Ramp(state={9: LedgerState.IN_DOUBT}),
        Ramp(scenario=SECOND, number=2, run="k1r2", rows=lambda rows: [*rows, late]),
    ]
    path = run_directory(tmp_path / "run", ramps, TWO_RAMPS)

    run = judge_run(path, only=[2])

    assert [ramp.number for ramp in run.ramps] == [2]
    assert run.verdict is GREEN, run.ramps[0].reasons
    assert run.ramps[0].integrity.reasons == ("1 write that an earlier ramp had in doubt landed since",)


def test_what_may_have_been_sent_unrecorded_is_not_held_against_the_system(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp()])
    (next((path / "ramps").iterdir()) / "worker-0" / "ledger.seg").unlink()

    ramp = judge_run(path).ramps[0]

    assert (ramp.verdict, ramp.integrity.unexpected, ramp.integrity.landed) == (OPEN, 0, 6_500)


def test_an_earlier_ledger_that_cannot_be_read_explains_nothing(tmp_path: Path) -> None:
    late = {"kind": "join-wave", "key": "k1r1-9-3", "wave": 7}
    ramps = [Ramp(), Ramp(scenario=SECOND, number=2, run="k1r2", rows=lambda rows: [*rows, late])]
    path = run_directory(tmp_path / "run", ramps, TWO_RAMPS)
    first = path / "ramps" / "01-600000" / "worker-0" / "ledger.seg"

    assert judge_run(path, only=[2]).ramps[0].integrity.unexpected == 1  # it was acknowledged then, and is here again
    first.unlink()
    assert judge_run(path, only=[2]).ramps[0].integrity.unexpected == 0
    stranger = Ramp().played()[2]
    stranger["index"] = 10**6
    with SegmentWriter(first, Kind.LEDGER) as segment:
        segment.append(stranger)
    assert judge_run(path, only=[2]).ramps[0].integrity.unexpected == 1


def test_a_ramp_whose_judging_crashes_is_inconclusive(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp()])
    ramp = next((path / "ramps").iterdir()) / RAMP
    ramp.write_text(json.dumps(json.loads(ramp.read_text()) | {"journey": {"name": "unknown"}}))

    run = judge_run(path)

    assert (run.verdict, run.exit_code) == (OPEN, 3)
    assert "crashed" in run.ramps[0].reasons[0]


def test_a_proven_rate_on_a_fuller_store_is_headroom_for_the_ramps_before(tmp_path: Path) -> None:
    later = Ramp(scenario=parse("ramps=[{name='1', registrants=900000}]"))
    curve = Ramp(scenario=CURVE)
    ramps = [ramp.judge(tmp_path / str(number)) for number, ramp in enumerate((Ramp(), later, slow(3.5), curve))]

    with_headroom = judge.with_headroom(tuple(ramps))

    assert [ramp.headroom for ramp in with_headroom] == [pytest.approx(0.5), 0, None, None]


@pytest.mark.parametrize(
    ("before", "headrooms"),
    [
        ((600_000, 50_000), [0, 0]),  # N says 900 000, and the store held fewer than the first ramp's
        ((600_000, None), [0, 0]),
        ((600_000, 600_000), [0.5, 0]),
        ((650_000, 620_000), [0.5, 0]),  # both held the first ramp's N
        ((None, 600_000), [0.5, 0]),
        ((None, 599_999), [0, 0]),
    ],
)
def test_headroom_goes_by_what_was_stored_and_not_by_what_was_asked(
    tmp_path: Path, before: tuple[int | None, int | None], headrooms: list[float]
) -> None:
    later = Ramp(scenario=parse("ramps=[{name='1', registrants=900000}]"))
    ramps = [ramp.judge(tmp_path / str(number)) for number, ramp in enumerate((Ramp(), later))]
    assert [ramp.stored_before for ramp in ramps] == [600_000, 900_000]
    held = tuple(replace(ramp, stored_before=count) for ramp, count in zip(ramps, before, strict=True))

    assert [ramp.headroom for ramp in judge.with_headroom(held)] == pytest.approx(headrooms)


@pytest.mark.parametrize("name", [RUN, "environment.json"])
@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_missing_labels_do_not_keep_a_run_from_being_judged(tmp_path: Path, name: str, content: str | None) -> None:
    path = run_directory(tmp_path / "run", [])
    (path / name).unlink()
    if content is not None:
        (path / name).write_text(content)

    assert judge_run(path).verdict is OPEN


def test_a_folder_without_a_scenario_is_refused(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [])
    (path / "scenario.toml").unlink()

    with pytest.raises(ScenarioError):
        judge_run(path)
    with pytest.raises(EvidenceError, match="no run directory"):
        judge_run(tmp_path)


def test_a_ramp_killed_at_any_moment_is_judged_and_never_green(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [Ramp()])
    folder = next((path / "ramps").iterdir())
    names = ["stored.ndjson.gz", CONTROLLER, "worker-0/vitals.seg", "worker-0/arrivals.seg", "worker-0/samples.seg"]
    for name in [*names, "worker-0/ledger.seg", "target.json", RAMP]:
        (folder / name).unlink()
        assert judge_run(path).verdict is OPEN, name
    shutil.rmtree(folder)

    assert judge_run(path).verdict is OPEN


@pytest.mark.parametrize("name", ["samples", "arrivals", "ledger"])
def test_a_segment_cut_off_is_never_green(tmp_path: Path, name: str) -> None:
    path = run_directory(tmp_path / "run", [Ramp()])
    segment = next((path / "ramps").iterdir()) / "worker-0" / f"{name}.seg"
    segment.write_bytes(segment.read_bytes()[:-1])

    assert judge_run(path).verdict is not GREEN
