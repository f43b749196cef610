"""Ramps of which little is known, and curves: what is said of them, and what is not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from synthetic import CURVE, TEXT, Ramp, parse, run_directory

from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.evidence.run_directory import RUN, write_json
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement.case import Case
from prakerja_load.judgement.estimate import NOTHING
from prakerja_load.judgement.judge import judge_run, with_headroom
from prakerja_load.judgement.plan import journey_figures
from prakerja_load.judgement.ramp import undecided
from prakerja_load.judgement.resources import keeps_memory, memory_growth
from prakerja_load.judgement.verdict import Counts, RampJudgement, Verdict
from prakerja_load.judgement.window import Window
from prakerja_load.units import SECOND_NS

GREEN, OPEN, RED = Verdict
MIB = 2.0**20


def test_of_a_ramp_that_was_not_run_the_plan_is_told_and_nothing_else() -> None:
    ramp = Ramp()

    told = undecided(ramp.scenario, ramp.plan, "the ramp was not run")

    assert (told.number, told.name, told.registrants, told.claim) == (1, "600 000", 600_000, "peak")
    assert (told.rate, told.hold, told.warm_up) == (100.0, 60.0, 5.0)
    assert (told.verdict, told.reasons) == (OPEN, ("the ramp was not run",))
    assert told.counts == Counts(ramp.plan.count, 0, 0, 0, ("the ramp was not run",))
    assert (told.integrity.verdict, told.integrity.reasons) == (OPEN, ("the ramp was not run",))
    assert told.sentence.startswith("INCONCLUSIVE: ")
    assert told.arithmetic[1] == "0.01 × 1 × 600 000 / 60 s = 100 arrivals/s"
    assert (told.findings, told.objectives, told.headroom, told.stored_before) == ((), (), None, None)


def test_a_judged_ramp_says_what_it_was_asked(tmp_path: Path) -> None:
    ramp = Ramp().fail(2, slice(3_000, 3_020), Outcome.ERROR, 0.01)

    told = ramp.judge(tmp_path)

    assert (told.number, told.name, told.registrants, told.claim) == (1, "600 000", 600_000, "peak")
    assert (told.rate, told.hold, told.warm_up, told.stored_before) == (100.0, 60.0, 5.0, 600_000)
    assert told.counts.offered == told.counts.started == 6_500
    assert told.counts.acknowledged == told.counts.verified == 6_480
    assert told.owed == pytest.approx(10, rel=0.1)
    assert told.backlog is not None


def test_a_curve_owes_nothing_on_average_and_has_no_growth(tmp_path: Path) -> None:
    told = Ramp(scenario=CURVE).judge(tmp_path)

    assert (told.claim, told.owed, told.backlog) == ("volume", 0.0, None)


def test_a_ramp_that_was_never_begun_keeps_no_later_one_from_being_judged(tmp_path: Path) -> None:
    both = parse("ramps=[{name='600 000', registrants=600000}, {name='700 000', registrants=700000}]")
    text = TEXT.replace("[journey]", '[[ramps]]\nname = "700 000"\nregistrants = 700_000\n[journey]')
    path = run_directory(tmp_path / "run", [Ramp(), Ramp(scenario=both, number=2, run="k1r2")], text)
    shutil.rmtree(path / "ramps" / "01-600000")

    told = judge_run(path)

    assert [(ramp.number, ramp.verdict) for ramp in told.ramps] == [(1, OPEN), (2, GREEN)]
    assert (told.verdict, told.exit_code) == (OPEN, 3)


def test_a_judgement_names_the_run_as_it_was_ordered_and_nothing_that_was_not_written(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [])
    told = judge_run(path)
    assert (told.scenario, told.description, told.run) == ("synthetic", "", "k1")
    assert (told.seed, told.created) == (11, "2020-04-11")

    write_json(path / RUN, {"overrides": ["name=renamed", "seed=12"]})
    told = judge_run(path)
    assert (told.scenario, told.description, told.run) == ("renamed", "", "")
    assert (told.seed, told.created) == (12, "")
    assert [ramp.reasons for ramp in told.ramps] == [("the ramp was not run",)]


def proven(rate: float, registrants: int, stored: int | None, verdict: Verdict = GREEN, claim: str = "peak") -> Any:
    ramp = Ramp()
    told = undecided(ramp.scenario, ramp.plan, "")
    return replace(told, rate=rate, registrants=registrants, stored_before=stored, verdict=verdict, claim=claim)


def headrooms(*ramps: RampJudgement) -> list[float | None]:
    return [ramp.headroom for ramp in with_headroom(ramps)]


def test_headroom_is_of_the_highest_rate_proven_on_a_store_at_least_as_full() -> None:
    assert headrooms(proven(100, 200, 200), proven(150, 300, 300)) == [0.5, 0.0]
    assert headrooms(proven(150, 200, 200), proven(100, 300, 300)) == [0.0, 0.0]
    assert headrooms(proven(100, 200, 200), proven(150, 200, 200)) == [0.5, 0.0]


def test_a_store_that_was_not_counted_proves_nothing_for_another_ramp() -> None:
    assert headrooms(proven(100, 200, None), proven(150, 300, None)) == [0.0, 0.0]
    assert headrooms(proven(100, 200, None), proven(150, 300, 200)) == [0.5, 0.0]
    assert headrooms(proven(100, 200, 50), proven(150, 300, 60)) == [0.5, 0.0]


@pytest.mark.parametrize(("verdict", "claim"), [(OPEN, "peak"), (RED, "peak"), (GREEN, "volume")])
def test_what_is_not_proven_gives_no_headroom_and_has_none(verdict: Verdict, claim: str) -> None:
    assert headrooms(proven(100, 200, 200), proven(150, 300, 300, verdict, claim)) == [0.0, None]


def remembering(rss: Any, start: float = 0.0) -> Case:
    """Return a case whose target told its memory, in MiB, in the middle of each second."""
    memory = np.column_stack([(np.arange(len(rss)) + 0.5 + start) * SECOND_NS, np.asarray(rss) * MIB])
    return cast(Case, SimpleNamespace(evidence=SimpleNamespace(memory=memory), window=Window(0.0, 100.0)))


@pytest.mark.parametrize(("seconds", "is_told"), [(19, False), (20, True)])
def test_twenty_seconds_of_memory_are_enough_to_tell_a_growth(seconds: int, *, is_told: bool) -> None:
    growth, before = memory_growth(remembering(300 + 2.0 * np.arange(seconds)))

    assert (growth is not NOTHING) is is_told
    assert growth.n == (seconds if is_told else 0)
    if is_told:
        assert growth.value == pytest.approx(200)  # over the 100 s that are judged
        assert before == pytest.approx(299)  # half a second before the first


@pytest.mark.parametrize(
    ("before", "slope", "holds"),
    [(100.0, 0.63, True), (100.0, 0.66, False), (400.0, 0.99, True), (400.0, 1.01, False)],
)
def test_memory_may_grow_by_a_quarter_or_by_64_mib_whichever_is_more(
    before: float, slope: float, *, holds: bool
) -> None:
    """Over the 100 s that are judged; of 400 MiB a quarter is more than 64."""
    seen = keeps_memory(remembering(before + slope * (np.arange(100) + 0.5)))

    assert seen.holds is holds
    assert seen.allowed == f"growth ≤ {max(64, before / 4):.4g} MiB"


def test_a_target_that_tells_too_little_is_not_accused() -> None:
    assert keeps_memory(remembering(300 + 50.0 * np.arange(19))) == (
        True,
        "the target told nothing of its memory",
        "",
    )


def test_a_write_that_a_ramp_had_in_doubt_is_no_stranger_when_it_lands_during_the_next(tmp_path: Path) -> None:
    """Two ramps of an arrival a second: the ninth join of the first was not answered, and is found with the second."""
    asked = ["ramps=[{name='6 000', registrants=6000}, {name='7 000', registrants=7000}]"]
    late = {"kind": "join-wave", "key": "k1r1-9-3", "wave": 7}
    ramps = [
        Ramp(scenario=parse(*asked), state={9: LedgerState.IN_DOUBT}),
        Ramp(scenario=parse(*asked), number=2, run="k1r2", rows=lambda rows: [*rows, late]),
    ]
    path = run_directory(tmp_path / "run", ramps)
    write_json(path / RUN, {"overrides": asked})

    first, second = (ramp.integrity for ramp in judge_run(path).ramps)

    assert (first.in_doubt, first.not_landed, second.unexpected) == (1, 1, 0)
    assert second.reasons == ("1 write that an earlier ramp had in doubt landed since",)


def test_the_rate_of_people_present_at_once_is_told_by_the_time_of_a_journey(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "run", [], TEXT.replace("peak_minute_share = 0.01", "in_system = 500"))

    (told,) = judge_run(path).ramps

    present = parse("demand={in_system=500, process='uniform'}")
    assert told.rate == pytest.approx(500 / journey_figures(present).mean_seconds)
