"""The tables of somebody else's system: asked before a ramp and after it, and written down as the ramp's export.

A row belongs to the arrival whose journey says that it stores this value of the key column. A row that was there
before the ramp is not the ramp's; one that was not, and belongs to no arrival, is written down under no arrival's key,
and judgement finds it unexpected.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from prakerja_load.errors import EvidenceError, HarnessError, Problem, ScenarioError
from prakerja_load.evidence.outside import OutsideTable, open_query
from prakerja_load.journey.step import Registrant, Step, key_of
from prakerja_load.scenario import StoredTable

Hashes: TypeAlias = NDArray[np.int64]
Fields: TypeAlias = Callable[[int], dict[str, str | None]]

_encode = msgspec.json.Encoder().encode


class Tables:
    """What the scenario's tables hold of the `count` arrivals of one ramp.

    Making it asks every table for the keys that are there already. Raises ScenarioError, before anything is sent, when
    the journey and a table do not fit, EvidenceError when a table cannot be asked, and HarnessError when it holds a row
    of one of these arrivals: it would be taken for what the ramp is to write.
    """

    def __init__(
        self,
        tables: Iterable[StoredTable],
        steps: Iterable[Step],
        stored: Callable[[Registrant, Step], dict[str, Any]],
        registrant: Callable[[int], Registrant],
        count: int,
    ) -> None:
        by_name = {step.name: step for step in steps}
        self._run = registrant(0).run
        self._tables = []
        for number, table in enumerate(tables, 1):
            step = by_name[table.step]

            def fields(index: int, step: Step = step) -> dict[str, str | None]:
                return stored(registrant(index), step)

            columns = _columns(fields(0), table, number)
            self._tables.append((table, step, columns, fields))
        # all columns, so that one that is not there is found now
        self._before = [_keys(self._open(table), columns, table.key) for table, _, columns, _ in self._tables]
        self._places = [_Places(fields, table.key, count) for table, _, _, fields in self._tables]
        for (table, *_), places, before in zip(self._tables, self._places, self._before, strict=True):
            _refuse_known(table, places.known(before))

    def export(self, path: Path) -> int:
        """Ask every table again, save the rows of this ramp, and return their number.

        The file, gzipped lines of JSON, appears under its name only when it is complete on disk. Raises HarnessError
        when a table cannot be read to its end.
        """
        part = path.with_suffix(path.suffix + ".part")
        rows = 0
        with gzip.open(part, "wb", compresslevel=1) as saved:
            for row in self._rows():
                rows += 1
                saved.write(_encode(row) + b"\n")
            saved.write(_encode({"kind": "end", "rows": rows, "before": self._before[0].size}) + b"\n")
        part.replace(path)
        return rows

    def _rows(self) -> Iterator[dict[str, str | None]]:
        for (table, step, columns, _), places, before in zip(self._tables, self._places, self._before, strict=True):
            source = self._open(table)
            try:
                for chunk in source.chunks(columns):
                    for cells in zip(*chunk, strict=True):
                        row = dict(zip(columns, cells, strict=True))
                        index = places.of(row[table.key])
                        if index is not None:
                            yield {**row, "kind": step.name, "key": key_of(self._run, index, step.number)}
                        elif not _holds(before, row[table.key]):
                            yield {**row, "kind": step.name, "key": f"a row of {step.name} that no arrival stores"}
            except (EvidenceError, ScenarioError) as refusal:
                raise HarnessError(str(refusal)) from refusal
            if source.fault:
                raise HarnessError(f"{source.name}: {source.fault}")

    @staticmethod
    def _open(table: StoredTable) -> OutsideTable:
        return open_query(table.sql, table.query)


class _Places:
    """Which arrival stores a value of the key column: found by its hash, then compared exactly."""

    def __init__(self, fields: Fields, key: str, count: int) -> None:
        self._fields, self._key = fields, key
        hashes = np.fromiter((hash(fields(index)[key]) for index in range(count)), np.int64, count)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def of(self, value: str | None) -> int | None:
        if value is None:  # a row without a key is nobody's
            return None
        place = int(np.searchsorted(self._hashes, hash(value)))
        while place < self._hashes.size and self._hashes[place] == hash(value):
            index = int(self._order[place])
            if self._fields(index)[self._key] == value:
                return index
            place += 1
        return None

    def known(self, hashes: Hashes) -> list[str]:
        """Return the values of arrivals whose hash is among these."""
        found = self._order[np.isin(self._hashes, hashes)].tolist()
        values = (self._fields(index)[self._key] for index in sorted(found))
        return [value for value in values if value is not None]


def _refuse_known(table: StoredTable, known: list[str]) -> None:
    """Raise HarnessError where people of this ramp are stored before it."""
    if known:
        raise HarnessError(
            f"the table of {table.step} holds {len(known)} of this ramp's registrants already, such as {known[0]}: "
            "give every run an empty store, or a query that returns only what the step has written"
        )


def _columns(fields: dict[str, str | None], table: StoredTable, number: int) -> tuple[str, ...]:
    """Return the columns to ask for; raises ScenarioError for fields that no row of text can be compared with."""
    problems = []
    if table.key not in fields:
        problems.append(Problem(f"stored.{number}.key", table.key, f"one of {', '.join(fields)}"))
    for name, value in fields.items():
        if name in ("kind", "key") or not isinstance(value, str | None):
            what = f"{name!r} of {table.step} is {value!r}"
            problems.append(Problem("the journey's stored()", what, "text or None, under no name kind or key"))
    if problems:
        raise ScenarioError("stored", problems)
    return tuple(fields)


def _keys(table: OutsideTable, columns: tuple[str, ...], key: str) -> Hashes:
    """Return the hashes of the keys in a table, sorted; raises EvidenceError for one that is not read to its end."""
    found: list[int] = []
    for chunk in table.chunks(columns):
        found.extend(map(hash, chunk[columns.index(key)]))
    if table.fault:
        raise EvidenceError(f"{table.name}: {table.fault}")
    return np.sort(np.array(found, np.int64))


def _holds(hashes: Hashes, value: str | None) -> bool:
    place = int(np.searchsorted(hashes, hash(value)))
    return place < hashes.size and int(hashes[place]) == hash(value)
