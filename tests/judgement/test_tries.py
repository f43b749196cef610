"""A green that comes after tries is told as one: how many there were, what came of them, what chance makes of them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.judgement.record import plain
from prakerja_load.judgement.tries import Tries, line, ordinal, parse, sentences, wrong_green
from prakerja_load.judgement.verdict import EarlierRun, Verdict

GREEN, OPEN, RED = Verdict
ERRORS = st.sampled_from([0.05, 0.025, 0.05 / 3])


def tries(*verdicts: Verdict, declared: int = 1) -> Tries:
    runs = (EarlierRun(f"run-{number}", f"2020-04-1{number}", verdict) for number, verdict in enumerate(verdicts))
    return Tries(tuple(runs), declared)


def test_a_first_run_has_nothing_to_tell() -> None:
    assert (line(tries()), sentences(tries())) == ("", "")


def test_the_tries_and_what_came_of_them_are_told_with_the_arithmetic() -> None:
    assert sentences(tries(RED, OPEN, RED)) == (
        "This is the 4th run of this scenario against this system in this folder: of the 3 before, 2 were "
        "NOT_SUSTAINED and 1 INCONCLUSIVE. A green that comes after tries is worth less than one that comes first: "
        "with 4 tries at 5 % each the chance of one wrong green is up to 1 − 0.95^4 = 18.55 %; 1 look declared "
        "(objectives.looks), this is run 4. The verdict does not change: the system may have."
    )


def test_looks_that_were_declared_are_paid_for() -> None:
    told = sentences(tries(OPEN, OPEN, declared=3))

    assert "3 tries at 1.667 % each the chance of one wrong green is up to 1 − 0.9833^3 = 4.917 %" in told
    assert "3 looks declared (objectives.looks), this is run 3." in told


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ((RED,), "2nd run of this scenario against this system in this folder: the one before was NOT_SUSTAINED"),
        ((GREEN, OPEN), "of the 2 before, 1 was INCONCLUSIVE and 1 SUSTAINED"),
        ((GREEN, RED, OPEN, RED), "of the 4 before, 2 were NOT_SUSTAINED, 1 INCONCLUSIVE and 1 SUSTAINED"),
        ((GREEN, GREEN), "of the 2 before, 2 were SUSTAINED"),
    ],
)
def test_one_line_names_every_verdict_before_worst_first(before: tuple[Verdict, ...], words: str) -> None:
    assert line(tries(*before)).endswith(words)


def test_where_every_run_before_was_green_nobody_is_warned() -> None:
    told = sentences(tries(GREEN, GREEN))

    assert "This is the 3rd run" in told
    assert "chance" not in told


@given(st.lists(st.sampled_from(list(Verdict)), max_size=30))
def test_the_counts_of_a_line_are_all_the_runs_before(before: list[Verdict]) -> None:
    told = line(tries(*before)).partition(" before,")[2]
    words = told.replace(",", "").replace("were ", "").replace("was ", "").replace("and ", "").split()
    counted = dict(zip(words[1::2], map(int, words[::2]), strict=True))

    assert counted == ({verdict.name: count for verdict, count in Counter(before).items()} if len(before) > 1 else {})


@given(st.integers(1, 200), ERRORS)
def test_the_chance_of_a_wrong_green_grows_with_every_try_and_stays_a_chance(count: int, error: float) -> None:
    chance = wrong_green(count, error)

    assert wrong_green(1, error) == pytest.approx(error)
    assert chance < wrong_green(count + 1, error) < 1
    assert chance <= count * error * (1 + 1e-9)  # never more than all added up
    assert chance == pytest.approx(error + (1 - error) * wrong_green(count - 1, error))  # first, or later


def test_as_many_tries_as_were_declared_err_no_more_than_one() -> None:
    assert wrong_green(1, 0.05) == pytest.approx(0.05)
    assert wrong_green(2, tries(declared=2).error) < 0.05
    assert wrong_green(3, tries(declared=3).error) < 0.05


@pytest.mark.parametrize("count", [1, 3, 10])
def test_the_chance_is_how_often_chance_gives_one(count: int) -> None:
    draws = Random(count)
    found = sum(any(draws.random() < 0.05 for _ in range(count)) for _ in range(20_000)) / 20_000

    assert found == pytest.approx(wrong_green(count, 0.05), abs=0.012)  # four standard deviations of a half


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"),
     (102, "102nd"), (111, "111th"), (113, "113th")],
)  # fmt: skip
def test_runs_are_counted_as_people_count(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_what_a_run_recorded_is_read_back() -> None:
    earlier = tries(RED, OPEN, GREEN).earlier

    assert parse(plain(earlier)) == earlier


@pytest.mark.parametrize(
    "value",
    [None, "runs", {"run": "a"}, [None, 7, {}, {"run": "a"}], [{"run": "a", "created": "b", "verdict": "PASSED"}]],
)
def test_what_no_run_recorded_is_left_out(value: object) -> None:
    assert parse(value) == ()
