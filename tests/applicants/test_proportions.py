"""The proportions of 2020."""

from __future__ import annotations

import datetime
import itertools

import pytest

from prakerja_load.applicants import proportions
from prakerja_load.applicants.proportions import AGE_BANDS, EDUCATION, EMPLOYMENT, PROVINCES, WAVE_ONE


def test_the_provinces_add_up_to_the_published_sums() -> None:
    assert sum(participants for participants, _ in PROVINCES.values()) == 5_987_674
    assert sum(population for _, population in PROVINCES.values()) == 268_583_016


@pytest.mark.parametrize(
    "shares",
    [
        [proportions.MEN_SHARE, proportions.WOMEN_SHARE],
        [band.share for band in AGE_BANDS],
        list(EDUCATION.values()),
        list(EMPLOYMENT.values()),
    ],
    ids=["sex", "age", "education", "employment"],
)
def test_shares_add_up_to_one(shares: list[float]) -> None:
    assert sum(shares) == pytest.approx(1, abs=1e-12)


def test_age_bands_follow_one_another_without_a_gap() -> None:
    for younger, older in itertools.pairwise(AGE_BANDS):
        assert older.last_birth + datetime.timedelta(days=1) == younger.first_birth
        assert older.youngest == younger.oldest + 1


def test_the_youngest_turn_18_on_the_day_the_wave_opens() -> None:
    assert AGE_BANDS[0].last_birth == datetime.date(2002, 4, 11)
    assert AGE_BANDS[-1].first_birth == datetime.date(1951, 4, 12)  # turns 69 on the next day


def test_a_band_counts_both_its_ends() -> None:
    assert AGE_BANDS[0].days == 2922


def test_a_whole_band_has_its_share() -> None:
    assert proportions.share_aged(18, 68) == pytest.approx(1)
    assert proportions.share_aged(18, 25) == pytest.approx(0.477)
    assert proportions.share_aged(18, 18) == pytest.approx(0.477 * 365 / 2922, rel=2e-3)
    assert proportions.share_aged(70, 80) == 0


@pytest.mark.parametrize("age", range(18, 69))
def test_education_of_an_age_is_a_distribution_without_early_graduates(age: int) -> None:
    shares = proportions.education_at(age)
    assert list(shares) == list(EDUCATION)
    assert sum(shares.values()) == pytest.approx(1)
    assert all(share >= 0 for share in shares.values())
    assert (shares["S1"] > 0) == (age >= 22)
    assert (shares["D1-D3"] > 0) == (age >= 20)


def test_education_of_all_ages_together_is_that_of_the_survey() -> None:
    for level, share in EDUCATION.items():
        mixed = sum(proportions.share_aged(age, age) * proportions.education_at(age)[level] for age in range(18, 69))
        assert mixed == pytest.approx(share, rel=1e-9)


def test_the_reference_day_is_the_opening_of_the_first_wave() -> None:
    assert datetime.date(2020, 4, 11) == WAVE_ONE
