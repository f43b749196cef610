"""Applicants as bytes."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc

import pytest

from prakerja_load.applicants import population, stream
from prakerja_load.errors import StratumFullError, UsageError


def written(start: int, count: int, kind: str, seed: int = 9) -> bytes:
    out = io.BytesIO()
    stream.write(out, seed, start, count, kind)
    return out.getvalue()


def expected(start: int, count: int, seed: int = 9) -> list[dict[str, str]]:
    rows = []
    for index in range(start, start + count):
        person = population.applicant(seed, index)
        row = {name: str(getattr(person, name)) for name in stream.COLUMNS}
        rows.append(row | {"sex": {"L": "male", "P": "female"}[person.sex]})
    return rows


def test_the_columns_have_english_names() -> None:
    assert ",".join(stream.COLUMNS) == (
        "nik,kk,full_name,sex,birth_date,email,phone,province,regency,district,address,education,employment"
    )


@pytest.mark.parametrize("start", [0, 4090, 1_048_570])
def test_csv_reads_back_as_the_people(start: int) -> None:
    rows = list(csv.DictReader(io.StringIO(written(start, 50, "csv").decode())))
    assert rows == expected(start, 50)


def test_jsonl_reads_back_as_the_people() -> None:
    lines = written(4090, 50, "jsonl").decode().splitlines()
    assert [json.loads(line) for line in lines] == expected(4090, 50)
    assert tuple(json.loads(lines[0])) == stream.COLUMNS


def test_lines_end_in_a_line_feed() -> None:
    for kind in ("csv", "jsonl"):
        assert written(0, 3, kind).endswith(b"\n")
        assert b"\r" not in written(0, 3, kind)


def test_csv_quotes_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    people = population.population(9)
    columns = people.columns(0, 1)
    columns["address"] = ['Jl. "Baru", No. 1']
    monkeypatch.setattr(people, "columns", lambda start, stop, names: dict(columns))
    (row,) = csv.DictReader(io.StringIO(written(0, 1, "csv").decode()))
    assert row["address"] == 'Jl. "Baru", No. 1'


def test_parts_make_the_whole() -> None:
    whole = written(100, 9000, "jsonl")
    assert written(100, 4100, "jsonl") + written(4200, 4900, "jsonl") == whole


def test_no_applicants_are_a_header_or_nothing() -> None:
    assert written(5, 0, "csv").decode() == ",".join(stream.COLUMNS) + "\n"
    assert written(5, 0, "jsonl") == b""


def test_another_format_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'xlsx', allowed: csv, jsonl"):
        written(0, 1, "xlsx")


def test_too_many_people_are_refused_before_the_first_byte() -> None:
    out = io.BytesIO()
    with pytest.raises(StratumFullError):
        stream.write(out, 9, 9_430_000, 200_000, "csv")
    assert out.getvalue() == b""


def test_dialable_numbers_are_written_when_asked_for() -> None:
    out = io.BytesIO()
    stream.write(out, 9, 0, 20, "csv", dialable=True)
    phones = [row["phone"] for row in csv.DictReader(io.StringIO(out.getvalue().decode()))]
    assert not any(number.startswith("0840") for number in phones)


def test_import_lines_carry_everything_a_complete_registrant_has() -> None:
    lines = [json.loads(line) for line in stream.import_lines(9, 4090, 4110).splitlines()]
    assert [line["person"] for line in lines] == list(range(4090, 4110))
    for line in lines:
        person = population.applicant(9, line["person"])
        assert line == {
            "person": line["person"],
            **{name: str(getattr(person, name)) for name in population.FIELDS if name != "password"},
        }
        assert line["sex"] in ("L", "P")


def test_civil_lines_carry_what_the_register_checks() -> None:
    lines = [json.loads(line) for line in stream.civil_lines(9, 10, 30).splitlines()]
    people = [population.applicant(9, index) for index in range(10, 30)]
    assert lines == [
        {"nik": person.nik, "kk": person.kk, "birth_date": person.birth_date.isoformat()} for person in people
    ]


def test_memory_does_not_grow_with_the_number_of_applicants() -> None:
    class Sink(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, chunk) -> int:
            return len(chunk)

    def peak(count: int) -> int:
        tracemalloc.start()
        stream.write(Sink(), 9, 0, count, "csv")
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    peak(5000)  # pools are built on first use
    assert peak(24_000) < 1.2 * peak(8000)
