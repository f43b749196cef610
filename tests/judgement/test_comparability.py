"""Runs are compared only where they asked the same, on the same class of machine, by the same versions."""

from __future__ import annotations

from typing import Any

import pytest
from synthetic import parse

from prakerja_load.judgement.comparability import (
    Facts,
    NotComparableError,
    changed_system,
    differences,
    facts,
    question,
    refuse,
)

MACHINE = {
    "machine": "x86_64", "processor": "EPYC", "cores": "2", "memory": "24.0 GiB", "clock source": "tsc",
    "python": "3.11.2", "load before": "0.1", "version of prakerja-load": "1", "version of uvloop": "2",
}  # fmt: skip
JOURNEY = {"name": "returning-applicant", "think_time_scale": 0.01, "today": "2020-04-11", "wave": 3, "prefilled": 9}


def of(name: str, *overrides: str, environment: dict[str, str] | None = None, **journey: Any) -> Facts:
    ramps = {1: {"number": 1, "journey": JOURNEY | journey, "run": name}}
    return facts(name, parse(*overrides), MACHINE | (environment or {}), ramps)


def test_repeats_of_one_scenario_may_be_compared() -> None:
    runs = [
        of("a"),
        of("b", "description=other words", "name=other"),
        of("c", environment={"load before": "1.5", "python": "3.11.9"}, today="2026-01-01", wave=4, prefilled=10),
        of("d", "ramps.1.draw=3"),
    ]

    assert differences(runs) == []
    assert len({run.digest for run in runs}) == 1


@pytest.mark.parametrize(
    ("other", "key"),
    [
        (of("b", "seed=12"), "scenario.seed"),
        (of("b", "ramps.1.hold=61s"), "scenario.ramps.1.hold"),
        (of("b", "load.workers=2"), "scenario.load.workers"),
        (of("b", "objectives.quantile=95%"), "scenario.objectives.quantile"),
        (of("b", "registrar.wave_quota=5"), "scenario.registrar.wave_quota"),
        (of("b", think_time_scale=0.5), "ramp 1 journey.think_time_scale"),
        (of("b", environment={"cores": "4"}), "environment cores"),
        (of("b", environment={"processor": "Xeon"}), "environment processor"),
        (of("b", environment={"python": "3.12.1"}), "environment python"),
        (of("b", environment={"version of uvloop": "3"}), "version of uvloop"),
        (of("b", environment={"version of new": "1"}), "version of new"),
        (facts("b", parse(), MACHINE, {}), "ramp 1"),
    ],
)
def test_any_other_difference_is_named(other: Facts, key: str) -> None:
    found = [problem.key for problem in differences([of("a"), other])]

    assert key in found
    assert all(name.startswith(key) for name in found)
    assert other.digest != of("a").digest


def test_all_differences_are_named_at_once_with_what_stands_where() -> None:
    with pytest.raises(NotComparableError) as refusal:
        refuse([of("a"), of("b")], [of("c", "seed=12", environment={"cores": "4"})])

    assert str(refusal.value).splitlines() == [
        "not comparable: 2 differences",
        "  1. environment cores: got 2 in a, b; 4 in c, allowed: the same in every run",
        "  2. scenario.seed: got 11 in a, b; 12 in c, allowed: the same in every run",
    ]
    assert refusal.value.exit_code == 2


def test_a_difference_can_be_let_pass_by_its_key_only() -> None:
    base, new = [of("a")], [of("b", "seed=12", environment={"version of uvloop": "3"})]

    refuse(base, new, ["version of", "scenario.seed"])
    with pytest.raises(NotComparableError, match=r"1 difference\n  1. scenario.seed"):
        refuse(base, new, ["version of"])


def test_the_system_under_test_may_differ_between_the_sides_but_not_within_one() -> None:
    slow = of("c", "registrar.civil_latency=100ms", "target.url=http://127.0.0.1:9")

    refuse([of("a"), of("b")], [slow])
    assert changed_system(of("a"), slow) == [
        "registrar.civil_latency: 0.02 → 0.1",
        'target.url: null → "http://127.0.0.1:9"',
    ]
    assert changed_system(of("a"), of("b")) == []
    with pytest.raises(NotComparableError, match=r"registrar\.civil_latency: got 0\.02 in a; 0\.1 in c"):
        refuse([of("a"), slow], [of("b")])


def test_a_long_value_is_told_by_its_beginning_and_a_digest() -> None:
    (problem,) = differences([of("a", source="def play(): ..." * 90), of("b", source="def play(): pass" * 90)])

    assert len(str(problem)) < 200
    assert problem.given.count("def play()") >= 2


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=12"],
        ["ramps.1.draw=3"],
        ["ramps.1.name=again"],
        ["name=other", "description=other words"],
        ["load.workers=2", "load.tolerate_worker_loss=true"],
        ["objectives.looks=3"],
    ],
    ids=lambda overrides: overrides[0],
)
def test_another_draw_of_the_same_demand_is_another_try_at_the_same_question(overrides: list[str]) -> None:
    assert question(parse(*overrides)) == question(parse())


@pytest.mark.parametrize(
    "override",
    [
        "ramps.1.hold=61s",
        "ramps.1.registrants=9",
        "demand.multiplier=2",
        "objectives.quantile=95%",
        "objectives.journey_success=98%",
        "load.patience=7s",
        "journey.photo_size=8192",
        "registrar.wave_quota=5",
        "registrar.civil_latency=30ms",
        'target.url="http://127.0.0.1:9"',
    ],
)
def test_who_asks_something_else_or_another_system_tries_for_the_first_time(override: str) -> None:
    assert question(parse(override)) != question(parse())


def test_a_system_is_known_by_its_address_not_by_who_allows_the_load() -> None:
    here = 'target.url="http://site.example"'
    asked = question(parse(here, "target.authorized_by=owner"))

    assert asked == question(parse(here, "target.authorized_by=another", "target.contact=night@site.example"))
    assert asked != question(parse('target.url="http://other.example"', "target.authorized_by=owner"))


def test_words_of_a_scenario_are_told_as_they_were_written() -> None:
    (problem,) = differences([of("a"), of("b", "ramps.1.name=élan")])

    assert (problem.key, problem.given) == ("scenario.ramps.1.name", '"600 000" in a; "élan" in b')


def test_what_only_one_of_two_systems_has_is_told_as_nothing_in_the_other() -> None:
    bare, full = Facts("a", {}, {"same": "1"}), Facts("b", {}, {"same": "1", "registrar.workers": "2"})

    assert changed_system(bare, full) == ["registrar.workers: nothing → 2"]
    assert changed_system(full, bare) == ["registrar.workers: 2 → nothing"]
