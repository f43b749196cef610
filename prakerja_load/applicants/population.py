"""The population: applicant i of a seed, alone or as columns of a range."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable

import msgspec

from prakerja_load.applicants import text
from prakerja_load.applicants.cohort import Census
from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.applicants.proportions import EDUCATION, EMPLOYMENT, PROVINCES
from prakerja_load.applicants.regions import REGIONS_FILE
from prakerja_load.applicants.strata import table
from prakerja_load.errors import StratumFullError

FIELDS = tuple(text.FIELDS)
_BLOCK = 64  # applicants made together; one block takes about 0.35 ms
_BLOCKS_KEPT = 64


class Population:
    """The synthetic people of one seed; person i is a pure function of (seed, i, dialable).

    `dialable` gives phone numbers with real operators' prefixes, for systems that check them and send nothing.
    """

    def __init__(self, seed: int, dialable: bool = False) -> None:
        self.seed = seed
        self.dialable = dialable
        self._census = Census(seed, dialable)
        self._block = functools.lru_cache(maxsize=_BLOCKS_KEPT)(self._make_block)
        self._block(0)  # loads Faker and builds the pools now, not in the middle of a run

    @property
    def guaranteed(self) -> int:
        """Return how many people there certainly are: indices below this never meet a full stratum."""
        return table().guaranteed

    def applicant(self, index: int) -> ApplicantProfile:
        """Return person `index`; neighbors are made with it and kept, so walking through a range is cheap.

        Raises StratumFullError when the person's stratum is full, IndexError for an index outside [0, 10⁸).
        """
        try:
            return self._block(index // _BLOCK)[index % _BLOCK]
        except (StratumFullError, IndexError):  # perhaps because of a neighbor
            return self._profiles(index, index + 1)[0]

    def columns(self, start: int, stop: int, names: Iterable[str] = FIELDS) -> dict[str, list[str]]:
        """Return the named fields of the people start … stop − 1, a list of stop − start texts each.

        Dates are written YYYY-MM-DD. Raises StratumFullError when somebody's stratum is full.
        """
        people = self._census.draw(start, stop)
        return {name: text.FIELDS[name](people) for name in names}

    def check(self, start: int, stop: int) -> None:
        """Raise StratumFullError when a stratum is full before everybody in [start, stop) has been placed."""
        step = 2**16
        for low in range(max(start, self.guaranteed), stop, step):
            self._census.check(low, min(low + step, stop))

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that two populations share if their people are the same.

        It changes with the seed and with everything the people are made from: Faker's names, regions, proportions.
        """
        made_from = [
            self._block(0),
            text.pools().given.tolist(),
            text.pools().family.tolist(),
            [REGIONS_FILE.read_text("utf-8"), PROVINCES, EDUCATION, EMPLOYMENT],
            table().quota.tolist(),
        ]
        return hashlib.blake2b(msgspec.json.encode(made_from), digest_size=8).hexdigest()

    def _make_block(self, number: int) -> list[ApplicantProfile]:
        return self._profiles(number * _BLOCK, (number + 1) * _BLOCK)

    def _profiles(self, start: int, stop: int) -> list[ApplicantProfile]:
        people = self._census.draw(start, stop)
        columns = {name: write(people) for name, write in text.FIELDS.items()}
        dates = text.dates_of_birth(people)
        fields = ApplicantProfile.__struct_fields__
        return list(map(ApplicantProfile, *(dates if name == "birth_date" else columns[name] for name in fields)))


def population(seed: int, dialable: bool = False) -> Population:
    """Return the population of a seed, made once."""
    return _made_once(seed, dialable)


def applicant(seed: int, index: int) -> ApplicantProfile:
    """Return person `index` of a seed."""
    return population(seed).applicant(index)


@functools.lru_cache(maxsize=4)
def _made_once(seed: int, dialable: bool) -> Population:
    return Population(seed, dialable)
