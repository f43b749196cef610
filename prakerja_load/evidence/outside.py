"""The door to somebody else's table: CSV, Parquet or an SQL query, read as a stream of columns of text.

Whatever the source, a value becomes the text that a form or a CSV file would carry: a date is YYYY-MM-DD, a whole
number its digits, NULL is None. Memory does not grow with the number of rows.
"""

from __future__ import annotations

import csv
import datetime
import gzip
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeAlias
from urllib.parse import unquote, urlsplit

from prakerja_load.errors import EvidenceError, Problem, ScenarioError

Cells: TypeAlias = list[str | None]
Columns: TypeAlias = list[Cells]  # one list a column asked for, all of the same length
Chunks: TypeAlias = Iterator[Sequence[Sequence[Any]]]  # of columns
Opened: TypeAlias = Iterator[tuple[Sequence[str], Chunks]]  # the names of all columns, and the chunks

CHUNK = 16_384  # rows
_SEPARATORS = ",;\t|"


class OutsideTable:
    """One table outside the run directory: iterate `chunks` once, then ask `rows` and `fault`."""

    def __init__(self, name: str, opened: Callable[[Sequence[str], int], Any]) -> None:
        self.name = name  # as it may be shown: without a password
        self.rows = 0
        self.fault = ""  # why not every row was read, empty when it was
        self._opened = opened

    def chunks(self, columns: Sequence[str], size: int = CHUNK) -> Iterator[Columns]:
        """Yield the named columns in chunks of at most `size` rows; a table cut off yields what is whole of it.

        Raises ScenarioError with every column that the table does not have, EvidenceError when it cannot be opened.
        """
        with self._opened(columns, size) as (names, chunks):
            unknown = [column for column in columns if column not in names]
            if unknown:
                have = ", ".join(names)
                raise ScenarioError(self.name, [Problem("column", column, f"one of {have}") for column in unknown])
            places = [list(names).index(column) for column in columns]
            while (chunk := self._next(chunks)) is not None:
                self.rows += len(chunk[0]) if chunk else 0
                yield [[as_text(value) for value in chunk[place]] for place in places]

    def _next(self, chunks: Chunks) -> Sequence[Sequence[Any]] | None:
        try:
            return next(chunks, None)
        except Exception as cut:
            # whatever a reader or a server says half-way: what came before it is whole, what follows is not known
            self.fault = f"the table could not be read to its end: {_first_line(cut)}"
            return None


def as_text(value: Any) -> str | None:
    """Return a value as the text that a form or a CSV file would carry."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def open_file(path: Path) -> OutsideTable:
    """Return the table of a .csv, .csv.gz or .parquet file; raises ScenarioError for another kind of file."""
    if path.suffix == ".parquet":
        return OutsideTable(path.name, lambda columns, size: _parquet(path, columns, size))
    if path.suffixes[-1:] == [".csv"] or path.suffixes[-2:] == [".csv", ".gz"]:
        return OutsideTable(path.name, lambda _, size: _csv(path, size))
    raise ScenarioError("reconcile", [Problem("--stored", path.name, "a file .csv, .csv.gz or .parquet")])


def open_query(url: str, query: str) -> OutsideTable:
    """Return the table that a query gives: `sqlite:///path` or `postgresql://user@host/database`; nothing is written.

    Raises ScenarioError for another kind of URL. The name shown holds neither user nor password.
    """
    parts = urlsplit(url)
    kind = parts.scheme.partition("+")[0]
    if kind == "sqlite" and not parts.netloc and len(parts.path) > 1:
        # sqlite:///relative and sqlite:////absolute, as SQLAlchemy writes them
        path = Path(unquote(parts.path[1:]))
        return OutsideTable(path.name, lambda _, size: _sqlite(path, query, size))
    if kind in {"postgresql", "postgres"}:
        name = f"postgresql://{parts.hostname or ''}{parts.path}"
        plain = parts._replace(scheme="postgresql").geturl()
        return OutsideTable(name, lambda _, size: _postgresql(name, plain, query, size))
    allowed = "sqlite:///file.db, sqlite:////absolute/file.db or postgresql://user@host/database"
    raise ScenarioError("reconcile", [Problem("--sql", f"{parts.scheme or 'no scheme'}://…", allowed)])


@contextmanager
def _csv(path: Path, size: int) -> Opened:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opener(path, "rt", encoding="utf-8-sig", newline=""))
            head = file.readline()
        except (OSError, UnicodeDecodeError) as refusal:
            raise EvidenceError(f"cannot read {path}: {refusal}") from refusal
        separator = max(_SEPARATORS, key=head.count)
        names = next(csv.reader([head], delimiter=separator), [])
        if not names:
            raise EvidenceError(f"{path} is empty: its first line names the columns")
        yield names, _csv_chunks(file, len(names), separator, size)


def _csv_chunks(file: TextIO, width: int, separator: str, size: int) -> Chunks:
    """Yield chunks of columns; an empty cell is NULL, and a line of another width ends the table as a fault."""
    lines = csv.reader(file, delimiter=separator, strict=True)
    while chunk := list(islice(lines, size)):
        rows = [row for row in chunk if row]
        whole = next((place for place, row in enumerate(rows) if len(row) != width), len(rows))
        yield [[cell or None for cell in column] for column in zip(*rows[:whole], strict=True)] or [[]] * width
        if whole < len(rows):
            raise ValueError(f"a line has {len(rows[whole])} cells, the first one names {width}")


@contextmanager
def _parquet(path: Path, columns: Sequence[str], size: int) -> Opened:
    try:
        from pyarrow import parquet
    except ImportError:
        raise EvidenceError(f"reading {path.name} needs pyarrow: pip install 'prakerja-load[parquet]'") from None
    try:
        file = parquet.ParquetFile(path, pre_buffer=False)
    except (OSError, ValueError) as refusal:
        raise EvidenceError(f"cannot read {path}: {_first_line(refusal)}") from refusal
    with file:
        names = list(file.schema_arrow.names)
        wanted = [column for column in dict.fromkeys(columns) if column in names]
        batches = file.iter_batches(batch_size=size, columns=wanted, use_threads=False)
        chunks = ([batch.column(place).to_pylist() for place in range(len(wanted))] for batch in batches)
        yield (wanted if len(wanted) == len({*columns}) else names), chunks


@contextmanager
def _sqlite(path: Path, query: str, size: int) -> Opened:
    with ExitStack() as stack:
        try:
            # a table that is being written to may be read, but never written to from here
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            stack.callback(connection.close)
            cursor = connection.execute(query)
        except sqlite3.Error as refusal:
            raise EvidenceError(f"cannot query {path}: {refusal}") from refusal
        yield [str(column[0]) for column in cursor.description or ()], _fetched(cursor, size)


@contextmanager
def _postgresql(name: str, url: str, query: str, size: int) -> Opened:
    try:
        import psycopg
    except ImportError:
        raise EvidenceError(f"asking {name} needs psycopg: pip install 'prakerja-load[postgresql]'") from None
    with ExitStack() as stack:
        try:
            connection = psycopg.connect(url)
            stack.callback(connection.close)
            connection.read_only = True
            # a cursor of the server: only a chunk of the answer is ever here
            cursor = stack.enter_context(connection.cursor("prakerja_load"))
            cursor.execute(query)
        except psycopg.Error as refusal:
            raise EvidenceError(f"cannot query {name}: {_first_line(refusal)}") from refusal
        yield [column.name for column in cursor.description or ()], _fetched(cursor, size)


def _fetched(cursor: Any, size: int) -> Chunks:
    while rows := cursor.fetchmany(size):
        yield list(zip(*rows, strict=True))
