"""Which identity index i gets: province of first registration, sex, age band, then a slot that nobody else has.

A stratum is (province, sex, age band). Every block of 2²⁰ indices contains each stratum exactly as often as its
share says (largest remainder); a permutation, keyed anew for each block, decides which index of the block falls into
which stratum. The k-th person of a stratum then takes slot p(k), where p permutes the districts × birth dates of the
stratum. No two indices share an identity, and any index can be placed without placing the others.
"""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prakerja_load import seeds
from prakerja_load.applicants.proportions import AGE_BANDS, MEN_SHARE, PROVINCES, WOMEN_SHARE
from prakerja_load.applicants.regions import regions
from prakerja_load.errors import StratumFullError

BLOCK = 2**20
LIMIT = 10**8  # indices there are at all: as many as phone numbers behind one prefix
FIRST_BIRTH = AGE_BANDS[-1].first_birth
LAST_BIRTH = AGE_BANDS[0].last_birth
BIRTH_DAYS = (LAST_BIRTH - FIRST_BIRTH).days + 1


@functools.cache
def birth_dates() -> list[datetime.date]:
    """Return every birth date an applicant can have, by days since FIRST_BIRTH."""
    return [FIRST_BIRTH + datetime.timedelta(days=day) for day in range(BIRTH_DAYS)]


@dataclass(frozen=True)
class Placement:
    """Identities of n people, arrays of shape (n,)."""

    province: NDArray[np.int64]  # of first registration, a position in regions().province_codes
    district: NDArray[np.int64]  # of first registration, a position in regions().district_codes
    is_woman: NDArray[np.int64]  # 0 or 1
    birth_day: NDArray[np.int64]  # days since FIRST_BIRTH


@dataclass(frozen=True)
class StratumTable:
    """What is the same for every seed; arrays of shape (strata,)."""

    quota: NDArray[np.int64]  # people in a block of 2²⁰ indices
    end: NDArray[np.int64]  # running sum of the quotas
    capacity: NDArray[np.int64]  # districts × birth dates
    province: NDArray[np.int64]
    is_woman: NDArray[np.int64]
    first_day: NDArray[np.int64]  # of the band, days since FIRST_BIRTH
    days: NDArray[np.int64]  # birth dates in the band
    label: tuple[str, ...]

    @property
    def guaranteed(self) -> int:
        """Return how many indices, counted from 0 in whole blocks, certainly find a free slot."""
        used = self.quota > 0
        return int((self.capacity[used] // self.quota[used]).min()) * BLOCK


@functools.cache
def table() -> StratumTable:
    """Return the strata in the order province, sex, age band."""
    where = regions()
    population = np.array([PROVINCES[code][1] for code in where.province_codes], np.float64)
    bands = np.array([band.share for band in AGE_BANDS])
    sexes = np.array([MEN_SHARE, WOMEN_SHARE])
    shares = (population[:, None, None] * sexes[None, :, None] * bands[None, None, :]).ravel()
    shape = (len(population), len(sexes), len(bands))
    province, is_woman, band = (axis.ravel().astype(np.int64) for axis in np.indices(shape))
    quota = largest_remainder(shares, BLOCK)
    days = np.array([one.days for one in AGE_BANDS], np.int64)[band]
    return StratumTable(
        quota=quota,
        end=np.cumsum(quota),
        capacity=where.district_count[province] * days,
        province=province,
        is_woman=is_woman,
        first_day=np.array([(one.first_birth - FIRST_BIRTH).days for one in AGE_BANDS], np.int64)[band],
        days=days,
        label=tuple(
            f"{('men', 'women')[w]} of {AGE_BANDS[b].youngest}–{AGE_BANDS[b].oldest} registered in "
            f"{where.province_names[p]}"
            for p, w, b in zip(province.tolist(), is_woman.tolist(), band.tolist(), strict=True)
        ),
    )


def largest_remainder(shares: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Return whole numbers proportional to the shares that add up to total: rounded down, the rest to the largest
    remainders (the earlier one where two are equal).
    """
    exact = shares / shares.sum() * total
    whole: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    missing = total - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
    return whole


class Strata:
    """The placement of every index for one seed."""

    def __init__(self, seed: int) -> None:
        self._table = table()
        blocks = -(-LIMIT // BLOCK)
        streams = [seeds.key(seed, "block", block) for block in range(blocks)]
        self._order = seeds.Permutations([BLOCK] * blocks, streams)
        capacity = self._table.capacity.tolist()
        self._slots = seeds.Permutations(capacity, [seeds.key(seed, "stratum", label) for label in self._table.label])

    def place(self, indices: NDArray[np.int64]) -> Placement:
        """Return the identities of the indices (shape (n,), each in [0, 10⁸)).

        Raises StratumFullError, naming the first index of the array that finds no free slot.
        """
        strata = self._table
        block, position = indices // BLOCK, indices % BLOCK
        position = self._order.apply(block, position).astype(np.int64)
        stratum = np.searchsorted(strata.end, position, side="right")
        quota = strata.quota[stratum]
        rank = block * quota + position - (strata.end[stratum] - quota)
        self._refuse_overfull(indices, stratum, rank)
        slot = self._slots.apply(stratum, rank).astype(np.int64)
        district, day = np.divmod(slot, strata.days[stratum])
        province = strata.province[stratum]
        return Placement(
            province=province,
            district=regions().first_district[province] + district,
            is_woman=strata.is_woman[stratum],
            birth_day=strata.first_day[stratum] + day,
        )

    def _refuse_overfull(self, indices: NDArray[np.int64], stratum: NDArray[np.intp], rank: NDArray[np.int64]) -> None:
        is_over = rank >= self._table.capacity[stratum]
        if not is_over.any():
            return
        first = int(np.argmax(is_over))
        full = int(stratum[first])
        raise StratumFullError(
            f"applicant {int(indices[first]):,}: all {int(self._table.capacity[full]):,} identities of "
            f"{self._table.label[full]} are taken; use indices below {self._table.guaranteed:,}"
        )
