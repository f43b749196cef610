"""Where applicants live."""

from __future__ import annotations

import numpy as np
import pytest

from prakerja_load.applicants import domicile
from prakerja_load.applicants.proportions import PROVINCES, SAME_DISTRICT_SHARE
from prakerja_load.applicants.regions import regions


def shares() -> tuple[np.ndarray, np.ndarray]:
    counts = np.array(list(PROVINCES.values()), float)
    living, registered = (counts / counts.sum(axis=0)).T
    return living, registered


def test_both_marginals_are_exact() -> None:
    living, registered = shares()
    move = domicile.coupling()
    arriving = np.diff(move.destination, prepend=0.0)
    movers = float((registered * (1 - move.stay)).sum())
    assert registered * move.stay + movers * arriving == pytest.approx(living, abs=1e-12)


def test_as_few_people_move_as_can_be() -> None:
    living, registered = shares()
    move = domicile.coupling()
    movers = float((registered * (1 - move.stay)).sum())
    assert movers == pytest.approx(1 - np.minimum(living, registered).sum())
    assert movers < 0.2


def test_nobody_moves_to_a_province_that_loses_people() -> None:
    living, registered = shares()
    arriving = np.diff(domicile.coupling().destination, prepend=0.0)
    assert (arriving[living <= registered] == 0).all()
    assert domicile.coupling().destination[-1] == 1


def test_moves_reach_every_district_of_the_province_alike() -> None:
    where = regions()
    jakarta = where.province_codes.index("31")
    first, count = int(where.first_district[jakarta]), int(where.district_count[jakarta])
    people = 44_000
    unit = np.stack([np.full(people, SAME_DISTRICT_SHARE), np.full(people, 0.5), (np.arange(people) + 0.5) / people])
    homes = domicile.settle(np.full(people, jakarta), np.full(people, first), unit)
    assert np.bincount(homes - first).tolist() == [people // count] * count


@pytest.mark.parametrize("distance", [0.0, 0.5, 0.7499])
def test_who_stays_close_lives_in_the_district_of_first_registration(distance: float) -> None:
    where = regions()
    district = np.arange(0, 7030, 10)
    province = where.province_of[district]
    unit = np.stack([distance * domicile.coupling().stay[province], np.full(703, 0.99), np.full(703, 0.99)])
    assert domicile.settle(province, district, unit).tolist() == district.tolist()


def test_the_last_of_the_random_numbers_still_names_a_district() -> None:
    where = regions()
    district = np.arange(7030)
    unit = np.full((3, 7030), np.nextafter(1.0, 0.0))
    homes = domicile.settle(where.province_of, district, unit)
    assert int(homes.min()) >= 0
    assert int(homes.max()) < 7030
