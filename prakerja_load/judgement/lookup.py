"""What the command line says of an outside table, as a value, or everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prakerja_load.errors import Problem, ScenarioError
from prakerja_load.evidence.outside import OutsideTable, open_file, open_query
from prakerja_load.judgement.outside import Compared

_PAIR = "FIELD=COLUMN, such as nik=citizen_id"


@dataclass(frozen=True)
class Lookup:
    """How the rows of an outside table are told apart, and which of its columns hold what a write carried."""

    key: str  # field by which a row is found: email, nik, phone, key …
    columns: Mapping[str, str]  # field → column; the key's may be among them
    step: str | None = None  # name of the write that makes a row; None: the first that is stored
    ignores_others: bool = False  # rows of nobody in this run are counted, not judged
    is_recorded: bool = False  # the result is kept in the run directory

    @property
    def compared(self) -> Compared:
        """Return the key and the other fields."""
        return Compared(self.key, tuple(field for field in self.columns if field != self.key))

    def column(self, field: str) -> str:
        """Return the column of a field: of its own name where none is given."""
        return self.columns.get(field, field)


@dataclass(frozen=True)
class TableOrder:
    """The options of `reconcile` as they were given."""

    stored: Path | None = None
    sql: str | None = None
    query: str | None = None
    key: str = "email"
    columns: Sequence[str] = ()
    step: str | None = None
    ignores_others: bool = False
    is_recorded: bool = False

    @property
    def is_asked_for(self) -> bool:
        """Tell whether an outside table is meant at all."""
        return self.stored is not None or self.sql is not None or self.query is not None

    def opened(self) -> tuple[OutsideTable, Lookup]:
        """Return the table and how it is looked at; raises ScenarioError with all problems."""
        problems = list(self._problems())
        if problems:
            raise ScenarioError("reconcile", problems)
        key, _, column = self.key.partition("=")
        columns = dict(_pair(text) for text in self.columns)
        if column:
            columns[key] = column
        lookup = Lookup(key, columns, self.step, self.ignores_others, self.is_recorded)
        if self.stored is not None:
            return open_file(self.stored), lookup
        return open_query(self.sql or "", self.query or ""), lookup

    def _problems(self) -> Iterator[Problem]:
        if self.stored is not None and (self.sql is not None or self.query is not None):
            yield Problem("--stored", "a file and a query", "--stored FILE, or --sql URL with --query, not both")
        elif (self.sql is None) != (self.query is None):
            missing = "--query" if self.query is None else "--sql"
            yield Problem(missing, "nothing", '--sql URL and --query "select …" together')
        if self.is_recorded and not self.is_asked_for:
            yield Problem("--record", "no table", "--stored FILE, or --sql URL with --query")
        if not self.key.partition("=")[0]:
            yield Problem("--key", repr(self.key), "FIELD, or FIELD=COLUMN")
        for text in self.columns:
            if not all(_pair(text)):
                yield Problem("--column", repr(text), _PAIR)
        fields = [_pair(text)[0] for text in self.columns]
        for field in sorted({field for field in fields if fields.count(field) > 1}):
            yield Problem("--column", f"{field} twice", "each field once")


def _pair(text: str) -> tuple[str, str]:
    field, _, column = text.partition("=")
    return field.strip(), column.strip()
