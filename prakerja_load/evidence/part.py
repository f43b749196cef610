"""A ramp that was cut off and resumed: what its earlier parts left behind, put together with the last one.

Each earlier part lies in a folder `part-1`, `part-2`, … of the ramp's. An arrival whose journey ended in a part is of
that part; every other one was played again by the next, with the same idempotency keys, and of its first try nothing
counts but the ledger: what it wrote may be stored. Who had waited `KEPT_WAITING` for an answer when the part was cut
off is not played again but stays unfinished: a system that hangs is not excused by whoever ends it. The clock of the
schedule stands still between two parts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.evidence.journal import Records
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

KEPT_WAITING: Seconds = 1.0
"""For one answer; a request that was under way for less was cut off before anything could be said of it."""

_PART_NAME = re.compile(r"part-(\d+)")


@dataclass(frozen=True)
class Part:
    """One part of a ramp as its records tell it."""

    arrivals: Records
    samples: Records
    ledger: Records
    epoch_wall: Seconds = 0.0  # wall-clock time of the schedule's time 0 as this part played it; 0 when unknown

    @property
    def closed(self) -> NDArray[np.int64]:
        """Return the arrivals that no later part plays, in ascending order: ended, or kept waiting until the cut."""
        ended = self.arrivals["index"][self.arrivals["ending"] != Ending.IN_FLIGHT]
        asked = self.samples[self.samples["outcome"] == Outcome.IN_FLIGHT]
        waiting = asked["index"][asked["finished"] - asked["due"] >= KEPT_WAITING * SECOND_NS]
        indices: NDArray[np.int64] = np.unique(np.concatenate([ended, waiting]))
        return indices

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


def join(earlier: Sequence[Part], last: Part, unwritten: int = 0) -> Whole:
    """Return the parts as one ramp, in the order in which they were played.

    `unwritten` is how many arrivals a killed process may have begun of which it had nothing on disk yet.
    """
    ended = [part.closed for part in earlier]
    replayed = [np.setdiff1d(_begun(part, unwritten), done) for part, done in zip(earlier, ended, strict=True)]
    arrivals = [_of(part.arrivals, done) for part, done in zip(earlier, ended, strict=True)]
    samples = [_of(part.samples, done) for part, done in zip(earlier, ended, strict=True)]
    ledgers = _renumbered([*(part.ledger for part in earlier), last.ledger])
    walls = [*(part.epoch_wall for part in earlier), last.epoch_wall]
    return Whole(
        arrivals=np.concatenate([*arrivals, last.arrivals]),
        samples=np.concatenate([*samples, last.samples]),
        ledger=np.concatenate(ledgers),
        carried={
            "arrivals": sum(map(len, arrivals)),
            "samples": sum(map(len, samples)),
            "ledger": sum(len(part.ledger) for part in earlier),
        },
        replayed=np.unique(np.concatenate([np.empty(0, np.int64), *replayed])),
        cut_at=tuple(part.last_started / SECOND_NS for part in earlier),
        offsets=tuple(after - before if before and after else 0.0 for before, after in itertools.pairwise(walls)),
    )


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
