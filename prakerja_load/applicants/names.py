"""Indonesian given and family names by sex, from Faker's id_ID lists; the only place that imports Faker.

The pools are Faker's element lists, sorted and without repeats, never random draws: every process with the same
version of Faker has the same pools whatever Faker's seed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# letters only: safe in an address, in CSV and on a form, and short enough for both
_PLAIN = re.compile(r"[A-Z][a-z]{1,19}")


@dataclass(frozen=True)
class NamePool:
    """Names of men, then names of women; position 0 is the empty name.

    `first` and `count` have shape (2,): where the names of men (0) and women (1) start and how many there are.
    """

    names: NDArray[Any]
    first: NDArray[np.int64]
    count: NDArray[np.int64]

    def of(self, sex: str) -> list[str]:
        """Return the names of one sex ("L" or "P")."""
        number = "LP".index(sex)
        start = int(self.first[number])
        chosen: list[str] = self.names[start : start + int(self.count[number])].tolist()
        return chosen


@functools.cache
def given_names() -> NamePool:
    """Return the pool of given names."""
    from faker.providers.person.id_ID import Provider

    return _pool(Provider.first_names_male, Provider.first_names_female)


@functools.cache
def family_names() -> NamePool:
    """Return the pool of family names."""
    from faker.providers.person.id_ID import Provider

    return _pool(Provider.last_names_male, Provider.last_names_female)


def _pool(men: Iterable[str], women: Iterable[str]) -> NamePool:
    parts = [sorted({name for name in names if _PLAIN.fullmatch(name)}) for names in (men, women)]
    counts = [len(part) for part in parts]
    return NamePool(
        names=np.array(["", *parts[0], *parts[1]], object),
        first=np.array([1, 1 + counts[0]], np.int64),
        count=np.array(counts, np.int64),
    )
