"""How a check becomes a rule, what of a rule stands in a verdict, and how the list is told."""

from __future__ import annotations

import pytest

from prakerja_load.judgement import soundness
from prakerja_load.judgement.case import Case
from prakerja_load.judgement.rule import Rule, Rulebook, Seen, crash_text
from prakerja_load.judgement.rules import EFFECTS, RULES, lines, rules_json
from prakerja_load.judgement.soundness import judge_soundness

FACTS = {"allowed": "at most 3", "reason": "four are too many", "advice": "take one away"}


def few(_: Case) -> Seen:
    return Seen(True, "2")


def other(_: Case) -> Seen:
    return Seen(False, "4", "at most 3 today")


def written() -> Rulebook:
    book = Rulebook("accusing")
    book.rule("few", **FACTS)(few)
    book.rule("other", **FACTS)(other)
    return book


def test_a_book_holds_its_checks_with_all_that_is_said_of_them_in_order() -> None:
    assert written().rules == (
        Rule("few", "accusing", "at most 3", "four are too many", few, "take one away"),
        Rule("other", "accusing", "at most 3", "four are too many", other, "take one away"),
    )
    assert Rulebook("note").rules == ()


def test_a_check_is_still_itself_once_it_is_a_rule() -> None:
    assert Rulebook("note").rule("few", **FACTS)(few) is few


def test_a_crash_is_told_by_its_kind_and_its_words() -> None:
    assert crash_text(KeyError("cpu")) == "the check crashed: KeyError: 'cpu'"


def crash(_: Case) -> Seen:
    raise ValueError("no vitals")


def test_a_finding_says_what_was_seen_allowed_and_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check's own limit stands before the rule's, and advice only where something is to be changed."""
    book = written()
    book.rule("crash", **FACTS)(crash)
    monkeypatch.setattr(soundness, "RULES", book.rules)
    nothing: Case = None  # type: ignore[assignment]

    told = [(each.rule, each.kind, each.holds, each.observed, each.allowed, each.advice)
            for each in judge_soundness(nothing)]  # fmt: skip

    assert told == [
        ("few", "accusing", True, "2", "at most 3", ""),
        ("other", "accusing", False, "4", "at most 3 today", "take one away"),
        ("crash", "accusing", False, "the check crashed: ValueError: no vitals", "at most 3", "report this crash"),
    ]


def test_the_values_of_the_list_are_those_of_the_rules() -> None:
    assert rules_json() == [
        {"name": rule.name, "kind": rule.kind, "effect": EFFECTS[rule.kind], "threshold": rule.threshold,
         "reason": rule.reason, "advice": rule.advice}
        for rule in RULES
    ]  # fmt: skip


def test_the_text_of_the_list_has_every_rule_once_under_the_heading_of_its_kind() -> None:
    heading, found = "", []
    for line in lines():
        if not line.startswith(" "):
            heading = line
        elif not line.startswith("    "):
            found.append((heading, line.strip()))

    assert sorted(found) == sorted(
        (f"{rule.kind}: {EFFECTS[rule.kind]}", f"{rule.name}: {rule.threshold}") for rule in RULES
    )
