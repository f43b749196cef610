"""Which identity an index gets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prakerja_load.applicants import strata
from prakerja_load.applicants.proportions import AGE_BANDS
from prakerja_load.applicants.regions import regions
from prakerja_load.errors import StratumFullError

TIGHTEST = "men of 18–25 registered in DKI Jakarta"


@pytest.fixture(scope="module")
def placed() -> strata.Strata:
    return strata.Strata(11)


def identity(people: strata.Placement) -> NDArray[np.int64]:
    """One number for each (district, sex, birth date)."""
    return (people.district * 2 + people.is_woman) * strata.BIRTH_DAYS + people.birth_day


def test_quotas_fill_a_block_exactly_and_follow_the_shares() -> None:
    table = strata.table()
    assert int(table.quota.sum()) == strata.BLOCK == int(table.end[-1])
    assert len(table.quota) == 34 * 2 * len(AGE_BANDS)
    men = int(table.quota[table.is_woman == 0].sum())
    assert men / strata.BLOCK == pytest.approx(0.665, abs=2e-4)
    dki = int(table.quota[table.province == regions().province_codes.index("31")].sum())
    assert dki / strata.BLOCK == pytest.approx(11_100_929 / 268_583_016, abs=1e-5)


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=30), st.integers(0, 10_000))
def test_largest_remainders_add_up_and_are_at_most_one_off(shares: list[float], total: int) -> None:
    array = np.array(shares)
    whole = strata.largest_remainder(array, total)
    assert int(whole.sum()) == total
    assert float(np.abs(whole - array / array.sum() * total).max()) < 1 + 1e-6


def test_the_tightest_stratum_is_young_men_of_the_capital() -> None:
    table = strata.table()
    tightest = int((table.capacity / table.quota).argmin())
    assert table.label[tightest] == TIGHTEST
    assert int(table.capacity[tightest]) == 44 * 2922 == 128_568
    assert table.guaranteed == 9 * 2**20


def test_a_block_contains_every_stratum_exactly_as_often_as_its_quota(placed: strata.Strata) -> None:
    # the second block: its order differs from the first one's
    people = placed.place(np.arange(strata.BLOCK, 2 * strata.BLOCK))
    bands = np.array([(band.first_birth - strata.FIRST_BIRTH).days for band in AGE_BANDS])
    band = (people.birth_day[:, None] < bands[None, :]).sum(axis=1)
    stratum = (people.province * 2 + people.is_woman) * len(AGE_BANDS) + band
    assert np.bincount(stratum, minlength=340).tolist() == strata.table().quota.tolist()
    assert len(np.unique(identity(people))) == strata.BLOCK
    assert regions().province_of[people.district].tolist() == people.province.tolist()


def test_each_block_has_its_own_order(placed: strata.Strata) -> None:
    positions = np.arange(2000)
    first, second = placed.place(positions), placed.place(positions + strata.BLOCK)
    same = float((first.province == second.province).mean())
    assert same < 0.2  # two independent draws agree with probability Σ share² ≈ 0.095


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9 * strata.BLOCK - 1), min_size=2, max_size=40, unique=True))
def test_different_people_never_share_an_identity(indices: list[int]) -> None:
    people = strata.Strata(5).place(np.array(indices))
    assert len(set(identity(people).tolist())) == len(indices)


def test_an_index_is_placed_alike_alone_and_among_others(placed: strata.Strata) -> None:
    together = identity(placed.place(np.arange(500, 600)))
    alone = [int(identity(placed.place(np.array([index])))[0]) for index in range(500, 600)]
    assert together.tolist() == alone


def test_another_seed_places_differently(placed: strata.Strata) -> None:
    indices = np.arange(1000)
    assert (identity(placed.place(indices)) != identity(strata.Strata(12).place(indices))).mean() > 0.99


def test_a_full_stratum_is_refused_by_name_and_never_repeated(placed: strata.Strata) -> None:
    table = strata.table()
    with pytest.raises(StratumFullError) as refused:
        placed.place(np.arange(table.guaranteed, table.guaranteed + 50_000))
    message = str(refused.value)
    assert TIGHTEST in message
    assert "128,568 identities" in message
    assert "below 9,437,184" in message
    index = int(message.split(":", maxsplit=1)[0].removeprefix("applicant ").replace(",", ""))
    with pytest.raises(StratumFullError):
        placed.place(np.array([index]))
    assert len(placed.place(np.arange(table.guaranteed, index)).district) == index - table.guaranteed


@pytest.mark.slow
def test_six_million_people_have_six_million_identities(placed: strata.Strata) -> None:
    count, step = 6_000_000, 200_000
    seen = np.concatenate([identity(placed.place(np.arange(low, low + step))) for low in range(0, count, step)])
    assert len(np.unique(seen)) == count
