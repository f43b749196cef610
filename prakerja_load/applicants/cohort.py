"""What a range of applicants is like, as numbers: every trait of every person, drawn for many people at once.

Each decision about person i is one 64-bit hash of (seed, decision, i); nothing depends on how indices are grouped.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load import seeds
from prakerja_load.applicants import address, domicile
from prakerja_load.applicants.family_card import FIRST_RECORDED, LAST_RECORDED
from prakerja_load.applicants.names import NamePool, family_names, given_names
from prakerja_load.applicants.phone import PhoneBook
from prakerja_load.applicants.proportions import (
    EDUCATION,
    EMPLOYMENT,
    NO_FAMILY_NAME_SHARE,
    SECOND_NAME_SHARE,
    WAVE_ONE,
    education_at,
)
from prakerja_load.applicants.strata import BIRTH_DAYS, LIMIT, Strata, birth_dates

Whole = NDArray[np.int64]
MAIL_DOMAINS = ("example.com", "example.net", "example.org")  # reserved by RFC 2606: no mailbox exists
_BELOW_ONE = 1 - 2.0**-53
RECORDED_DAYS = (LAST_RECORDED - FIRST_RECORDED).days + 1


class Decision(enum.IntEnum):
    """What is decided about a person by one hash each; the value is the row of the hash."""

    DISTANCE = 0
    PROVINCE = 1
    DISTRICT = 2
    RECORDED = 3
    EDUCATION = 4
    EMPLOYMENT = 5
    GIVEN_NAME = 6
    SECOND_NAME = 7
    FAMILY_NAME = 8
    HOUSE = 9
    WARD = 10
    MAIL_DOMAIN = 11
    OPERATOR = 12
    PASSWORD = 13


@dataclass(frozen=True)
class Cohort:
    """The people of a range of indices; every array has shape (n,) and holds whole numbers."""

    index: Whole
    registered: Whole  # district of first registration, a position in regions()
    is_woman: Whole
    birth_day: Whole  # days since strata.FIRST_BIRTH
    domicile: Whole  # district, a position in regions()
    recorded_day: Whole  # of the family card, days since family_card.FIRST_RECORDED
    education: Whole  # a position in proportions.EDUCATION
    employment: Whole  # a position in proportions.EMPLOYMENT
    given_name: Whole  # positions in the pools of names; 0 is no name
    second_name: Whole
    family_name: Whole
    house: Whole  # a position in address.houses()
    ward: Whole  # a position in address.wards()
    mail_domain: Whole
    phone: Whole  # national number without its leading 0
    password: NDArray[np.uint64]  # 64 random bits


class Census:
    """Draws the people of one seed."""

    def __init__(self, seed: int, dialable: bool = False) -> None:
        self._strata = Strata(seed)
        self._phones = PhoneBook(seed, dialable)
        streams = [seeds.key(seed, decision.name) for decision in Decision]
        self._streams = np.array(streams, np.uint64)[:, None]

    def check(self, start: int, stop: int) -> None:
        """Raise StratumFullError when somebody in [start, stop) would find no free identity."""
        self._strata.place(np.arange(start, stop, dtype=np.int64))

    def draw(self, start: int, stop: int) -> Cohort:
        """Return the people start … stop − 1.

        Raises StratumFullError when one of them finds no free identity, IndexError outside [0, 10⁸).
        """
        if not 0 <= start <= stop <= LIMIT:
            raise IndexError(f"applicants {start}…{stop} lie outside 0…{LIMIT}")
        index = np.arange(start, stop, dtype=np.int64)
        placed = self._strata.place(index)
        bits = seeds.mix_array(self._streams, index.astype(np.uint64)[None, :])
        unit = (bits >> 11).astype(np.float64) * 2.0**-53
        given = _named(given_names(), placed.is_woman, unit[Decision.GIVEN_NAME])
        return Cohort(
            index=index,
            registered=placed.district,
            is_woman=placed.is_woman,
            birth_day=placed.birth_day,
            domicile=domicile.settle(placed.province, placed.district, unit[Decision.DISTANCE : Decision.RECORDED]),
            recorded_day=_whole(unit[Decision.RECORDED], RECORDED_DAYS),
            education=_educated(placed.birth_day, unit[Decision.EDUCATION]),
            employment=np.searchsorted(_running(EMPLOYMENT.values()), unit[Decision.EMPLOYMENT], side="right"),
            given_name=given,
            second_name=_second(given, placed.is_woman, unit[Decision.SECOND_NAME]),
            family_name=_named(family_names(), placed.is_woman, unit[Decision.FAMILY_NAME], 1 - NO_FAMILY_NAME_SHARE),
            house=_whole(unit[Decision.HOUSE], len(address.houses())),
            ward=_whole(unit[Decision.WARD], len(address.wards())),
            mail_domain=_whole(unit[Decision.MAIL_DOMAIN], len(MAIL_DOMAINS)),
            phone=self._phones.numbers(index, unit[Decision.OPERATOR]),
            password=bits[Decision.PASSWORD],
        )


def _whole(unit: NDArray[np.float64], count: int | Whole) -> Whole:
    """Return whole numbers in [0, count) from numbers in [0, 1)."""
    whole: Whole = (unit * count).astype(np.int64)
    return whole


def _named(pool: NamePool, is_woman: Whole, unit: NDArray[np.float64], share: float = 1.0) -> Whole:
    """Return names that suit the sex, for the given share of people; the others get position 0, no name."""
    within = np.minimum(unit / share, _BELOW_ONE)
    return np.where(unit < share, pool.first[is_woman] + _whole(within, pool.count[is_woman]), 0)


def _second(given: Whole, is_woman: Whole, unit: NDArray[np.float64]) -> Whole:
    second = _named(given_names(), is_woman, unit, SECOND_NAME_SHARE)
    return np.where(second == given, 0, second)


def _educated(birth_day: Whole, unit: NDArray[np.float64]) -> Whole:
    levels: Whole = (unit[:, None] >= _education_by_day()[birth_day]).sum(axis=1)
    return levels


def _running(shares: Iterable[float]) -> NDArray[np.float64]:
    """Return running sums that end in exactly 1, so that no number in [0, 1) lies beyond them."""
    running = np.cumsum(list(shares))
    return np.append(running[:-1], 1.0)


@functools.cache
def _education_by_day() -> NDArray[Any]:
    """Return, for each birth day, the running shares of the levels of education; shape (days, levels)."""
    by_age: dict[int, NDArray[np.float64]] = {}
    table = np.empty((BIRTH_DAYS, len(EDUCATION)))
    for day, born in enumerate(birth_dates()):
        age = WAVE_ONE.year - born.year - ((born.month, born.day) > (WAVE_ONE.month, WAVE_ONE.day))
        if age not in by_age:
            by_age[age] = _running(education_at(age).values())
        table[day] = by_age[age]
    return table
