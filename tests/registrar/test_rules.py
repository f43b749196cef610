"""The eligibility rules, as tables."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.registrar import rules
from prakerja_load.registrar.messages import CHOICES, QUESTIONS, TESTS

TODAY = datetime.date(2020, 4, 15)
LAB = rules.Eligibility(is_lab=True)
LIVE = rules.Eligibility()


@pytest.mark.parametrize(
    ("born", "today", "age"),
    [
        ("2002-04-15", "2020-04-15", 18),
        ("2002-04-16", "2020-04-15", 17),
        ("2002-04-14", "2020-04-15", 18),
        ("2000-02-29", "2018-02-28", 17),
        ("2000-02-29", "2018-03-01", 18),
        ("2000-02-29", "2020-02-29", 20),
        ("2020-04-15", "2020-04-15", 0),
    ],
)
def test_age_is_counted_in_completed_years(born: str, today: str, age: int) -> None:
    assert rules.age_on(datetime.date.fromisoformat(born), datetime.date.fromisoformat(today)) == age


@pytest.mark.parametrize(
    ("nik", "born", "eligibility", "refused"),
    [
        ("3201011705900000", "1990-05-17", LAB, None),
        ("3201015705900000", "1990-05-17", LAB, None),  # a woman's day has 40 added
        ("3201011705900001", "1990-05-17", LAB, "nik-not-synthetic"),
        ("3201011705900001", "1990-05-17", LIVE, None),
        ("3201011504020000", "2002-04-15", LAB, None),  # 18 today
        ("3201011604020000", "2002-04-16", LAB, "under-age"),
        ("0901011705900000", "1990-05-17", LAB, "nik-unknown"),  # no such province
        ("3201013205900000", "1990-05-17", LAB, "nik-unknown"),  # day 32
        ("3201017205900000", "1990-05-17", LAB, "nik-unknown"),  # a woman's day 32
        ("3201010005900000", "1990-05-17", LAB, "nik-unknown"),
        ("3201011713900000", "1990-05-17", LAB, "nik-unknown"),  # month 13
    ],
)
def test_an_identity_is_refused_by_the_first_rule_it_breaks(
    nik: str, born: str, eligibility: rules.Eligibility, refused: str | None
) -> None:
    assert rules.identity_refusal(nik, datetime.date.fromisoformat(born), TODAY, eligibility) == refused


def facts(**changes: Any) -> rules.JoinFacts:
    usual: dict[str, Any] = {
        "is_current": True,
        "opens_at": None,
        "closes_at": None,
        "is_complete": True,
        "has_joined": False,
    }
    return rules.JoinFacts(**{**usual, **changes})


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (facts(), None),
        (facts(is_current=False), "wave-closed"),
        (facts(opens_at=101.0), "wave-closed"),
        (facts(opens_at=100.0), None),
        (facts(closes_at=100.0), "wave-closed"),
        (facts(closes_at=101.0), None),
        (facts(is_complete=False), "incomplete"),
        (facts(has_joined=True), "already-joined"),
        (facts(is_current=False, is_complete=False, has_joined=True), "wave-closed"),
        (facts(is_complete=False, has_joined=True), "incomplete"),
    ],
)
def test_joining_is_refused_by_the_first_condition_missing(given: rules.JoinFacts, refused: str | None) -> None:
    assert rules.join_refusal(given, 100.0) == refused


def test_the_day_in_jakarta_begins_seven_hours_before_that_of_greenwich() -> None:
    evening = datetime.datetime(2020, 4, 15, 17, 0, tzinfo=datetime.UTC).timestamp()
    assert rules.today_in_jakarta(evening - 1) == TODAY
    assert rules.today_in_jakarta(evening) == TODAY + datetime.timedelta(days=1)


@settings(deadline=None, max_examples=200)
@given(
    test=st.integers(1, TESTS),
    answers=st.lists(st.integers(0, CHOICES - 1), min_size=QUESTIONS, max_size=QUESTIONS),
)
def test_a_score_lies_between_nothing_and_three_points_a_question(test: int, answers: list[int]) -> None:
    score = rules.score(test, answers)
    better = [(-number - test - 1) % CHOICES for number in range(QUESTIONS)]
    assert 0 <= score <= rules.score(test, better) == (CHOICES - 1) * QUESTIONS


def test_a_score_needs_every_answer() -> None:
    with pytest.raises(ValueError, match="18 answers, got 17"):
        rules.score(1, [0] * 17)


@settings(deadline=None, max_examples=200)
@given(sent=st.integers(0, 999_999), given_code=st.integers(0, 999_999))
def test_a_code_matches_itself_only_leading_zeros_included(sent: int, given_code: int) -> None:
    assert rules.code_matches(f"{sent:06d}", sent)
    assert rules.code_matches(f"{given_code:06d}", sent) == (given_code == sent)


@pytest.mark.parametrize("text", ["a\nb", "\x00", "\x7f", "a\u2028b", "\u200b"])
def test_unprintable_text_is_not_plain(text: str) -> None:
    assert not rules.is_plain_text("Siti Rahayu", text)


def test_letters_of_any_script_are_plain() -> None:
    assert rules.is_plain_text("Siti Rahayu", "Ñoño O'Neill-Müller", "王小明")
