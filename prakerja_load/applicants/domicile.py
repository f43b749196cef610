"""Where applicants live: most in the province where they were first registered, the rest where 2020 drew people.

The provinces of first registration follow p (population), those of domicile follow q (participants of 2020). The
coupling moves as few people as possible: somebody registered in province a stays with probability min(p_a, q_a)/p_a,
else moves to province b with probability proportional to max(q_b − p_b, 0). Both shares are met exactly and
1 − Σ min(p, q) of all people, the smallest possible share, live in another province.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prakerja_load.applicants.proportions import PROVINCES, SAME_DISTRICT_SHARE
from prakerja_load.applicants.regions import regions


@dataclass(frozen=True)
class Coupling:
    """Who stays and where the others go; arrays over provinces, shape (34,)."""

    stay: NDArray[np.float64]  # probability to live in the province of first registration
    destination: NDArray[np.float64]  # running shares of the provinces that people move to; ends in 1


@functools.cache
def coupling() -> Coupling:
    """Return the maximal coupling of registration and domicile."""
    counts = np.array([PROVINCES[code] for code in regions().province_codes], np.float64)
    living, registered = (counts / counts.sum(axis=0)).T
    gained = np.cumsum(np.maximum(living - registered, 0))
    destination = gained / gained[-1]
    return Coupling(np.minimum(living, registered) / registered, destination)


def settle(province: NDArray[np.int64], district: NDArray[np.int64], unit: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the districts where people live who were first registered in these provinces and districts, shapes (n,).

    `unit`, shape (3, n), holds numbers in [0, 1) that decide how far people moved, to which province and district.
    """
    where, move = regions(), coupling()
    distance = unit[0] / move.stay[province]
    elsewhere = np.searchsorted(move.destination, unit[1], side="right")
    lives_in = np.where(distance < 1, province, elsewhere)
    other = where.first_district[lives_in] + (unit[2] * where.district_count[lives_in]).astype(np.int64)
    return np.where(distance < SAME_DISTRICT_SHARE, district, other)
