"""Think times against the published facts."""

import statistics

import pytest

from prakerja_load.journey.pauses import NEW_APPLICANT, RETURNING, Pauses, Wait

MINUTE = 60


def test_nobody_takes_longer_than_the_fifteen_minutes_of_the_test_or_returns_before_the_five_of_the_evaluation() -> (
    None
):
    assert NEW_APPLICANT["submit-test"].longest == 15 * MINUTE
    assert NEW_APPLICANT["join-wave"].shortest == 5 * MINUTE


def test_a_new_applicant_takes_25_to_40_minutes_and_a_returning_one_about_one() -> None:
    ordinary = sum(wait.mean for name, wait in NEW_APPLICANT.items() if name != "identity-typo")

    assert 25 * MINUTE < ordinary < 40 * MINUTE
    assert sum(wait.longest for wait in RETURNING.values()) < 2 * MINUTE


def test_a_pause_lies_evenly_between_its_bounds_and_is_the_same_every_time() -> None:
    pauses, wait = Pauses(7, 0.5), Wait(10, 30)
    stream = pauses.stream("selfie")
    drawn = [pauses.draw(wait, stream, index) for index in range(4_000)]

    assert 5 <= min(drawn) < 5.1
    assert 14.9 < max(drawn) < 15
    assert statistics.mean(drawn) == pytest.approx(10, abs=0.2)
    assert drawn[17] == Pauses(7, 0.5).draw(wait, stream, 17)


def test_pauses_before_different_steps_are_drawn_apart() -> None:
    pauses, wait = Pauses(7, 1.0), Wait(0, 1)
    one, other = pauses.stream("selfie"), pauses.stream("ktp-photo")
    pairs = [(pauses.draw(wait, one, index), pauses.draw(wait, other, index)) for index in range(2_000)]

    assert abs(statistics.correlation(*zip(*pairs, strict=True))) < 0.09
