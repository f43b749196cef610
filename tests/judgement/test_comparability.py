"""Runs are compared only where they asked the same, on the same class of machine, by the same versions."""

from __future__ import annotations

from typing import Any

import pytest
from synthetic import parse

from prakerja_load.judgement.comparability import Facts, NotComparableError, changed_system, differences, facts, refuse

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
