"""The list of rules: whatever can stand in a verdict stands in it, and each says what it allows and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic import CURVE, JOIN, NOBODY, OPTIONS, Ramp, parse, run_directory

from prakerja_load.evidence.ledger import resolve
from prakerja_load.evidence.memory import MEMORY, memory_line
from prakerja_load.evidence.ramp import load_ramp
from prakerja_load.evidence.stored import StoredExport
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement import integrity, objective, soundness
from prakerja_load.judgement.case import Case, open_case
from prakerja_load.judgement.integrity import Expectation
from prakerja_load.judgement.judge import judge_run
from prakerja_load.judgement.ramp import judge_ramp
from prakerja_load.judgement.record import write_verdict
from prakerja_load.judgement.rule import Rule
from prakerja_load.judgement.rules import EFFECTS, RULES, lines, rules_json
from prakerja_load.judgement.verdict import Integrity, RampJudgement, Verdict, combine

NAMES = {rule.name for rule in RULES}
IN_WRITES = {"acknowledged", "verified", "in_doubt", "landed", "not_landed", "unverified"}


def record(folder: Path, ramp: Ramp) -> dict[str, Any]:
    path = run_directory(folder / "run", [ramp])
    said = json.loads(write_verdict(judge_run(path), path).read_text())
    assert isinstance(said, dict)
    return said


STORIES = {
    "a good system": Ramp,
    "a system with failures": lambda: Ramp().fail(2, slice(0, 900), Outcome.ERROR),
    "every window": lambda: Ramp(scenario=parse("objectives.every_window=10s")),
    "nothing on record": lambda: Ramp(unrecorded=slice(0, None), controller=None),
}


@pytest.mark.parametrize("story", STORIES)
def test_every_check_in_a_verdict_is_in_the_list(story: str, tmp_path: Path) -> None:
    (ramp,) = record(tmp_path, STORIES[story]())["ramps"]

    findings = {finding["rule"] for finding in ramp["findings"]}
    judged = {each["rule"] for each in ramp["objectives"]}
    harm = {name for name, value in ramp["integrity"].items() if type(value) is int} - IN_WRITES
    of_kind = {kind: {rule.name for rule in RULES if rule.kind == kind} for kind in EFFECTS}
    assert findings == of_kind["flattering"] | of_kind["accusing"] | of_kind["note"]
    assert judged
    assert judged <= NAMES
    assert all(each["name"] and each["kind"] in EFFECTS for each in ramp["objectives"])
    assert harm == of_kind["integrity"]


def test_a_curve_is_judged_by_rules_in_the_list_too(tmp_path: Path) -> None:
    judged = Ramp(scenario=CURVE).judge(tmp_path)

    assert {each.rule for each in judged.objectives} <= NAMES
    assert {"windows", "backlog"} <= {each.rule for each in judged.objectives}


def test_a_rule_that_crashes_is_named_as_it_is_in_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: Any) -> Any:
        raise ZeroDivisionError

    rules = tuple(Rule(rule.name, rule.kind, "", "", crash) for rule in objective.RULES)
    monkeypatch.setattr(objective, "RULES", rules)

    assert [each.rule for each in Ramp().judge(tmp_path).objectives] == [rule.name for rule in rules]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, RampJudgement]:
    ramp, folder = Ramp(scenario=parse("objectives.memory_growth=1GiB")), tmp_path_factory.mktemp("good")
    ramp.write(folder)
    (folder / MEMORY).write_text("".join(memory_line(second * 10**9, 10**8) for second in range(70)))
    case = open_case(load_ramp(folder), ramp.scenario, ramp.plan, make_journey(OPTIONS).steps)
    return case, judge_ramp(case.evidence, ramp.scenario, ramp.plan, make_journey(OPTIONS), lambda _: NOBODY)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_crash_in_any_rule_is_never_green(
    name: str, good: tuple[Case, RampJudgement], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, judged = good
    findings, objectives, met = judged.findings, judged.objectives, judged.integrity
    assert judged.verdict is Verdict.SUSTAINED, judged.reasons

    def crash(_: Any) -> Any:
        raise ZeroDivisionError

    broken = {rule.name: Rule(rule.name, rule.kind, rule.threshold, rule.reason, crash) for rule in RULES}
    for module in (soundness, objective, integrity):
        rules = tuple(broken[rule.name] if rule.name == name else rule for rule in module.RULES)
        monkeypatch.setattr(module, "RULES", rules)
    if broken[name].kind == "integrity":
        kinds = {"join-wave": JOIN}
        met = integrity.reconcile(
            resolve(case.evidence.ledger, case.plan.count),
            StoredExport(case.evidence.stored) if case.evidence.stored is not None else None,
            Expectation("k1r1", kinds, lambda *_: {}),
        ).integrity
        assert met.verified == met.acknowledged > 0
    elif name in {rule.name for rule in objective.RULES}:
        objectives = objective.judge_objectives(case)
    else:
        findings = soundness.judge_soundness(case)

    assert combine(findings, objectives, met)[0] is not Verdict.SUSTAINED


def test_a_name_stands_for_one_rule_with_threshold_and_reason() -> None:
    assert len(NAMES) == len(RULES)
    assert {rule.kind for rule in RULES} <= EFFECTS.keys()
    assert all(rule.threshold and rule.reason and callable(rule.check) for rule in RULES)


def test_every_harm_that_integrity_counts_has_its_rule() -> None:
    counted = {name for name, kind in Integrity.__annotations__.items() if kind == "int"}

    assert counted - IN_WRITES == {rule.name for rule in RULES if rule.kind == "integrity"}


def test_the_list_reads_as_text_and_as_values() -> None:
    text = "\n".join(lines())

    assert [each["name"] for each in rules_json()] == [rule.name for rule in RULES]
    assert all(f"  {rule.name}: {rule.threshold}\n    because {rule.reason}" in text for rule in RULES)
    assert all(each["effect"] == EFFECTS[each["kind"]] for each in rules_json())
