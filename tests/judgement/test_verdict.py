"""The laws of the verdict, on findings, objectives and ledgers of every kind."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.judgement.verdict import (
    Finding,
    Integrity,
    ObjectiveResult,
    Verdict,
    combine,
    exit_code,
    worst,
)

GREEN, OPEN, RED = Verdict
VERDICTS = st.sampled_from(list(Verdict))
KINDS = st.sampled_from(["flattering", "accusing", "note"])
TIMED = ("timing", "backlog", "window")


def finding(kind: str, holds: bool) -> Finding:
    return Finding(f"rule {kind} {holds}", kind, holds, "seen", "allowed")


def objective(kind: str, verdict: Verdict, untimed: Verdict | None = None) -> ObjectiveResult:
    return ObjectiveResult(f"objective {kind}", kind, 1.0, "s", None, verdict, verdict.name, untimed)


def ledger(verdict: Verdict, **counts: int) -> Integrity:
    numbers: dict[str, Any] = dict.fromkeys((field.name for field in dataclasses.fields(Integrity)), 0)
    return Integrity(**{**numbers, **counts, "verdict": verdict, "reasons": (verdict.name,), "examples": ()})


@st.composite
def objectives(draw: st.DrawFn) -> ObjectiveResult:
    kind = draw(st.sampled_from([*TIMED, "sample", "success"]))
    verdict = draw(VERDICTS if kind != "sample" else st.sampled_from([GREEN, OPEN]))
    # what stands without timing is the verdict itself, or nothing
    untimed = draw(st.sampled_from([verdict, OPEN])) if kind == "success" else None
    return objective(kind, verdict, untimed)


FINDINGS = st.lists(st.builds(finding, KINDS, st.booleans()), max_size=4)
OBJECTIVES = st.lists(objectives(), max_size=5)
LEDGERS = st.builds(ledger, VERDICTS)


@given(FINDINGS, OBJECTIVES, LEDGERS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_the_order_of_the_parts_is_of_no_account(
    findings: list[Finding], judged: list[ObjectiveResult], integrity: Integrity, random: Any
) -> None:
    verdict, reasons = combine(findings, judged, integrity)
    random.shuffle(findings)
    random.shuffle(judged)

    again, others = combine(findings, judged, integrity)

    assert (again, sorted(others)) == (verdict, sorted(reasons))


@given(FINDINGS, OBJECTIVES, LEDGERS, st.data())
@settings(deadline=None, max_examples=120)
def test_worse_data_never_improves_the_verdict(
    findings: list[Finding], judged: list[ObjectiveResult], integrity: Integrity, data: st.DataObject
) -> None:
    before = combine(findings, judged, integrity)[0]
    worse_ledger = ledger(Verdict(data.draw(st.integers(integrity.verdict, RED))))
    worse = [
        dataclasses.replace(each, verdict=(grown := Verdict(data.draw(st.integers(each.verdict, RED)))),
                            untimed=None if each.untimed is None else max(each.untimed, min(grown, OPEN)))
        for each in judged
    ]  # fmt: skip

    assert combine(findings, worse, worse_ledger)[0] >= before


@given(FINDINGS, OBJECTIVES, LEDGERS)
@settings(deadline=None, max_examples=60)
def test_flattering_unsoundness_is_never_green_and_changes_no_red(
    findings: list[Finding], judged: list[ObjectiveResult], integrity: Integrity
) -> None:
    before = combine(findings, judged, integrity)[0]

    after = combine([*findings, finding("flattering", False)], judged, integrity)[0]

    assert after is not GREEN
    assert (after is RED) == (before is RED)


@given(FINDINGS, st.lists(objectives().filter(lambda each: each.kind != "success"), max_size=5))
@settings(deadline=None, max_examples=60)
def test_accusing_unsoundness_is_never_red_on_timing(findings: list[Finding], judged: list[ObjectiveResult]) -> None:
    verdict, _ = combine([*findings, finding("accusing", False)], judged, ledger(GREEN))

    assert verdict is OPEN


@given(FINDINGS, OBJECTIVES)
@settings(deadline=None, max_examples=60)
def test_proven_harm_to_integrity_is_always_red(findings: list[Finding], judged: list[ObjectiveResult]) -> None:
    assert combine(findings, judged, ledger(RED, lost=1))[0] is RED


@given(FINDINGS, LEDGERS)
@settings(deadline=None, max_examples=60)
def test_nothing_judged_is_never_green(findings: list[Finding], integrity: Integrity) -> None:
    assert combine(findings, [], integrity)[0] is not GREEN


@given(FINDINGS, OBJECTIVES, LEDGERS)
@settings(deadline=None, max_examples=60)
def test_green_needs_every_part_green_and_every_check_to_hold(
    findings: list[Finding], judged: list[ObjectiveResult], integrity: Integrity
) -> None:
    is_sound = all(each.holds or each.kind == "note" for each in findings)
    parts = [*(each.verdict for each in judged), integrity.verdict]
    is_green = is_sound and bool(judged) and all(part is GREEN for part in parts)

    assert (combine(findings, judged, integrity)[0] is GREEN) == is_green


@given(FINDINGS, OBJECTIVES, LEDGERS)
@settings(deadline=None, max_examples=60)
def test_every_verdict_has_a_reason(
    findings: list[Finding], judged: list[ObjectiveResult], integrity: Integrity
) -> None:
    assert combine(findings, judged, integrity)[1]


@pytest.mark.parametrize("kind", TIMED)
@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_starved_generator_leaves_no_time_judged(kind: str, verdict: Verdict) -> None:
    result, reasons = combine([finding("accusing", False)], [objective(kind, verdict)], ledger(GREEN))

    assert result is OPEN
    assert reasons[0].startswith("rule accusing")
    assert "no time can be judged" in reasons[1]


@pytest.mark.parametrize(("untimed", "expected"), [(RED, RED), (OPEN, OPEN)])
def test_of_a_success_only_what_no_slow_generator_causes_stands(untimed: Verdict, expected: Verdict) -> None:
    judged = [objective("success", RED, untimed)]

    assert combine([finding("accusing", False)], judged, ledger(GREEN))[0] is expected


def test_a_sample_that_is_too_small_is_said_beside_the_starved_generator() -> None:
    _, reasons = combine([finding("accusing", False)], [objective("sample", OPEN)], ledger(GREEN))

    assert "objective sample: INCONCLUSIVE" in reasons


def test_a_red_verdict_names_its_cause_before_its_doubts() -> None:
    _, reasons = combine(
        [finding("flattering", False)], [objective("timing", RED), objective("sample", OPEN)], ledger(GREEN)
    )

    assert reasons == ("objective timing: NOT_SUSTAINED", "rule flattering False: seen, allowed: allowed")


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [([GREEN, GREEN], 0), ([GREEN, RED], 1), ([OPEN, RED], 1), ([GREEN, OPEN], 3), ([OPEN], 3), ([], 3)],
)
def test_the_exit_code_is_that_of_the_worst_ramp(verdicts: list[Verdict], code: int) -> None:
    assert exit_code(verdicts) == code
    assert worst(verdicts).exit_code == code


def test_the_ministry_reads_its_own_words() -> None:
    assert [verdict.indonesian for verdict in Verdict] == ["LAYAK", "BELUM TERBUKTI", "TIDAK LAYAK"]


def test_a_note_that_does_not_hold_is_shown_and_decides_nothing() -> None:
    verdict, reasons = combine([finding("note", False)], [objective("timing", GREEN)], ledger(GREEN))

    assert verdict is GREEN
    assert reasons == ("every objective holds with its pessimistic bound, and every acknowledged write is stored",)


def test_what_the_ledger_says_is_told_whole() -> None:
    said = dataclasses.replace(ledger(RED), reasons=("3 writes lost", "1 write duplicate"))

    assert combine([], [objective("timing", GREEN)], said)[1] == ("3 writes lost; 1 write duplicate",)
    assert combine([], [objective("timing", GREEN)], dataclasses.replace(said, reasons=()))[1] == ("integrity",)


def test_nothing_judged_says_so() -> None:
    verdict, reasons = combine([], [], dataclasses.replace(ledger(GREEN), reasons=()))

    assert (verdict, reasons) == (OPEN, ("no objective was judged",))


def test_a_failure_that_may_be_the_generator_s_own_is_not_told_as_the_system_s() -> None:
    accused = objective("success", RED, OPEN)

    verdict, reasons = combine([finding("accusing", False)], [accused], ledger(GREEN))

    assert verdict is OPEN
    assert reasons[1:] == ("no time can be judged: the generator may have been what was slow",)
