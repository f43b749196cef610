"""What the sentence discloses, and what no verdict speaks of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from synthetic import CURVE, Ramp, parse

from prakerja_load.judgement.sentence import disclosures, not_tested, sentence, smaller_store
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.scenario import Scenario, plan_ramp

HERE = "http://127.0.0.1:8000"
ELSEWHERE = ("target.url='https://staging.example.id'", "target.authorized_by='Sri'")


@pytest.mark.parametrize(
    ("overrides", "target", "expected"),
    [
        ((), None, "argon2id m=8KiB t=1"),
        ((), {"health": {"password_hash": "argon2id m=19MiB t=2 p=1"}}, "argon2id m=19MiB t=2 p=1"),
        ((), {"password_hash": "bcrypt"}, "bcrypt"),
        (("load.connection=reuse",), None, "connections shared among registrants"),
        ((), {"healthz": {"defects": [{"name": "stall"}, "mute"]}}, "laboratory defects active: stall, mute"),
        (("journey.name=new-applicant", "journey.photo_size=2MiB"), None, "photos 2 MiB"),
        (("journey.think_time_scale=1",), None, "think time × 1"),
    ],
)
def test_what_was_scaled_down_is_disclosed(overrides: tuple[str, ...], target: Any, expected: str) -> None:
    assert expected in disclosures(parse(*overrides), HERE, target)


def test_a_system_elsewhere_does_not_share_the_machine_and_says_nothing_of_its_hash() -> None:
    told = disclosures(parse(*ELSEWHERE, "demand.process=poisson"), "https://staging.example.id", {})

    assert told == ("think time × 0.01",)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("objectives.elapsed_base=3s", "3 s + 500 ms · k"),
        ("objectives.quantile=95%", "p95"),
        ("objectives.step_success=90%", "step success 90 %"),
        ("objectives.judged=20s", "arrivals in 20 s are enough"),
    ],
)
def test_a_limit_looser_than_the_default_is_disclosed(override: str, expected: str) -> None:
    [told] = [text for text in disclosures(parse(override), HERE, None) if "looser" in text]

    assert expected in told


def test_limits_as_strict_as_the_default_are_not_worth_a_word() -> None:
    assert not [text for text in disclosures(parse("objectives.step_success=99.9%"), HERE, None) if "looser" in text]


def test_a_peak_on_a_smaller_store_says_so() -> None:
    plan = Ramp().plan

    assert smaller_store(plan) == ""
    assert smaller_store(replace(plan, prefill=10)) == "the store held 10 of 600 000 registrants"


def test_a_target_on_this_host_shares_the_machine() -> None:
    scenario = parse("target.url='http://localhost:8000'")

    assert "generator and system on one machine" in disclosures(scenario, "http://localhost:8000", None)


def of(verdict: Verdict, scenario: Scenario) -> str:
    return sentence(verdict, scenario, plan_ramp(scenario, 1), ["0.1 × 1 / 60 s = 3 arrivals/s"], [])


def test_each_verdict_has_its_verb() -> None:
    scenario = parse()

    assert of(Verdict.SUSTAINED, scenario).startswith("SUSTAINED: the system carries 600 000 registrants")
    assert of(Verdict.INCONCLUSIVE, scenario).startswith("INCONCLUSIVE: it is not shown whether the system carries")
    assert of(Verdict.NOT_SUSTAINED, scenario).startswith("NOT_SUSTAINED: the system does not carry")
    assert of(Verdict.SUSTAINED, scenario).endswith("nothing scaled down")


def test_a_curve_names_its_arrivals_and_its_compression() -> None:
    assert "claim `volume`: 6 000 arrivals over 60 s, at most 100 arrivals/s" in of(Verdict.SUSTAINED, CURVE)
    assert "curve played 2 × as fast" in disclosures(CURVE.model_copy(
        update={"demand": CURVE.demand.model_copy(update={"compression": 2.0})}), HERE, None)  # fmt: skip


def test_a_rate_without_arithmetic_stands_alone() -> None:
    scenario = parse()

    text = sentence(Verdict.SUSTAINED, scenario, plan_ramp(scenario, 1), [], ["photos 4 KiB"])

    assert "claim `peak`: 100 arrivals/s held for 60 s" in text
    assert text.endswith("scaled down: photos 4 KiB")


def test_what_no_verdict_speaks_of_depends_on_the_scenario() -> None:
    ours, theirs, curve = (
        not_tested(parse()),
        not_tested(parse(*ELSEWHERE, "journey.think_time_scale=1")),
        not_tested(CURVE),
    )

    assert any("reference registrar" in text for text in ours)
    assert not any("reference registrar" in text or "times as quick" in text for text in theirs)
    assert any("only real time shows" in text for text in curve)
    assert any("100 times as quick" in text for text in ours)
    assert not any("rarer" in text for text in not_tested(parse("objectives.step_success=0.995").model_copy(
        update={"objectives": parse().objectives.model_copy(update={"step_success": 1.0})})))  # fmt: skip
