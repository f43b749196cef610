"""Somebody else's table where it is not quite what it should be: nothing of it is guessed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from prakerja_load.errors import ScenarioError
from prakerja_load.evidence.outside import OutsideTable, open_file, open_query


def read(table: OutsideTable, *columns: str) -> list[list[str | None]]:
    """Return the rows of these columns."""
    return [list(row) for chunk in table.chunks(columns) for row in zip(*chunk, strict=True)]


def csv(folder: Path, text: str) -> OutsideTable:
    path = folder / "people.csv"
    path.write_text(text)
    return open_file(path)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_columns_are_told_apart_by_the_mark_that_the_first_line_uses(separator: str, tmp_path: Path) -> None:
    table = csv(tmp_path, f"email{separator}nik\na@x{separator}1\nb@x{separator}2\n")

    assert read(table, "nik", "email") == [["1", "a@x"], ["2", "b@x"]]
    assert (table.name, table.rows, table.fault) == ("people.csv", 2, "")


def test_a_cell_that_goes_on_after_its_closing_quote_ends_the_table_with_a_fault(tmp_path: Path) -> None:
    table = csv(tmp_path, 'email,nik\n"a@x",1\n"b@x"y,2\n"c@x",3\n')

    assert "b@xy" not in {email for email, _ in read(table, "email", "nik")}
    assert table.fault.startswith("the table could not be read to its end: Error: ")


def test_each_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    table = csv(tmp_path, "email,nik\na@x,1\n")

    with pytest.raises(ScenarioError) as refused:
        read(table, "phone", "email", "name")

    assert [(each.key, each.given, each.allowed) for each in refused.value.problems] == [
        ("column", "phone", "one of email, nik"),
        ("column", "name", "one of email, nik"),
    ]
    assert "people.csv" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "key"), [("people.xlsx", "--stored"), ("people.gz", "--stored"), ("people", "--stored")]
)
def test_another_kind_of_file_is_refused_by_the_option_that_named_it(name: str, key: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refused:
        open_file(tmp_path / name)

    (problem,) = refused.value.problems
    assert (problem.key, problem.given, problem.allowed) == (key, name, "a file .csv, .csv.gz or .parquet")
    assert str(refused.value).startswith("reconcile")


def test_an_unknown_database_is_refused_without_what_stands_behind_its_scheme() -> None:
    with pytest.raises(ScenarioError) as refused:
        open_query("mysql://someone:secret@host/db", "select 1")

    (problem,) = refused.value.problems
    assert (problem.key, problem.given) == ("--sql", "mysql://…")
    assert str(refused.value).startswith("reconcile")
    assert "secret" not in str(refused.value)


def test_a_sqlite_file_with_marks_of_a_url_in_its_name_is_the_one_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a%20b.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table people (email text, born date)")
        connection.execute("insert into people values ('a@x', null), ('b@x', '1990-04-25')")
    connection.close()

    table = open_query(f"sqlite:///{str(path).replace('%', '%25')}", "select * from people order by email")

    assert read(table, "email", "born") == [["a@x", None], ["b@x", "1990-04-25"]]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a%20b.db"]
