"""A ramp that was cut off and resumed: what its earlier parts left behind, put together with the last one.

Each earlier part lies in a folder `part-1`, `part-2`, … of the ramp's. An arrival whose journey ended in a part is of
that part; every other one was played again by the next, with the same idempotency keys, and of its first try nothing
counts but the ledger: what it wrote may be stored. Who had waited `KEPT_WAITING` for an answer when the part was cut
off stays unfinished: a system that hangs is not excused by whoever ends it. They are not played again where a closing
record says so; of a killed worker's people, who have none, the second try counts for nothing but the ledger. The clock
of the schedule stands still between two parts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.evidence.cut import KEPT_WAITING, WAIT
from prakerja_load.evidence.journal import Records
from prakerja_load.evidence.sample import SAMPLE
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

KEPT = np.dtype([("index", "<i8"), ("waited", "<f8")])
"""One arrival that was kept waiting for an answer until a part was cut off, and for how long (s)."""

_PART_NAME = re.compile(r"part-(\d+)")


@dataclass(frozen=True)
class Part:
    """One part of a ramp as its records tell it."""

    arrivals: Records
    samples: Records
    ledger: Records
    epoch_wall: Seconds = 0.0  # wall-clock time of the schedule's time 0 as this part played it; 0 when unknown
    waiting: Records = field(
        default_factory=lambda: np.empty(0, WAIT)
    )  # writes that its killed workers left unanswered

    @property
    def closed(self) -> NDArray[np.int64]:
        """Return the arrivals that no later part plays, in ascending order: ended, or kept waiting until the cut."""
        ended = self.arrivals["index"][self.arrivals["ending"] != Ending.IN_FLIGHT]
        asked = self.samples[self.samples["outcome"] == Outcome.IN_FLIGHT]
        waiting = asked["index"][asked["finished"] - asked["due"] >= KEPT_WAITING * SECOND_NS]
        indices: NDArray[np.int64] = np.unique(np.concatenate([ended, waiting]))
        return indices

    @property
    def kept(self) -> Records:
        """Return who was kept waiting until the cut by a closing record of this part, and for how long."""
        under_way = self.arrivals["index"][self.arrivals["ending"] == Ending.IN_FLIGHT]
        asked = self.samples[(self.samples["outcome"] == Outcome.IN_FLIGHT) & np.isin(self.samples["index"], under_way)]
        return _kept(asked["index"], asked["finished"] - asked["due"])

    @property
    def last_started(self) -> Nanoseconds:
        """Return when the last request of this part was sent, in the schedule's time; 0 when there was none."""
        return int(self.samples["started"].max()) if self.samples.size else 0


@dataclass(frozen=True)
class Whole:
    """All parts as one ramp; `carried` counts what earlier parts contribute, `replayed` who was begun anew."""

    arrivals: Records
    samples: Records
    ledger: Records
    carried: dict[str, int]
    replayed: NDArray[np.int64]  # may reach beyond the last arrival of the ramp
    cut_at: tuple[Seconds, ...] = ()  # the schedule's time at the end of each earlier part
    offsets: tuple[Seconds, ...] = ()  # by how much the part after it was later than the part itself
    kept: Records = field(default_factory=lambda: np.empty(0, KEPT))  # who was kept waiting until a cut


def join(earlier: Sequence[Part], last: Part, unwritten: int = 0) -> Whole:
    """Return the parts as one ramp, in the order in which they were played.

    `unwritten` is how many arrivals a killed process may have begun of which it had nothing on disk yet.
    """
    ended = [part.closed for part in earlier]
    replayed = [np.setdiff1d(_begun(part, unwritten), done) for part, done in zip(earlier, ended, strict=True)]
    carried = [len(_of(part.arrivals, done)) for part, done in zip(earlier, ended, strict=True)]
    told = [*(_told(part, done) for part, done in zip(earlier, ended, strict=True)), last]
    for place, part in enumerate(earlier):
        told[place:] = _with_left(told[place], part, told[place + 1 :])
    samples = np.concatenate([part.samples for part in told])
    walls = [*(part.epoch_wall for part in earlier), last.epoch_wall]
    return Whole(
        arrivals=np.concatenate([part.arrivals for part in told]),
        samples=samples,
        ledger=np.concatenate(_renumbered([*(part.ledger for part in earlier), last.ledger])),
        carried={
            "arrivals": sum(carried),
            "samples": len(samples) - len(last.samples),
            "ledger": sum(len(part.ledger) for part in earlier),
        },
        replayed=np.unique(np.concatenate([np.empty(0, np.int64), *replayed])),
        cut_at=tuple(part.last_started / SECOND_NS for part in earlier),
        offsets=tuple(after - before if before and after else 0.0 for before, after in itertools.pairwise(walls)),
        kept=np.concatenate([np.empty(0, KEPT), *(part.kept for part in told[:-1])]),
    )


def _told(part: Part, done: NDArray[np.int64]) -> Part:
    """Return what of an earlier part counts besides its ledger: who is closed by it."""
    return replace(part, arrivals=_of(part.arrivals, done), samples=_of(part.samples, done))


def _with_left(told: Part, part: Part, later: Sequence[Part]) -> list[Part]:
    """Return an earlier part and the later ones, those whom its killed workers left waiting counted with it.

    Who they are and what they meant the second try tells, which is of the same person.
    """
    again = np.concatenate([one.arrivals for one in later])
    waits = part.waiting[np.isin(part.waiting["index"], np.setdiff1d(again["index"], told.arrivals["index"]))]
    waits = waits[np.unique(waits["index"], return_index=True)[1]]
    if not waits.size:
        return [told, *later]
    closing = again[np.unique(again["index"], return_index=True)[1]]
    closing = closing[np.isin(closing["index"], waits["index"])]
    answered = _of(part.samples, waits["index"])
    unanswered = np.concatenate(
        [
            _unanswered(wait, answered[answered["index"] == wait["index"]], one)
            for wait, one in zip(waits, closing, strict=True)
        ]
    )
    closing["started"] = [
        int(answered["started"][answered["index"] == wait["index"]].min(initial=wait["at"])) for wait in waits
    ]
    closing["finished"], closing["ending"], closing["think"] = -1, Ending.IN_FLIGHT, unanswered["think"]
    closing["reached"] = np.minimum(closing["reached"], np.maximum(waits["step"], 1) - 1)
    first = replace(
        told,
        arrivals=np.concatenate([told.arrivals, closing]),
        samples=np.concatenate([told.samples, answered, unanswered]),
    )
    return [first, *(_without(one, waits["index"]) for one in later)]


def _unanswered(wait: Records, answered: Records, closing: Records) -> Records:
    """Return the request that was not answered, as a sample.

    The pause before it is all taken for planned think time, so that nobody is called later than they were.
    """
    sample = np.zeros(1, SAMPLE)
    for name in ("index", "step", "attempt"):
        sample[name] = wait[name]
    sample["outcome"], sample["intended"] = Outcome.IN_FLIGHT, closing["intended"]
    sample["due"] = sample["started"] = wait["at"]
    sample["finished"] = wait["until"]
    if answered.size:
        before = answered[int(np.argmax(answered["finished"]))]
        sample["think"] = before["think"] + max(0, int(wait["at"]) - int(before["finished"]))
    return sample


def _kept(indices: NDArray[np.int64], waited: NDArray[np.int64]) -> Records:
    kept = np.zeros(indices.size, KEPT)
    kept["index"], kept["waited"] = indices, waited / SECOND_NS
    return kept


def _without(part: Part, indices: NDArray[np.int64]) -> Part:
    """Return a part without what it tells of these arrivals besides its ledger."""
    left = [records[~np.isin(records["index"], indices)] for records in (part.arrivals, part.samples)]
    return replace(part, arrivals=left[0], samples=left[1])


def _begun(part: Part, unwritten: int) -> NDArray[np.int64]:
    """Return the arrivals that a part may have begun; they begin in their order, so the unwritten ones come next."""
    known = np.unique(np.concatenate([part.arrivals["index"], part.samples["index"], part.ledger["index"]]))
    after = int(known[-1]) + 1 if known.size else 0
    return np.concatenate([known, np.arange(after, after + unwritten)])


def _of(records: Records, indices: NDArray[np.int64]) -> Records:
    """Return the records of these arrivals."""
    return records[np.isin(records["index"], indices)]


def _renumbered(ledgers: Sequence[Records]) -> list[Records]:
    """Return the ledgers with the attempts of a later part numbered on from those of the part before."""
    found: list[Records] = []
    first = 0
    for ledger in ledgers:
        numbered = ledger.copy()
        numbered["attempt"] = np.minimum(ledger["attempt"].astype(np.int64) + first, 255)
        found.append(numbered)
        first = int(numbered["attempt"].max()) + 1 if numbered.size else first
    return found


def part_paths(ramp: Path) -> tuple[Path, ...]:
    """Return the folders of a ramp's earlier parts in their order."""
    found = [(int(match[1]), path) for path in ramp.iterdir() if (match := _PART_NAME.fullmatch(path.name))]
    return tuple(path for _, path in sorted(found))


def remaining(count: int, closed: NDArray[Any]) -> list[tuple[int, int]]:
    """Return the ranges (start, stop) of `count` arrivals that are not among the closed ones."""
    is_open = np.ones(count + 2, np.bool_)
    is_open[0] = is_open[-1] = False
    inside = closed[(closed >= 0) & (closed < count)]
    is_open[1:-1][inside] = False
    edges = np.flatnonzero(np.diff(is_open.astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
