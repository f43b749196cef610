"""What comparing two groups of searches says besides the numbers; searches are small, and read as runs are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic import TEXT, run_directory

from prakerja_load.errors import ScenarioError
from prakerja_load.evidence.run_directory import CAPACITY, SCENARIO, VERDICT, write_json
from prakerja_load.judgement.compared import Compared, CompareOrder, compare_runs, compared_json
from prakerja_load.judgement.comparison import Outcome


def search(path: Path, passed: float, created: str = "", text: str = TEXT) -> Path:
    """Write a search that passed a rate and failed at one two per cent above."""
    path.mkdir()
    (path / SCENARIO).write_text(text)
    said = {"created": created, "interval": {"passed": passed, "failed": 1.02 * passed}}
    write_json(path / CAPACITY, said | {"environment": {"cores": "2"}})
    return path


def searches(folder: Path, passed: dict[str, float], order: str, text: str = TEXT) -> list[tuple[Path, ...]]:
    """Write a search for each letter of an order, in their order of time, and return those of each letter."""
    paths = {
        place: search(folder / f"{letter}{place}", passed[letter], f"2026-01-01T00:0{place}", text)
        for place, letter in enumerate(order)
    }
    return [tuple(path for place, path in paths.items() if order[place] == letter) for letter in passed]


def compared(folder: Path, order: str = "bnbn", slower: float = 1.0, **more: Any) -> Compared:
    base, new = searches(folder, {"b": 100.0, "n": 100.0 / slower}, order)
    return compare_runs(CompareOrder(base, new, **more))


def test_a_comparison_names_what_was_compared(tmp_path: Path) -> None:
    found = compared(tmp_path, tolerance="4%")

    assert (found.scenario, found.base, found.new) == ("synthetic", ("b0", "b2"), ("n1", "n3"))
    assert (found.tolerance, found.system, found.remarks) == (pytest.approx(0.04), (), ())
    assert found.needed is None  # nothing that was compared is a time
    assert [change.indicator.tolerance for change in found.comparison.changes] == [pytest.approx(0.04)]
    assert len(found.digest) == 32


def test_in_what_the_systems_differ_is_told(tmp_path: Path) -> None:
    (base,) = searches(tmp_path, {"b": 100.0}, "bb")
    (new,) = searches(tmp_path, {"n": 100.0}, "nn", f"{TEXT}\n[registrar]\ncivil_latency = '100ms'\n")

    assert compare_runs(CompareOrder(base, new)).system == ("registrar.civil_latency: 0.02 → 0.1",)


TURNS = "the runs did not take turns, so that a drift of the machine counts as a change of the system"
SINGLE = "one run of a side shows no spread between runs"


@pytest.mark.parametrize(
    ("order", "more", "remarks"),
    [
        ("bnbn", {}, ()),
        ("bbnn", {}, (TURNS,)),
        ("bn", {}, (SINGLE,)),
        ("bbn", {}, (SINGLE,)),
        ("bnn", {}, (SINGLE,)),
        (
            "bnbn",
            {"despite": ("scenario.seed", "version of")},
            ("compared despite differences in: scenario.seed, version of",),
        ),
        ("bnbn", {"only": ("capacity", "p99")}, ("compared in no more than: capacity, p99",)),
        (
            "bbnn",
            {"despite": ("x",), "only": ("*",)},
            (TURNS, "compared despite differences in: x", "compared in no more than: *"),
        ),
    ],
)
def test_what_weakens_a_comparison_is_remarked(
    order: str, more: dict[str, Any], remarks: tuple[str, ...], tmp_path: Path
) -> None:
    assert compared(tmp_path, order, **more).remarks == remarks


@pytest.mark.parametrize("pattern", ["capacity", "sustained", "capacity, arrivals/s*", "arrivals?s", "p42"])
def test_an_indicator_is_chosen_by_any_part_of_its_name_and_of_what_it_is_of(pattern: str, tmp_path: Path) -> None:
    only = (pattern, "sustained") if pattern == "p42" else (pattern,)  # any of several is enough

    assert len(compared(tmp_path, only=only).comparison.changes) == 1


def test_a_pattern_that_chooses_nothing_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refusal:
        compared(tmp_path, only=("*rate*", "p42"))

    (problem,) = refusal.value.problems
    assert (problem.key, problem.given) == ("--only", "*rate* p42")
    assert problem.allowed == "patterns of: arrivals/s sustained"


@pytest.mark.parametrize(("tolerance", "share"), [("5%", 0.05), ("0.1%", 0.001), ("99%", 0.99)])
def test_a_tolerance_is_a_share(tolerance: str, share: float, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    order = CompareOrder((tmp_path / "a",), (tmp_path / "b",), tolerance)

    assert order.parsed_tolerance() == pytest.approx(share)


@pytest.mark.parametrize("tolerance", ["0%", "100%", "-5%", "150%", "much", ""])
def test_a_tolerance_that_allows_nothing_or_everything_is_refused(tolerance: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    for base, new, key in (((), (tmp_path / "a",), "BASE"), ((tmp_path / "a",), (), "NEW")):
        with pytest.raises(ScenarioError) as refusal:
            CompareOrder(base, new, tolerance).parsed_tolerance()

        assert str(refusal.value).startswith("compare: 2 problems")
        assert [(problem.key, problem.given, problem.allowed) for problem in refusal.value.problems] == [
            (key, "no run", "run directories: BASE… -- NEW…"),
            ("--tolerance", repr(tolerance), "a share such as 5%"),
        ]


def test_everything_wrong_with_the_runs_of_an_order_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    here, gone = tmp_path / "a", tmp_path / "gone"

    with pytest.raises(ScenarioError) as refusal:
        CompareOrder((here, gone), (tmp_path / "a" / ".." / "a",)).parsed_tolerance()

    assert [(problem.key, problem.given, problem.allowed) for problem in refusal.value.problems] == [
        ("run", str(gone), "a directory of a run or of a capacity search"),
        ("BASE and NEW", str(here), "each run on one side only"),
    ]


@pytest.mark.parametrize(("slower", "outcome"), [(1.25, Outcome.WORSE), (1.0, Outcome.SAME), (0.8, Outcome.BETTER)])
def test_as_json_a_comparison_is_told_in_words_and_numbers(slower: float, outcome: Outcome, tmp_path: Path) -> None:
    found = compared(tmp_path, slower=slower)

    said = compared_json(found)

    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert (said["schema"], said["outcome"], said["exit_code"]) == (1, outcome.words, outcome.exit_code)
    assert (said["base"], said["new"], said["digest"]) == (["b0", "b2"], ["n1", "n3"], found.digest)
    assert (said["remarks"], said["needed"], said["reasons"]) == ([], None, list(found.comparison.reasons))
    assert "comparison" not in said
    (change,) = said["changes"]
    assert (change["part"], change["name"], change["unit"]) == ("capacity", "arrivals/s sustained", "1/s")
    assert (change["outcome"], change["tolerance"]) == (outcome.words, 0.05)
    assert change["change"] == pytest.approx(1 / slower - 1)
    assert change["values"] == {"base": [100.0, 100.0], "new": [100 / slower] * 2}
    (told,) = found.comparison.changes
    assert change["reason"] == told.reason
    assert (change["base"], change["new"]) == (pytest.approx(told.base), pytest.approx(told.new))


def test_a_number_that_one_run_cannot_give_is_null_and_not_a_guess(tmp_path: Path) -> None:
    (change,) = compared_json(compared(tmp_path, "bn"))["changes"]

    assert change["outcome"] == Outcome.CANNOT_TELL.words
    assert not any(isinstance(value, float) and value != value for value in change.values())


def test_what_the_new_runs_lost_makes_them_worse_where_no_time_can_be_told(tmp_path: Path) -> None:
    for name, lost in (("a", 0), ("b", 2)):
        ramp = {"number": 1, "name": "600 000", "journey": None, "integrity": {"lost": lost}}
        write_json(run_directory(tmp_path / name, []) / VERDICT, {"schema": 1, "ramps": [ramp]})

    worse, alike = (
        compare_runs(CompareOrder((tmp_path / base,), (tmp_path / new,))).comparison for base, new in ("ab", "ba")
    )

    assert (worse.outcome, alike.outcome) == (Outcome.WORSE, Outcome.CANNOT_TELL)
    assert worse.reasons[0] == "integrity: 2 writes lost in the new runs, none in the base"
