"""The published funnels come out of the registrants."""

import math

import pytest
from journey_people import options, profile

from prakerja_load.journey import funnel
from prakerja_load.journey.behavior import Behavior
from prakerja_load.journey.registration import NewApplicant

MANY = 20_000
BEHAVIOR: dict[str, float] = {
    "nik_typo": 0.03,
    "under_age": 0.01,
    "someone_elses_nik": 0.005,
    "double_click": 0.02,
    "refresh": 0.05,
}
PUBLISHED = {  # per cent of accounts, as printed
    "wave-1-close": {3: 74.2, 5: 55.2, 10: 46.6, 13: 34.8},
    "wave-1-21h": {3: 74.2, 5: 43.6, 13: 5.4},
    "waves-1-8": {3: 78.0, 5: 58.0, 10: 52.0},
    "none": {3: 100.0, 5: 100.0, 10: 100.0, 13: 100.0, 14: 100.0},
}


def did(one: Behavior, step: int) -> bool:
    """Tell whether a step succeeds for one; to be refused at the identity step is no valid NIK."""
    return one.last >= step and not (one.is_refused and step >= 5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_funnels_are_those_published(name: str) -> None:
    shares = funnel.survival(name)

    for step, per_cent in PUBLISHED[name].items():
        assert 100 * shares[step - 1] == pytest.approx(per_cent, abs=0.3)
    assert set(funnel.FUNNELS) == set(PUBLISHED)


@pytest.mark.parametrize("name", ["wave-1-close", "wave-1-21h", "waves-1-8"])
def test_twenty_thousand_registrants_pass_each_milestone_as_published_refusals_included(name: str) -> None:
    habits = NewApplicant(options(funnel=name, prefilled=100, **BEHAVIOR), profile).habits
    everybody = [habits.of(index) for index in range(MANY)]

    for step, per_cent in PUBLISHED[name].items():
        share = per_cent / 100
        seen = sum(did(one, step) for one in everybody) / MANY
        assert abs(seen - share) < 4 * math.sqrt(share * (1 - share) / MANY) + 0.003


def test_where_nobody_drops_off_only_refusals_end_a_journey_early() -> None:
    habits = NewApplicant(options(under_age=0.02)).habits
    everybody = [habits.of(index) for index in range(5_000)]

    assert {one.last for one in everybody if not one.is_refused} == {14}
    assert {one.last for one in everybody if one.is_refused} == {5}


def test_between_two_milestones_every_step_loses_the_same_part() -> None:
    passing = funnel.passing("wave-1-close")

    assert passing[3] == pytest.approx(passing[4])
    assert passing[5:10] == pytest.approx([passing[5]] * 5)
    assert passing[10:13] == pytest.approx([passing[10]] * 3)
    assert math.prod(passing[5:10]) == pytest.approx(2_780_026 / 3_294_190)
    assert passing[13] == 1.0


def test_nobody_leaves_before_there_is_an_account_and_shares_never_rise() -> None:
    for name in funnel.FUNNELS:
        shares = funnel.survival(name)
        assert shares[:2] == (1.0, 1.0)
        assert list(shares) == sorted(shares, reverse=True)
