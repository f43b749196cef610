"""What is said of runs, laid side by side: each value, each doubt and each harm, from values in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from synthetic import TEXT, parse, run_directory

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.run_directory import CAPACITY, ENVIRONMENT, SCENARIO, VERDICT, write_json
from prakerja_load.judgement.comparability import Facts, NotComparableError
from prakerja_load.judgement.comparison import Indicator
from prakerja_load.judgement.repeats import Repeat, harm, indicators, is_interleaved, read

SCENARIO_OF_ALL = parse("objectives.step_success=98%")
P50, P99, SUCCESS = "journey time, p50", "journey time, p99", "success of journeys meant to finish"
LOGIN = "service time of step 1 log-in, p50"


def step(number: int, name: str, seconds: float, *, is_gated: bool = True) -> dict[str, Any]:
    return {"number": number, "name": name, "is_gated": is_gated, "service": {"p50": {"value": seconds, "n": 9}}}


def ramp(number: int = 1, scale: float = 1.0, **changed: Any) -> dict[str, Any]:
    """Return what verdict.json says of a ramp of two steps, the second of which is not the system's."""
    times = {share: {"value": scale * value} for share, value in (("p50", 0.2), ("p99", 0.5))}
    said = {
        "number": number,
        "name": f"{number}00 000",
        "journey": {"elapsed": times, "success": {"value": 0.999}},
        "steps": [step(2, "look-aside", 7.0, is_gated=False), step(1, "log-in", scale * 0.1)],
        "findings": [],
        "integrity": {"verdict": "SUSTAINED"},
    }
    return said | changed


def run(name: str, *ramps: Mapping[str, Any], created: str = "") -> Repeat:
    return Repeat(Facts(name, {}, {}), created, SCENARIO_OF_ALL, {"ramps": list(ramps)})


def search(name: str, passed: float | None, failed: float | None) -> Repeat:
    said = {"interval": {"passed": passed, "failed": failed}, "ramps": [{"integrity": {"lost": 5}}]}
    return Repeat(Facts(name, {}, {}), "", SCENARIO_OF_ALL, said, is_search=True)


def by_name(base: Sequence[Repeat], new: Sequence[Repeat]) -> dict[str, Indicator]:
    return {each.name: each for each in indicators(base, new, 0.05)}


def test_each_gated_time_and_the_success_are_compared_in_their_units() -> None:
    found = by_name([run("a", ramp()), run("b", ramp(scale=2))], [run("c", ramp(scale=3))])

    assert [(name, each.unit, each.is_gain, each.tolerance) for name, each in found.items()] == [
        (P50, "s", False, 0.05),
        (P99, "s", False, 0.05),
        (SUCCESS, "share", True, pytest.approx(0.02)),  # a success may vary by what the scenario lets fail
        (LOGIN, "s", False, 0.05),
    ]
    assert {each.part for each in found.values()} == {"ramp 1 100 000"}
    assert (found[P50].base, found[P50].new) == (pytest.approx((0.2, 0.4)), pytest.approx((0.6,)))
    assert (found[P99].base, found[P99].new) == (pytest.approx((0.5, 1.0)), pytest.approx((1.5,)))
    assert (found[SUCCESS].base, found[SUCCESS].new) == ((0.999, 0.999), (0.999,))
    assert (found[LOGIN].base, found[LOGIN].new) == (pytest.approx((0.1, 0.2)), pytest.approx((0.3,)))
    assert {(each.against_worse, each.against_better, each.spans) for each in found.values()} == {("", "", ((), ()))}


def test_a_quantile_that_failures_reach_is_compared_as_infinite() -> None:
    failing = {"elapsed": {"p50": {"value": 0.2}, "p99": {"value": "inf"}}, "success": {"value": 0.9}}

    found = by_name([run("a", ramp())], [run("b", ramp(journey=failing))])

    assert (found[P99].new, found[P99].against_worse) == ((math.inf,), "")


def test_ramps_are_compared_in_their_order_each_with_its_own() -> None:
    base, new = run("a", ramp(2, 2.0), ramp(1)), run("b", ramp(1, 3.0), ramp(2, 5.0))

    medians = [each for each in indicators([base], [new], 0.05) if each.name == P50]

    assert [(each.part, each.base, each.new) for each in medians] == [
        ("ramp 1 100 000", pytest.approx((0.2,)), pytest.approx((0.6,))),
        ("ramp 2 200 000", pytest.approx((0.4,)), pytest.approx((1.0,))),
    ]


UNJUDGED = {"journey": None, "steps": []}


@pytest.mark.parametrize(
    ("base", "new", "values"),
    [
        ([ramp(**UNJUDGED)], [ramp()], (math.nan, 0.2)),
        ([ramp()], [ramp(**UNJUDGED)], (0.2, math.nan)),
        ([], [ramp()], (math.nan, 0.2)),
        ([ramp()], [], (0.2, math.nan)),
        ([ramp()], [ramp(journey={"elapsed": {}}, steps=None)], (0.2, math.nan)),
    ],
)
def test_a_ramp_that_one_side_did_not_measure_is_compared_and_doubted(
    base: list[dict[str, Any]], new: list[dict[str, Any]], values: tuple[float, float]
) -> None:
    found = by_name([run("a", *base)], [run("b", *new)])

    assert set(found) == {P50, P99, SUCCESS, LOGIN}  # those of the run that measured it
    assert (*found[P50].base, *found[P50].new) == pytest.approx(values, nan_ok=True)
    for each in found.values():
        assert each.against_worse == each.against_better == "not measured in every run"


def test_of_a_ramp_that_no_run_measured_the_times_of_the_journey_are_missing() -> None:
    found = by_name([run("a", ramp(**UNJUDGED))], [run("b", ramp(**UNJUDGED))])

    assert set(found) == {P50, P99, SUCCESS}
    assert {each.against_worse for each in found.values()} == {"not measured in every run"}


def broken(kind: str, *, holds: bool = False, number: int = 1) -> dict[str, Any]:
    findings = [
        {"rule": "lateness", "kind": kind, "holds": holds},
        {"rule": "fine", "kind": kind, "holds": True},
        {"rule": "generator CPU", "kind": kind, "holds": holds},
    ]
    return ramp(number, findings=findings)


UNSOUND = "odd is unsound: lateness, generator CPU"


@pytest.mark.parametrize(
    ("is_new", "kind", "against_worse", "against_better"),
    [
        (True, "accusing", UNSOUND, ""),
        (True, "flattering", "", UNSOUND),
        (False, "accusing", "", UNSOUND),
        (False, "flattering", UNSOUND, ""),
        (True, "note", "", ""),
    ],
)
def test_what_makes_one_side_look_worse_or_better_stands_against_just_that(
    *, is_new: bool, kind: str, against_worse: str, against_better: str
) -> None:
    sides = [run("fine", ramp()), run("odd", broken(kind))], [run("good", ramp())]

    found = by_name(*(sides[::-1] if is_new else sides))[P50]

    assert (found.against_worse, found.against_better) == (against_worse, against_better)


def test_a_doubt_is_of_its_own_ramp_and_of_what_does_not_hold() -> None:
    base, new = run("a", ramp(), ramp(2)), run("odd", ramp(), broken("accusing", number=2))
    found = {each.part: each.against_worse for each in indicators([base], [new], 0.05)}
    assert found == {"ramp 1 100 000": "", "ramp 2 200 000": UNSOUND}

    sound = by_name([run("a", ramp())], [run("b", broken("accusing", holds=True))])[P50]
    assert sound.against_worse == ""


OPEN = ramp(integrity={"verdict": "INCONCLUSIVE"})


@pytest.mark.parametrize(
    ("base", "new", "said"),
    [
        ([ramp()], [OPEN], "what is stored is not verified in new0"),
        ([ramp()], [OPEN, ramp(), OPEN], "what is stored is not verified in new0, new2"),
        ([OPEN], [OPEN], ""),
        ([OPEN], [ramp()], ""),
        ([OPEN, ramp()], [OPEN, ramp(), ramp()], ""),  # a half before, a third now
        ([OPEN, ramp(), ramp()], [ramp(), OPEN], "what is stored is not verified in new1"),
        ([ramp()], [ramp(integrity=None)], ""),
    ],
)
def test_more_runs_that_leave_open_what_was_stored_stand_against_better_alone(
    base: list[dict[str, Any]], new: list[dict[str, Any]], said: str
) -> None:
    sides = [[run(f"{name}{k}", one) for k, one in enumerate(side)] for name, side in (("base", base), ("new", new))]

    found = by_name(*sides)[P50]

    assert (found.against_worse, found.against_better) == ("", said)


def test_searches_are_compared_by_the_rate_that_passed_within_their_intervals() -> None:
    (found,) = indicators([search("a", 100, 105), search("b", 101, 106)], [search("c", 80, 84)], 0.05)

    assert (found.part, found.name, found.unit) == ("capacity", "arrivals/s sustained", "1/s")
    assert (found.base, found.new, found.tolerance, found.is_gain) == ((100, 101), (80,), 0.05, True)
    assert found.spans == (((100, 105), (101, 106)), ((80, 84),))
    assert (found.against_worse, found.against_better) == ("", "")


@pytest.mark.parametrize(
    ("new", "doubt"),
    [
        ([(None, 3)], "no rate is proven in new0"),
        ([(80, None)], "no rate failed in new0, so its capacity is not known from above"),
        ([(80, 84), (None, 3), (80, None), (None, None)], "no rate is proven in new1, new3"),
    ],
)
def test_a_search_without_one_end_is_doubted_either_way(
    new: list[tuple[float | None, float | None]], doubt: str
) -> None:
    (found,) = indicators([search("a", 100, 105)], [search(f"new{k}", *ends) for k, ends in enumerate(new)], 0.05)

    assert (found.against_worse, found.against_better) == (doubt, doubt)
    assert (*found.new, *(failed for _, failed in found.spans[1])) == pytest.approx(
        [math.nan if end is None else end for ends in zip(*new, strict=True) for end in ends], nan_ok=True
    )


def test_runs_and_searches_are_not_mixed_and_nothing_has_no_indicator() -> None:
    with pytest.raises(NotComparableError) as refusal:
        indicators([run("a", ramp())], [search("b", 1, 2)], 0.05)

    (problem,) = refusal.value.problems
    assert (problem.key, problem.given) == ("kind", "a is a run; b is a search")
    assert indicators([], [], 0.05) == []


def losing(**harms: int) -> dict[str, Any]:
    return ramp(integrity=harms)


@pytest.mark.parametrize(
    ("base", "new", "said"),
    [
        ([losing()], [losing(lost=2)], ["integrity: 2 writes lost in the new runs, none in the base"]),
        ([losing(lost=2)], [losing(lost=2)], []),
        ([losing(lost=2), losing()], [losing(lost=1)], []),  # one a run on either side
        ([losing(lost=1), losing()], [losing(lost=1)], ["integrity: 1 writes lost in the new runs, 1 in the base"]),
        ([losing(lost=3)], [losing(lost=2), losing(lost=3)], []),
        ([ramp(integrity=None)], [losing(unexpected=1)], [
            "integrity: 1 writes unexpected in the new runs, none in the base"
        ]),
        ([losing(lost=9)], [losing(duplicate=1, corrupted=2)], [
            "integrity: 1 writes duplicate in the new runs, none in the base",
            "integrity: 2 writes corrupted in the new runs, none in the base",
        ]),
    ],
)  # fmt: skip
def test_harm_of_each_kind_is_counted_a_run(
    base: list[dict[str, Any]], new: list[dict[str, Any]], said: list[str]
) -> None:
    assert harm([run("a", one) for one in base], [run("b", one) for one in new]) == said


def test_harm_is_that_of_all_ramps_and_searches_have_none() -> None:
    many = run("b", losing(lost=1), losing(lost=2))

    assert harm([run("a", ramp())], [many]) == ["integrity: 3 writes lost in the new runs, none in the base"]
    assert harm([search("a", 1, 2)], [search("b", 1, 2), search("c", 1, 2)]) == []


@pytest.mark.parametrize(
    ("order", "is_so"), [("bnbn", True), ("bnnb", True), ("bbnn", False), ("nnbb", False), ("bn", True), ("bnn", True)]
)
def test_runs_took_turns_where_the_sides_changed_as_often_as_the_smaller_has_runs(order: str, *, is_so: bool) -> None:
    runs = [(side, run(side, created=f"2026-01-01T00:0{place}")) for place, side in enumerate(order)]
    base, new = ([one for side, one in runs if side == wanted] for wanted in "bn")

    assert is_interleaved(base[::-1], new) is is_so


# --- from directories ---------------------------------------------------------------------------------------------


def recorded(path: Path, said: Any) -> Path:
    """Write a run of which no ramp was begun, with what its verdict says."""
    run_directory(path, [])
    write_json(path / VERDICT, said)
    return path


def test_what_a_verdict_says_is_taken_as_it_stands(tmp_path: Path) -> None:
    said = {"schema": 1, "created": "2026-02-03", "environment": {"cores": 8}, "ramps": [ramp()]}

    found = read(recorded(tmp_path / "a", said))

    assert (found.facts.name, found.created, found.said, found.is_search) == ("a", "2026-02-03", said, False)
    assert found.scenario.name == "synthetic"
    assert (found.facts.asked["environment cores"], found.facts.asked["scenario.seed"]) == ("8", "11")
    assert found.ramp(1) == ramp()
    assert found.ramp(2) == {}


@pytest.mark.parametrize("said", [None, [], "SUSTAINED", {}, {"schema": 2}, {"schema": None, "created": "never"}])
def test_a_verdict_that_is_missing_or_of_another_schema_is_judged_again_and_left_as_it_is(
    said: Any, tmp_path: Path
) -> None:
    path = recorded(tmp_path / "a", said)
    if said is None:
        (path / VERDICT).unlink()
    before = sorted((each, each.read_bytes()) for each in path.rglob("*") if each.is_file())

    found = read(path)

    assert (found.created, found.said["schema"], found.said["verdict"]) == ("2020-04-11", 1, "INCONCLUSIVE")
    assert found.facts.asked["environment cores"] == "2"
    assert sorted((each, each.read_bytes()) for each in path.rglob("*") if each.is_file()) == before


def test_a_verdict_that_tells_neither_when_nor_where_has_neither(tmp_path: Path) -> None:
    found = read(recorded(tmp_path / "a", {"schema": 1}))

    assert (found.created, found.ramps, found.facts.asked["environment cores"]) == ("", [], "unknown")


def searched(path: Path, said: Any, text: str = TEXT) -> Path:
    path.mkdir()
    (path / SCENARIO).write_text(text)
    write_json(path / CAPACITY, said)
    return path


def test_how_a_search_was_asked_is_part_of_what_must_be_equal(tmp_path: Path) -> None:
    asked = {"overrides": ["seed=12"], "precision": 0.05, "hold": 60.0, "begin": 10.0, "highest": 900.0}
    said = {
        "created": "2026-02-03", "seed": 12, "on_speed_alone": True, "stored": 7, "asked": asked,
        "interval": {"passed": 1.0, "failed": None}, "environment": {"cores": 8},
    }  # fmt: skip

    found = read(searched(tmp_path / "a", said))

    assert (found.facts.name, found.created, found.said, found.is_search) == ("a", "2026-02-03", said, True)
    assert (found.scenario.seed, found.facts.asked["environment cores"]) == (12, "8")
    assert {key: value for key, value in found.facts.asked.items() if key.startswith("search ")} == {
        "search seed": "12",
        "search on_speed_alone": "True",
        "search stored": "7",
        "search precision": "0.05",
        "search hold": "60.0",
        "search begin": "10.0",
        "search highest": "900.0",
    }


@pytest.mark.parametrize("asked", [None, [], {}])
def test_a_search_that_tells_little_is_read_as_far_as_it_goes(asked: Any, tmp_path: Path) -> None:
    found = read(searched(tmp_path / "a", {"interval": {}, "asked": asked}))

    assert (found.created, found.scenario.seed, found.facts.asked["search hold"]) == ("", 11, "None")
    assert found.facts.asked["environment cores"] == "unknown"


@pytest.mark.parametrize("said", [[], {}, {"interval": None}, {"interval": [1, 2]}])
def test_what_is_no_search_is_refused_by_its_path(said: Any, tmp_path: Path) -> None:
    path = searched(tmp_path / "a", said)

    with pytest.raises(EvidenceError) as refusal:
        read(path)

    assert str(refusal.value) == f"{path / CAPACITY} is not what a capacity search writes"


def test_a_ramp_that_was_begun_is_part_of_what_must_be_equal(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a", {"schema": 1})
    folder = path / "ramps" / "01-600000"
    folder.mkdir(parents=True)
    (folder / "ramp.json").write_text(json.dumps({"number": 1, "journey": {"name": "returning-applicant"}}))

    assert (path / ENVIRONMENT).is_file()
    assert read(path).facts.asked["ramp 1 journey.name"] == '"returning-applicant"'
