"""Applicants as bytes: CSV and JSON lines for people, NDJSON for the laboratory's import and the civil register.

Everything is made chunk by chunk, so memory does not grow with the number of applicants.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import msgspec

from prakerja_load.applicants.population import Population, population
from prakerja_load.errors import UsageError

_CHUNK = 4096  # people made at once: about 2 MB of arrays, which a processor cache holds
_SEXES = {"L": "male", "P": "female"}
_ENCODER = msgspec.json.Encoder()


class Person(msgspec.Struct, gc=False):
    """One line of a CSV or JSONL file; the names of its fields are the columns."""

    nik: str
    kk: str
    full_name: str
    sex: str  # male or female
    birth_date: str  # YYYY-MM-DD
    email: str
    phone: str
    province: str
    regency: str
    district: str
    address: str
    education: str
    employment: str


class ImportLine(msgspec.Struct, gc=False):
    """One line of the laboratory's import of complete registrants."""

    person: int
    full_name: str
    email: str
    nik: str
    kk: str
    birth_date: str
    sex: str  # L or P
    phone: str
    province: str
    regency: str
    district: str
    address: str
    education: str
    employment: str


class CivilLine(msgspec.Struct, gc=False):
    """One line of the civil register's import."""

    nik: str
    kk: str
    birth_date: str


COLUMNS = Person.__struct_fields__


def write(out: BinaryIO, seed: int, start: int, count: int, kind: str, *, dialable: bool = False) -> None:
    """Write applicants start … start + count − 1 as "csv" (with a header) or "jsonl", in UTF-8, lines ending in LF.

    Raises UsageError for another format and StratumFullError for more people than there are, both before the first
    byte is written.
    """
    if kind not in _FORMATS:
        raise UsageError(f"format: got {kind!r}, allowed: {', '.join(_FORMATS)}")
    people = population(seed, dialable)
    people.check(start, start + count)
    out.writelines(_FORMATS[kind](people, start, start + count))


def import_lines(seed: int, start: int, stop: int, *, dialable: bool = False) -> bytes:
    """Return the body that imports applicants start … stop − 1 as complete registrants, one JSON object a line."""
    people, fields = population(seed, dialable), ImportLine.__struct_fields__[1:]
    return b"".join(
        _ENCODER.encode_lines(list(map(ImportLine, range(low, high), *_fields(people, low, high, fields))))
        for low, high in _chunks(start, stop)
    )


def civil_lines(seed: int, start: int, stop: int, *, dialable: bool = False) -> bytes:
    """Return the body that makes applicants start … stop − 1 known to the civil register, one JSON object a line."""
    people, fields = population(seed, dialable), CivilLine.__struct_fields__
    return b"".join(
        _ENCODER.encode_lines(list(map(CivilLine, *_fields(people, low, high, fields))))
        for low, high in _chunks(start, stop)
    )


def _chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for low in range(start, stop, _CHUNK):
        yield low, min(low + _CHUNK, stop)


def _fields(people: Population, start: int, stop: int, names: tuple[str, ...]) -> list[list[str]]:
    columns = people.columns(start, stop, names)
    return [columns[name] for name in names]


def _person_fields(people: Population, start: int, stop: int) -> list[list[str]]:
    columns = people.columns(start, stop, COLUMNS)
    columns["sex"] = [_SEXES[sex] for sex in columns["sex"]]
    return [columns[name] for name in COLUMNS]


def _csv(people: Population, start: int, stop: int) -> Iterator[bytes]:
    yield _csv_lines([COLUMNS])
    for low, high in _chunks(start, stop):
        yield _csv_lines(zip(*_person_fields(people, low, high), strict=True))


def _csv_lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _jsonl(people: Population, start: int, stop: int) -> Iterator[bytes]:
    for low, high in _chunks(start, stop):
        yield _ENCODER.encode_lines(list(map(Person, *_person_fields(people, low, high))))


_FORMATS: dict[str, Callable[[Population, int, int], Iterator[bytes]]] = {"csv": _csv, "jsonl": _jsonl}
