"""Whole run directories compared: from what is on disk to the sentence, the page and the exit code."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import command
from synthetic import TEXT, Ramp, parse, run_directory

from prakerja_load.errors import EvidenceError, ScenarioError
from prakerja_load.evidence.run_directory import CAPACITY, write_json
from prakerja_load.journey import step as steps
from prakerja_load.judgement import repeats
from prakerja_load.judgement.comparability import NotComparableError
from prakerja_load.judgement.compared import CompareOrder, compare_runs, compared_json
from prakerja_load.judgement.comparison import Outcome, compare
from prakerja_load.judgement.judge import judge_run
from prakerja_load.judgement.record import write_verdict
from prakerja_load.report.compared import lines, page

STEP = 2  # wave-page
REPEATS = 5


def write(path: Path, seed: int, slow: float = 1.0, **more: Any) -> Path:
    """Write and judge one run; a step of it is slower by a factor."""
    ramp = Ramp(seed=seed, **more)
    ramp.service[:, STEP - 1] *= slow
    run_directory(path, [ramp])
    write_verdict(judge_run(path), path)
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of recorded runs: five of a system, and five with one step ten per cent slower."""
    folder = tmp_path_factory.mktemp("runs")
    for number in range(REPEATS):
        write(folder / f"base-{number}", number)
        write(folder / f"same-{number}", 100 + number)
        write(folder / f"slow-{number}", 200 + number, slow=1.1)
    return folder


def side(folder: Path, name: str, count: int = REPEATS) -> tuple[Path, ...]:
    return tuple(folder / f"{name}-{number}" for number in range(count))


def test_ten_per_cent_in_one_step_are_found_and_named(runs: Path) -> None:
    found = compare_runs(CompareOrder(side(runs, "base"), side(runs, "slow")))

    first = found.comparison.changes[0]
    assert found.comparison.outcome is Outcome.WORSE
    assert first.indicator.name == "service time of step 2 wave-page, p50"
    assert first.change == pytest.approx(0.10, abs=0.03)
    assert [change.outcome for change in found.comparison.changes].count(Outcome.WORSE) <= 3  # the journey's times too


def test_the_same_system_again_is_the_same(runs: Path) -> None:
    found = compare_runs(CompareOrder(side(runs, "base"), side(runs, "same")))

    assert found.comparison.outcome is Outcome.SAME
    assert {change.indicator.name for change in found.comparison.changes} == {
        "journey time, p50",
        "journey time, p99",
        "success of journeys meant to finish",
        *(f"service time of step {number} {name}, p50" for number, name in enumerate(
            ("log-in", "wave-page", "join-wave", "read-status"), 1)),
    }  # fmt: skip


def test_bootstrapped_from_recorded_runs_the_slow_step_is_caught_and_the_same_system_is_not_accused(runs: Path) -> None:
    """Repeats drawn with replacement from the recorded journeys, block by block, as other days would give them."""
    from prakerja_load.judgement.comparison import Indicator

    random = np.random.default_rng(6)
    recorded = {name: [_recorded(path) for path in side(runs, name)] for name in ("base", "slow")}
    tolerance, trials = 0.05, 150

    def repeat(name: str) -> np.ndarray[Any, Any]:
        service = recorded[name][int(random.integers(REPEATS))]
        starts = random.integers(0, len(service) - 50, len(service) // 50)
        drawn = service[(starts[:, None] + np.arange(50)).ravel()]
        whole = drawn.sum(axis=1)
        return np.array([*np.median(drawn, axis=0), *np.quantile(whole, (0.5, 0.99))])

    def outcome(name: str) -> Outcome:
        base, new = (np.array([repeat(of) for _ in range(REPEATS)]) for of in ("base", name))
        together = [Indicator("", str(k), "s", tuple(base[:, k]), tuple(new[:, k]), tolerance) for k in range(6)]
        return compare(together).outcome

    slow, same = ([outcome(name) for _ in range(trials)] for name in ("slow", "base"))

    assert slow.count(Outcome.WORSE) >= 0.95 * trials
    assert same.count(Outcome.WORSE) <= 0.05 * trials


def _recorded(path: Path) -> np.ndarray[Any, Any]:
    """Return the service times of a recorded run, (arrival, step)."""
    from prakerja_load.evidence.ramp import load_ramp

    samples = load_ramp(next((path / "ramps").iterdir())).samples
    ordered = samples[np.lexsort((samples["step"], samples["index"]))]
    return ((ordered["finished"] - ordered["started"]) / 1e9).reshape(-1, 4)


def test_lines_json_and_page_say_the_same(runs: Path) -> None:
    found = compare_runs(CompareOrder(side(runs, "base"), side(runs, "slow")))

    text, said, html = "\n".join(lines(found)), compared_json(found), page(found)

    assert text.startswith("worse in ")
    assert (said["schema"], said["outcome"], said["exit_code"]) == (1, "worse", 1)
    assert found.digest in text
    assert found.digest in html
    assert said["digest"] == found.digest
    assert "service time of step 2 wave-page, p50" in html
    assert "could have seen a change of " in text
    assert "to see 10 % in every time, run " in text
    assert all(change["name"] in html for change in said["changes"])
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert "<script" not in html
    assert page(found) == html


def test_one_run_each_cannot_tell_and_says_what_would(runs: Path) -> None:
    found = compare_runs(CompareOrder(side(runs, "base", 1), side(runs, "slow", 1)))

    assert found.comparison.outcome is Outcome.CANNOT_TELL
    assert "one run of a side shows no spread between runs" in found.remarks
    assert "give five of each" in found.comparison.reasons[0]


def test_indicators_can_be_chosen_beforehand(runs: Path) -> None:
    order = CompareOrder(side(runs, "base"), side(runs, "slow"), only=("step 1 *p50", "success"))

    found = compare_runs(order)

    assert {change.indicator.name for change in found.comparison.changes} == {
        "success of journeys meant to finish",
        "service time of step 1 log-in, p50",
    }
    assert found.comparison.outcome is Outcome.SAME
    with pytest.raises(ScenarioError, match="--only: got p42, allowed: patterns of: journey time, p50"):
        compare_runs(CompareOrder(side(runs, "base"), side(runs, "slow"), only=("p42",)))


def test_runs_that_asked_something_else_are_refused(runs: Path, tmp_path: Path) -> None:
    other = run_directory(tmp_path / "other", [Ramp(scenario=parse("seed=12"))], TEXT.replace("seed = 11", "seed = 12"))

    with pytest.raises(NotComparableError, match=r"scenario\.seed: got 11 in base-0; 12 in other"):
        compare_runs(CompareOrder(side(runs, "base", 1), (other,)))


def test_a_run_without_a_verdict_is_judged_and_left_as_it_is(runs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs / "base-0", tmp_path / "copy"))
    (copy / "verdict.json").unlink()
    before, after = (compare_runs(CompareOrder((path,), side(runs, "same", 1))) for path in (runs / "base-0", copy))

    assert before.comparison == after.comparison
    assert not (copy / "verdict.json").exists()
    (copy / "verdict.json").write_text('{"schema": 999}')
    assert compare_runs(CompareOrder((copy,), side(runs, "same", 1))).comparison == before.comparison


def test_a_starved_generator_of_the_new_runs_is_no_slower_system(runs: Path, tmp_path: Path) -> None:
    starved = tuple(write(tmp_path / f"starved-{n}", 300 + n, slow=1.5, cpu=0.97) for n in range(3))

    found = compare_runs(CompareOrder(side(runs, "base", 3), starved))
    other_way = compare_runs(CompareOrder(starved, side(runs, "base", 3)))

    assert found.comparison.outcome is Outcome.CANNOT_TELL
    assert "is unsound: generator CPU" in found.comparison.reasons[0]
    assert other_way.comparison.outcome is Outcome.CANNOT_TELL


def test_writes_lost_by_the_new_system_are_worse_whatever_its_speed(runs: Path, tmp_path: Path) -> None:
    losing = write(tmp_path / "losing", 7, rows=lambda rows: rows[2:])

    found = compare_runs(CompareOrder(side(runs, "base", 1), (losing,)))
    known = compare_runs(CompareOrder((losing,), (Path(shutil.copytree(losing, tmp_path / "again")),)))

    assert found.comparison.outcome is Outcome.WORSE
    assert found.comparison.reasons[0] == "integrity: 2 writes lost in the new runs, none in the base"
    assert known.comparison.outcome is Outcome.CANNOT_TELL


@pytest.mark.parametrize(
    ("lost_before", "lost_now", "is_worse"),
    [((1,), (500,), True), ((1,), (1,), False), ((2, 2), (3,), True), ((2, 2), (2,), False), ((3,), (2, 2), False)],
)
def test_a_system_that_loses_more_than_the_base_is_worse_although_the_base_lost_some(
    runs: Path, lost_before: tuple[int, ...], lost_now: tuple[int, ...], is_worse: bool
) -> None:
    read = repeats.read(runs / "base-0")

    def losing(count: int) -> repeats.Repeat:
        ramps = [dict(ramp, integrity=dict(ramp["integrity"], lost=count)) for ramp in read.ramps]
        return replace(read, said=dict(read.said, ramps=ramps))

    said = repeats.harm([losing(count) for count in lost_before], [losing(count) for count in lost_now])

    assert bool(said) is is_worse
    assert all(f"{sum(lost_now)} writes lost in the new runs, {sum(lost_before)} in the base" in text for text in said)


@pytest.mark.parametrize("place", [0, 4])
def test_a_ramp_that_one_base_run_could_not_judge_is_not_passed_over(runs: Path, place: int) -> None:
    base, new = ([repeats.read(path) for path in side(runs, name)] for name in ("base", "slow"))
    ramps = [dict(ramp, journey=None, steps=[]) for ramp in base[place].ramps]
    base[place] = replace(base[place], said=dict(base[place].said, ramps=ramps))

    compared = compare(repeats.indicators(base, new, 0.05))

    assert compared.outcome is Outcome.CANNOT_TELL
    assert len(compared.changes) == 7
    assert all("not measured in every run" in change.reason for change in compared.changes)


def test_failures_of_the_new_system_are_worse(runs: Path, tmp_path: Path) -> None:
    failing = [
        run_directory(tmp_path / f"failing-{n}", [Ramp(seed=n).fail(3, slice(0, None, 9), steps.Outcome.ERROR, 0.01)])
        for n in range(3)
    ]

    found = compare_runs(CompareOrder(side(runs, "base", 3), tuple(failing)))

    worse = [change.indicator.name for change in found.comparison.changes if change.outcome is Outcome.WORSE]
    assert "success of journeys meant to finish" in worse
    assert "journey time, p99" in worse


def search(path: Path, passed: float | None, failed: float | None, **asked: Any) -> Path:
    path.mkdir()
    (path / "scenario.toml").write_text(TEXT)
    write_json(
        path / CAPACITY,
        {"schema": 1, "created": path.name, "seed": 11, "precision": 0.05, "environment": {"cores": "2"},
         "asked": asked, "interval": {"passed": passed, "failed": failed}},
    )  # fmt: skip
    return path


def test_repeated_capacity_searches_are_compared_by_both_ends(tmp_path: Path) -> None:
    def repeated(name: str, passed: float | None, failed: float | None) -> tuple[Path, ...]:
        return tuple(search(tmp_path / f"{name}{k}", passed, failed) for k in range(2))

    before, less, about = (
        repeated(name, passed, passed * 1.02) for name, passed in (("a", 100.0), ("b", 80.0), ("c", 101.0))
    )
    open_ended, nothing = repeated("d", 100.0, None), repeated("e", None, 3.0)

    def outcome(new: tuple[Path, ...]) -> Outcome:
        return compare_runs(CompareOrder(before, new)).comparison.outcome

    single = compare_runs(CompareOrder(before[:1], less[:1])).comparison
    assert single.outcome is Outcome.CANNOT_TELL
    assert "[100, 102) before and [80, 81.6) now" in single.reasons[0]
    assert [outcome(new) for new in (less, about, open_ended, nothing)] == [
        Outcome.WORSE,
        Outcome.SAME,
        Outcome.CANNOT_TELL,
        Outcome.CANNOT_TELL,
    ]


def test_searches_with_other_objectives_or_holds_are_not_compared(tmp_path: Path) -> None:
    plain = search(tmp_path / "a", 100.0, 102.0, overrides=[], hold=None)
    looser = search(tmp_path / "b", 100.0, 102.0, overrides=["objectives.elapsed_base=9s"], hold=None)
    longer = search(tmp_path / "c", 100.0, 102.0, overrides=[], hold=300.0)

    with pytest.raises(NotComparableError, match=r"scenario\.objectives\.elapsed_base: got .* in a; 9\.0 in b"):
        compare_runs(CompareOrder((plain,), (looser,)))
    with pytest.raises(NotComparableError, match=r"search hold: got None in a; 300\.0 in c"):
        compare_runs(CompareOrder((plain,), (longer,)))


def test_speed_that_is_bought_with_unverified_writes_is_no_gain(runs: Path, tmp_path: Path) -> None:
    unasked = []
    for path in side(runs, "same"):
        copy = Path(shutil.copytree(path, tmp_path / path.name))
        said = json.loads((copy / "verdict.json").read_text())
        said["ramps"][0]["integrity"]["verdict"] = "INCONCLUSIVE"
        (copy / "verdict.json").write_text(json.dumps(said))
        unasked.append(copy)

    found = compare_runs(CompareOrder(side(runs, "base"), tuple(unasked)))

    assert found.comparison.outcome is Outcome.CANNOT_TELL
    assert "what is stored is not verified in same-0" in found.comparison.reasons[0]
    assert compare_runs(CompareOrder(tuple(unasked), side(runs, "base"))).comparison.outcome is Outcome.SAME


def test_a_ramp_that_was_not_judged_in_some_or_in_all_runs_cannot_tell(runs: Path, tmp_path: Path) -> None:
    crashed = []
    for path in (*side(runs, "base"), *side(runs, "same")):
        copy = Path(shutil.copytree(path, tmp_path / path.name))
        said = json.loads((copy / "verdict.json").read_text())
        said["ramps"][0] |= {"journey": None, "steps": []}
        (copy / "verdict.json").write_text(json.dumps(said))
        crashed.append(copy)

    base, new = tuple(crashed[:REPEATS]), tuple(crashed[REPEATS:])
    for pair in ((base, side(runs, "same")), (side(runs, "base"), new), (base, new)):
        found = compare_runs(CompareOrder(*pair))
        assert found.comparison.outcome is Outcome.CANNOT_TELL
        assert "not measured in every run" in found.comparison.reasons[0]


def test_a_search_and_a_run_are_not_compared(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(NotComparableError):
        compare_runs(CompareOrder(side(runs, "base", 1), (search(tmp_path / "a", 1.0, 2.0),), despite=("",)))
    (tmp_path / "a" / CAPACITY).write_text("[]")
    with pytest.raises(EvidenceError, match="is not what a capacity search writes"):
        compare_runs(CompareOrder(side(runs, "base", 1), (tmp_path / "a",)))


def test_an_order_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refusal:
        compare_runs(CompareOrder((), (tmp_path / "gone",), tolerance="much"))

    assert [problem.key for problem in refusal.value.problems] == ["BASE", "run", "--tolerance"]
    with pytest.raises(ScenarioError, match="each run on one side only"):
        compare_runs(CompareOrder((tmp_path,), (tmp_path,)))


def test_the_command_compares_both_sides_of_the_dashes(runs: Path, tmp_path: Path) -> None:
    html = tmp_path / "page.html"

    worse = command("compare", "--page", html, "--json", *side(runs, "base"), "--", *side(runs, "slow"))
    nothing = command("compare", runs / "base-0")

    assert (worse.code, nothing.code) == (1, 2)
    assert json.loads(worse.out)["changes"][0]["outcome"] == "worse"
    assert html.read_text().startswith("<!DOCTYPE html>")
    assert "NEW: got no run" in nothing.err
