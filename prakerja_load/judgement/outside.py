"""A run's ledger against somebody else's table: one row a write, found by a key that the applicant or the write gives.

The table is read once and never held. Of every write that may be stored, two 64-bit hashes are kept: of its key, and of
its key with all the fields that are compared. A row whose two hashes agree is the write's, as sent: for another key to
pass, 128 bits would have to agree by chance. Every other row is compared text by text with what the write carried, so
two keys with the same hash are told apart. The words lost, duplicate and so on are those of `integrity`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prakerja_load.evidence.elsewhere import Elsewhere
from prakerja_load.evidence.ledger import NEVER, Fates, LedgerState
from prakerja_load.evidence.outside import Cells
from prakerja_load.judgement.integrity import RULES, Reconciled, decide, reasons, writes_text
from prakerja_load.judgement.verdict import Integrity, worst

Hasher: TypeAlias = Callable[[Any], int]
Record: TypeAlias = Mapping[str, str | None]

_EXAMPLES = 8
_STORABLE = (int(LedgerState.ACKNOWLEDGED), int(LedgerState.IN_DOUBT))
_EMPTY = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Writes:
    """The writes of one step in one ramp; `record` gives the text of every field by arrival index."""

    number: int  # of the ramp
    step: str
    states: NDArray[np.uint8]  # by arrival, LedgerState or NEVER
    is_unaccounted: NDArray[np.bool_]
    record: Callable[[int], Record]

    @property
    def sent(self) -> NDArray[np.int64]:
        """Return the arrivals whose write was sent, or may have been."""
        return np.flatnonzero((self.states != NEVER) | self.is_unaccounted)


@dataclass(frozen=True)
class Compared:
    """How a row is told whose it is, and which of its columns are compared."""

    key: str
    fields: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the key and the fields, in the order of a row's cells."""
        return (self.key, *self.fields)


class Match:
    """The table met chunk by chunk; places number the writes of all ramps one after another."""

    def __init__(
        self, ramps: Sequence[Writes], compared: Compared, others: Iterable[Cells] = (), hasher: Hasher = hash
    ) -> None:
        """Make ready for the table; `others` are keys of rows that lay there before the run, one row each."""
        self.ramps = ramps
        self.compared = compared
        self._hash = hasher
        self._offsets = np.cumsum([0, *(ramp.states.size for ramp in ramps)])
        self.states = np.concatenate([np.empty(0, np.uint8), *(ramp.states for ramp in ramps)])
        self.is_found = np.zeros(self.states.size, np.bool_)
        self.is_right = np.zeros(self.states.size, np.bool_)
        self.tally: Counter[tuple[str, int]] = Counter()  # (harm, ramp's position)
        self.examples: list[str] = []
        self.strangers = 0
        self.prefilled = 0
        self._take_down()
        self._take_down_others(others)

    def _take_down(self) -> None:
        """Hash what every write that may be stored carried, and sort by the hash of the key."""
        keys, prints, places = array("q"), array("q"), [_EMPTY]
        names, hashed = self.compared.names, self._hash
        for ramp, offset in zip(self.ramps, self._offsets.tolist(), strict=False):
            sent = ramp.sent
            for index in sent.tolist():
                record = ramp.record(index)
                cells = tuple([record[name] for name in names])
                keys.append(hashed(cells[0]))
                prints.append(hashed(cells))
            places.append(sent + offset)
            doubtful = sent[ramp.states[sent] == NEVER] + offset  # of a lost worker: perhaps sent
            self.states[doubtful] = LedgerState.IN_DOUBT
        order = np.argsort(np.frombuffer(keys, np.int64) if keys else _EMPTY, kind="stable")
        self._keys = np.frombuffer(keys, np.int64)[order] if keys else _EMPTY
        self._prints = np.frombuffer(prints, np.int64)[order] if keys else _EMPTY
        self._places = np.concatenate(places)[order]
        # a key that several writes share, or whose hash they share, is looked at text by text
        same = self._keys[1:] == self._keys[:-1]
        self._is_alone = ~(np.append(same, False) | np.append(False, same))[: self._keys.size]

    def _take_down_others(self, others: Iterable[Cells]) -> None:
        once, twice, hashed = array("q"), array("q"), self._hash
        for keys in others:
            once.extend(map(hashed, keys))
            twice.extend(hashed((key,)) for key in keys)
        pairs = np.empty((len(once), 2), np.int64)
        pairs[:, 0], pairs[:, 1] = once, twice
        self._others = pairs[np.argsort(pairs[:, 0], kind="stable")]
        self._is_there = np.zeros(len(once), np.bool_)

    def meet(self, columns: Sequence[Cells]) -> None:
        """Take one chunk of the table: the column of the key, then those of the fields."""
        rows = len(columns[0])
        keys = np.fromiter(map(self._hash, columns[0]), np.int64, rows)
        prints = np.fromiter(map(self._hash, zip(*columns, strict=True)), np.int64, rows)
        left = np.searchsorted(self._keys, keys, "left")
        at = np.minimum(left, max(0, self._keys.size - 1))
        is_plain = np.zeros(rows, np.bool_)
        if self._keys.size:
            is_plain = (self._keys[at] == keys) & (self._prints[at] == prints) & self._is_alone[at]
            self._meet_plain(self._places[at[is_plain]], columns[0], np.flatnonzero(is_plain))
        right = np.searchsorted(self._keys, keys, "right")
        strange = np.flatnonzero(~is_plain & (left == right)).tolist()
        for row in np.flatnonzero(~is_plain & (left < right)).tolist():
            candidates = self._places[left[row] : right[row]].tolist()
            if not self._meet_other(tuple(column[row] for column in columns), candidates):
                strange.append(row)
        self._meet_strange(columns[0], keys, np.array(strange, np.int64))

    def _meet_strange(self, keys: Cells, hashes: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Take rows that no write of the run explains: they lay there before, or nobody knows whose they are."""
        known = self._others[:, 0]
        left, right = (np.searchsorted(known, hashes[rows], side) for side in ("left", "right"))
        nobodys = rows[left == right].tolist()
        for row, low, high in zip(*(part[left < right].tolist() for part in (rows, left, right)), strict=True):
            again = self._hash((keys[row],))
            for place in range(low, high):
                if self._others[place, 1] == again and not self._is_there[place]:
                    self._is_there[place] = True
                    self.prefilled += 1
                    break
            else:
                nobodys.append(row)
        self.strangers += len(nobodys)
        for row in nobodys[:_EXAMPLES]:
            self._show(f"{keys[row] or 'no key'}: stored under a key that this run never used")

    def _meet_plain(self, places: NDArray[np.int64], keys: Cells, rows: NDArray[np.int64]) -> None:
        """Take rows that are as they were sent, each of one write only."""
        first = np.zeros(places.size, np.bool_)
        first[np.unique(places, return_index=True)[1]] = True
        fresh = first & ~self.is_found[places]
        self.is_found[places] = True
        storable = np.isin(self.states[places], _STORABLE)
        self.is_right[places[fresh & storable]] = True
        self.is_right[places[~fresh]] = False
        for row, place in zip(rows[~fresh].tolist(), places[~fresh].tolist(), strict=True):
            self._count("duplicate", place, keys[row], "stored more than once")
        refused = fresh & ~storable
        for row, place in zip(rows[refused].tolist(), places[refused].tolist(), strict=True):
            self._count("contradicted", place, keys[row], "refused, yet stored")

    def _meet_other(self, cells: tuple[str | None, ...], candidates: list[int]) -> bool:
        """Take a row that was changed, or whose key or its hash several writes share; tell whether it is of any."""
        mine = [place for place in candidates if self._record(place)[self.compared.key] == cells[0]]
        if not mine:
            return False
        place = min(mine, key=self._unlikeliness)
        if self.is_found[place]:
            self.is_right[place] = False
            self._count("duplicate", place, cells[0], "stored more than once")
            return True
        self.is_found[place] = True
        record = self._record(place)
        changed = [name for name, cell in zip(self.compared.names, cells, strict=True) if record[name] != cell]
        if self.states[place] not in _STORABLE:
            self._count("contradicted", place, cells[0], "refused, yet stored")
        elif changed:
            self._count("corrupted", place, cells[0], f"not what was sent: {', '.join(changed)}")
        else:
            self.is_right[place] = True
        return True

    def _unlikeliness(self, place: int) -> tuple[bool, bool]:
        """Order the writes that a row may be of: those that were not refused and not found yet come first."""
        return bool(self.is_found[place]), self.states[place] not in _STORABLE

    def _record(self, place: int) -> Record:
        ramp = self._ramp_of(place)
        return self.ramps[ramp].record(place - int(self._offsets[ramp]))

    def _ramp_of(self, place: int) -> int:
        return int(np.searchsorted(self._offsets, place, "right")) - 1

    def _count(self, name: str, place: int, key: str | None, words: str) -> None:
        self.tally[name, self._ramp_of(place)] += 1
        self._show(f"{key}: {words}")

    def _show(self, example: str) -> None:
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)

    def right_of(self, position: int) -> NDArray[np.bool_]:
        """Tell, for each arrival of one ramp, whether its write was found once and as sent."""
        return self.is_right[int(self._offsets[position]) : int(self._offsets[position + 1])]

    def result(self, position: int, fault: str = "") -> Integrity:
        """Return what was found of one ramp's writes; rows of nobody are counted with the last ramp."""
        part = slice(int(self._offsets[position]), int(self._offsets[position + 1]))
        states, found, right = self.states[part], self.is_found[part], self.is_right[part]
        acknowledged, in_doubt = states == LedgerState.ACKNOWLEDGED, states == LedgerState.IN_DOUBT
        unfound = acknowledged & ~found
        harm = {rule.name: self.tally[rule.name, position] for rule in RULES}
        harm["lost"] = 0 if fault else int(unfound.sum())
        harm["unexpected"] = self.strangers if position == len(self.ramps) - 1 else 0
        if not fault:
            self._show_lost(position, np.flatnonzero(unfound)[:_EXAMPLES].tolist())
        unlanded = int((in_doubt & ~found).sum())
        unverified = unlanded + int(unfound.sum()) if fault else 0
        total = int(acknowledged.sum())
        return Integrity(
            acknowledged=total,
            verified=int((acknowledged & right).sum()),
            in_doubt=int(in_doubt.sum()),
            landed=int((in_doubt & found).sum()),
            not_landed=0 if fault else unlanded,
            unverified=unverified,
            verdict=decide(harm, fault, total),
            reasons=tuple(reasons(harm, fault, total, unverified)),
            examples=tuple(self.examples),
            is_whole=not fault,
            **harm,
        )

    def _show_lost(self, position: int, indices: list[int]) -> None:
        ramp = self.ramps[position]
        for index in indices:
            self._show(f"{ramp.record(index)[self.compared.key]}: {ramp.step} acknowledged, not stored")


def recalled(parts: Sequence[Elsewhere], fates: Fates) -> Reconciled:
    """Return what was found in outside tables, one a step; writes of steps that were not looked up are unverified."""
    acknowledged, in_doubt = (fates.states == state for state in (LedgerState.ACKNOWLEDGED, LedgerState.IN_DOUBT))
    is_right = np.zeros(fates.states.shape, np.bool_)
    found = [part for part in parts if part.is_right.size == fates.count and part.step < fates.states.shape[1]]
    for part in found:
        is_right[:, part.step] = part.is_right
    known = [part.step for part in found]
    unknown = int(np.delete(acknowledged | in_doubt, known, axis=1).sum())
    counts = [field.name for field in fields(Integrity) if field.type == "int"]
    added = {name: sum(int(part.integrity.get(name, 0)) for part in found) for name in counts}
    added["acknowledged"], added["in_doubt"] = int(acknowledged.sum()), max(int(in_doubt.sum()), added["in_doubt"])
    missed = [f"{writes_text(unknown)} unverified: of steps that were not looked up"] if unknown else []
    harm = {rule.name: added[rule.name] for rule in RULES}
    fault = missed[0] if missed else "; ".join(_faults(found))
    return Reconciled(
        Integrity(
            **added | {"unverified": added["unverified"] + unknown},
            verdict=decide(harm, fault, added["acknowledged"]),
            reasons=(*dict.fromkeys(chain.from_iterable(part.integrity["reasons"] for part in found)), *missed),
            examples=tuple(chain.from_iterable(part.integrity["examples"] for part in found))[:_EXAMPLES],
            is_whole=not fault,
        ),
        acknowledged,
        is_right,
        max((part.stored_before for part in found if part.stored_before is not None), default=None),
    )


def _faults(parts: Sequence[Elsewhere]) -> list[str]:
    return [f"{part.table}: {unknown}" for part in parts if (unknown := part.integrity.get("unverified", 0))]


def together(parts: Sequence[Integrity]) -> Integrity:
    """Return the results of all ramps as one: numbers added, the worst verdict, every reason once."""
    counts = [field.name for field in fields(Integrity) if field.type == "int"]
    added = {name: sum(getattr(part, name) for part in parts) for name in counts}
    return Integrity(
        **added,
        verdict=worst(part.verdict for part in parts),
        reasons=tuple(dict.fromkeys(chain.from_iterable(part.reasons for part in parts))),
        examples=tuple(dict.fromkeys(chain.from_iterable(part.examples for part in parts)))[:_EXAMPLES],
        is_whole=all(part.is_whole for part in parts),
    )
