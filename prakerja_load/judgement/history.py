"""What happened in a ramp, laid out for judging: every planned arrival, and every request of those with a record."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.evidence.journal import Records
from prakerja_load.evidence.sample import ARRIVAL
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.units import SECOND_NS

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

UNTIMED = (Outcome.SHED, Outcome.ERROR, Outcome.MALFORMED)
"""Failures that a slow or starved generator cannot cause."""


@dataclass(frozen=True)
class Elapsed:
    """The time to one step for those who mean to reach it, in the order of arrival; +inf for who failed."""

    indices: NDArray[np.int64]
    seconds: Array


@dataclass(frozen=True)
class History:
    """The plan's arrivals by index, the requests by step, arrival and start; times are seconds after the epoch.

    Requests of an arrival without a closing record are left out: how its journey ended is not known.
    """

    intended: Array  # by the schedule, one a planned arrival
    arrivals: Records  # one record a planned arrival, meaningful where `is_recorded`
    is_recorded: Mask
    samples: Records
    strange: int = 0  # records that name no arrival of the plan
    repeated: int = 0  # records of what another record already tells
    is_cut_off: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))  # by whoever ended the ramp; see `cut_off`
    is_undecided: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))  # of those, who was not late yet
    counts_resent: bool = False  # whether a request that was sent again is a failure of its step

    @property
    def count(self) -> int:
        """Return the number of planned arrivals."""
        return self.intended.size

    def has_ended(self, *endings: Ending) -> Mask:
        """Tell, for each arrival, whether it is recorded with one of these endings."""
        return self.is_recorded & np.isin(self.arrivals["ending"], endings)

    @cached_property
    def is_started(self) -> Mask:
        """Tell, for each arrival, whether it is recorded as started."""
        return self.is_recorded & (self.arrivals["started"] >= 0)

    @cached_property
    def is_expected(self) -> Mask:
        """Tell, for each request, whether it was ok or an expected "no"."""
        return self.samples["outcome"] <= Outcome.REJECTED

    @cached_property
    def is_last(self) -> Mask:
        """Tell, for each request, whether it is the last attempt at its step."""
        place = self.samples["index"] * 256 + self.samples["step"]
        return np.append(place[1:] != place[:-1], True)[: place.size]

    @cached_property
    def is_resent(self) -> Mask:
        """Tell, for each request, whether its connection died and it was sent again; the script did not hear of it.

        No usable answer came of it, without running out of patience, and another attempt at the step follows.
        """
        failed = (self.samples["outcome"] == Outcome.ERROR) & (self.samples["status"] == 0)
        is_resent: Mask = failed & ~self.is_last
        return is_resent

    def of_step(self, number: int) -> slice:
        """Return where the requests of one step stand."""
        step = self.samples["step"]
        return slice(int(np.searchsorted(step, number, "left")), int(np.searchsorted(step, number, "right")))

    def seconds(self, name: str) -> Array:
        """Return a time of every request in seconds."""
        return self.samples[name] / SECOND_NS

    def elapsed_to(self, number: int, judged: Mask) -> Elapsed:
        """Return finished − intended − planned think time of the last attempt at a step, for who meant to reach it.

        +inf for a last attempt that was neither ok nor expected and for whoever failed, gave up, was dropped or was
        still under way before. Left out is who completed without this step, as a refused person does, and who was cut
        off on the way to it before they were late.
        """
        rows = self._answered_or_late(number)
        times = (rows["finished"] - rows["intended"] - rows["think"]) / SECOND_NS
        value = np.where(self.has_ended(Ending.COMPLETED) | self.is_undecided, np.nan, np.inf)
        value[rows["index"]] = np.where(rows["outcome"] <= Outcome.REJECTED, times, np.inf)
        wanted = judged & self.is_recorded & (self.arrivals["meant"] >= number) & ~np.isnan(value)
        return Elapsed(np.flatnonzero(wanted), value[wanted])

    def outcomes_at(self, number: int, judged: Mask) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return arrivals and outcomes of the last attempt at a step, in the order of arrival."""
        rows = self._answered_or_late(number)
        rows = rows[judged[rows["index"]]]
        return rows["index"], rows["outcome"]

    def _answered_or_late(self, number: int) -> Records:
        """Return the last attempts at a step but those that were cut off before they were late."""
        rows = self._last_attempts(number)
        told: Records = rows[(rows["outcome"] != Outcome.IN_FLIGHT) | ~self.is_undecided[rows["index"]]]
        return told

    def _last_attempts(self, number: int) -> Records:
        """Return the last attempts at a step, as errors where one before was sent again and that counts."""
        part = self.of_step(number)
        rows = self.samples[part][self.is_last[part]]
        if self.counts_resent:
            rows["outcome"][np.isin(rows["index"], self.samples["index"][part][self.is_resent[part]])] = Outcome.ERROR
        return rows

    def untimed_failures(self) -> Mask:
        """Tell, for each arrival, whether a step of it ended in a failure that no slow generator can cause."""
        failed = np.zeros(self.count, np.bool_)
        failed[self.samples["index"][self.is_last & np.isin(self.samples["outcome"], UNTIMED)]] = True
        return failed


def lay_out(intended: Array, arrivals: Records, samples: Records) -> History:
    """Return the history of a ramp whose plan has these due times; the order of records is of no account."""
    count = intended.size
    by_index = np.zeros(count, ARRIVAL)
    is_recorded = np.zeros(count, np.bool_)
    # of repeated records the same one is kept whatever their order
    known, strange = _of_plan(arrivals, count)
    known = known[np.lexsort((known["ending"], known["finished"], known["started"], known["index"]))]
    by_index[known["index"]] = known
    is_recorded[known["index"]] = True
    requests, astray = _of_plan(samples, count)
    requests = requests[np.lexsort((requests["finished"], requests["started"], requests["index"], requests["step"]))]
    is_repeat = _repeats(requests)
    return History(
        intended=intended,
        arrivals=by_index,
        is_recorded=is_recorded,
        is_cut_off=np.zeros(count, np.bool_),
        is_undecided=np.zeros(count, np.bool_),
        samples=requests[~is_repeat & is_recorded[requests["index"]]],
        strange=strange + astray,
        repeated=known.size - int(is_recorded.sum()) + int(is_repeat.sum()),
    )


def _of_plan(records: Records, count: int) -> tuple[Records, int]:
    is_known = (records["index"] >= 0) & (records["index"] < count)
    return records[is_known], int(records.size - is_known.sum())


def _repeats(ordered: Records) -> Mask:
    """Tell which of the ordered requests are the one after them told again: same step, arrival and start."""
    same = np.ones(max(0, ordered.size - 1), np.bool_)
    for name in ("step", "index", "started"):
        same &= ordered[name][1:] == ordered[name][:-1]
    return np.append(same, False)[: ordered.size]
