"""Who does what: shares, exclusions, determinism."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journey_people import options

from prakerja_load.journey import funnel
from prakerja_load.journey.behavior import Habits
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.registration import CLICKS, PAGES

MANY = 20_000
TOLERANCE = 0.0142  # four standard deviations of a share of one half among 20 000


def habits(chosen: JourneyOptions) -> Habits:
    return Habits(chosen, funnel.survival(chosen.funnel), clicks=CLICKS, pages=PAGES, identity=5)


def test_shares_come_out_as_stated_where_everybody_finishes() -> None:
    stated = {"nik_typo": 0.2, "under_age": 0.1, "someone_elses_nik": 0.15, "double_click": 0.3, "refresh": 0.4}
    population = habits(options(**stated, retry_after_shed=0.6, shed_retries=2, prefilled=10))
    everybody = [population.of(index) for index in range(MANY)]

    def share(count: int) -> float:
        return count / MANY

    assert share(sum(one.is_under_age for one in everybody)) == pytest.approx(0.1, abs=TOLERANCE)
    assert share(sum(one.victim >= 0 for one in everybody)) == pytest.approx(0.15, abs=TOLERANCE)
    assert share(sum(one.has_nik_typo for one in everybody)) == pytest.approx(0.2 * 0.75, abs=TOLERANCE)
    assert share(sum(one.click > 0 for one in everybody)) == pytest.approx(0.3, abs=TOLERANCE)
    assert share(sum(one.refresh > 0 for one in everybody)) == pytest.approx(0.4, abs=TOLERANCE)
    assert share(sum(one.returns == 2 for one in everybody)) == pytest.approx(0.6, abs=TOLERANCE)
    assert {one.victim for one in everybody} == {-1, *range(10)}
    assert Counter(one.refresh for one in everybody if not one.is_refused).keys() == {0, *PAGES}
    assert {one.click for one in everybody} == {0, *CLICKS}


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**63 - 1),
    index=st.integers(0, 6_000_000),
    name=st.sampled_from(sorted(funnel.FUNNELS)),
    under_age=st.sampled_from([0.0, 0.05, 0.5]),
    impostors=st.sampled_from([0.0, 0.05, 0.5]),
    often=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_nobody_plans_what_cannot_be(
    seed: int, index: int, name: str, under_age: float, impostors: float, often: float
) -> None:
    chosen = options(
        seed=seed,
        funnel=name,
        under_age=under_age,
        someone_elses_nik=impostors,
        prefilled=100,
        nik_typo=often,
        double_click=often,
        refresh=often,
    )
    population = habits(chosen)

    one = population.of(index)

    assert one == habits(chosen).of(index)
    assert one.last == population.last_of(index)
    assert 2 <= one.last <= 14
    assert one.click <= one.last - one.is_refused
    assert one.refresh <= one.last
    assert one.is_refused <= (one.last == 5)
    assert not (one.is_refused and one.has_nik_typo)
    assert not (one.is_under_age and one.victim >= 0)
    assert one.victim < 100
    if often == 1.0:
        assert one.click
        assert one.refresh
        assert one.has_nik_typo == (one.last >= 5 and not one.is_refused)


def test_everybody_may_be_refused() -> None:
    population = habits(options(under_age=1.0))

    assert all(population.of(index).is_under_age for index in range(100))
    assert population.reach(5) == 1.0
    assert population.reach(6) == 0.0


def test_another_seed_makes_other_people() -> None:
    one, other = (habits(options(seed=seed, funnel="wave-1-close")) for seed in (1, 2))

    assert [one.last_of(index) for index in range(100)] != [other.last_of(index) for index in range(100)]
