"""Somebody else's tables: a row belongs to the arrival that stores it, to the time before, or to nobody."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prakerja_load.applicants.population import Population
from prakerja_load.errors import EvidenceError, HarnessError, ScenarioError
from prakerja_load.evidence.stored import StoredExport
from prakerja_load.journey.step import Registrant, Step, parse_key
from prakerja_load.scenario import StoredTable
from prakerja_load.trial.tables import Tables

SIGN_UP = Step(2, "sign-up", is_stored=True)
PEOPLE = Population(1)
RUN, COUNT = "k12345678r1", 8


def registrant(index: int) -> Registrant:
    return Registrant(RUN, index, index, PEOPLE.applicant(index))


def stores(who: Registrant, step: Step) -> dict[str, Any]:
    return {"email": f"{who.run}.{who.index}@example.org", "name": who.profile.full_name}


def email(index: int) -> str:
    return f"{RUN}.{index}@example.org"


def database(path: Path, emails: list[str | None]) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table if not exists people (email text, name text)")
        connection.executemany("insert into people values (?, 'Siti')", [(one,) for one in emails])
    return path


def ask(path: Path, stored: Callable[[Registrant, Step], dict[str, Any]] = stores, **changes: str) -> Tables:
    table = {
        "step": "sign-up",
        "sql": f"sqlite:///{path}",
        "query": "select email, name from people",
        "key": "email",
        **changes,
    }
    return Tables([StoredTable(**table)], [Step(1, "form"), SIGN_UP], stored, registrant, COUNT)


def rows_of(path: Path) -> list[dict[str, Any]]:
    export = StoredExport(path)
    rows = [row for chunk in export.chunks() for row in chunk]
    assert export.fault == ""
    return rows


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    before=st.lists(st.sampled_from(["a@x", "b@x", None])),
    own=st.lists(st.integers(0, COUNT - 1)),
    foreign=st.lists(st.sampled_from(["c@x", email(COUNT), f"{RUN}.x@example.org"])),
)
def test_every_row_is_of_an_arrival_of_before_or_of_nobody(
    tmp_path_factory: pytest.TempPathFactory, before: list[str | None], own: list[int], foreign: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    tables = ask(database(folder / "site.db", before))
    database(folder / "site.db", [*map(email, own), *foreign])
    written = tables.export(folder / "stored.ndjson.gz")
    places = [parse_key(row["key"]) for row in rows_of(folder / "stored.ndjson.gz")]

    assert written == len(places)
    assert sorted(place for place in places if place) == sorted((RUN, index, 2) for index in own)
    assert places.count(None) == len(foreign)


def test_a_row_is_written_down_as_it_stands(tmp_path: Path) -> None:
    tables = ask(database(tmp_path / "site.db", []))
    database(tmp_path / "site.db", [email(3)])
    tables.export(tmp_path / "stored.ndjson.gz")

    assert rows_of(tmp_path / "stored.ndjson.gz") == [
        {"email": email(3), "name": "Siti", "kind": "sign-up", "key": f"{RUN}-3-2"}
    ]


def test_a_table_that_does_not_fit_the_journey_is_refused_before_the_load(tmp_path: Path) -> None:
    path = database(tmp_path / "site.db", [])

    with pytest.raises(ScenarioError, match=r"stored\.1\.key: got mail, allowed: one of email, name"):
        ask(path, key="mail")
    with pytest.raises(ScenarioError, match="'born' of sign-up is datetime"):
        ask(path, lambda who, step: {**stores(who, step), "born": datetime.date(1990, 1, 1)})
    with pytest.raises(ScenarioError, match="'key' of sign-up is"):
        ask(path, lambda who, step: {**stores(who, step), "key": "1"})
    with pytest.raises(EvidenceError, match="no such table"):
        ask(path, query="select email, name from persons")


def test_a_table_that_lacks_a_column_is_refused_before_the_load(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="name"):
        ask(database(tmp_path / "site.db", []), query="select email from people")


@pytest.mark.parametrize("index", [0, COUNT - 1])
def test_a_row_that_is_there_before_is_never_taken_for_what_the_ramp_writes(tmp_path: Path, index: int) -> None:
    path = database(tmp_path / "site.db", ["a@x", None, email(index)])

    with pytest.raises(HarnessError, match=rf"holds 1 of this ramp's registrants already, such as {email(index)}"):
        ask(path)


def test_rows_without_a_key_are_nobodys(tmp_path: Path) -> None:
    path = database(tmp_path / "site.db", [None])
    nameless = ask(path, lambda who, step: {**stores(who, step), "email": None})

    assert nameless.export(tmp_path / "stored.ndjson.gz") == 0


def test_a_table_that_cannot_be_asked_again_leaves_no_export(tmp_path: Path) -> None:
    tables = ask(database(tmp_path / "site.db", []))
    with closing(sqlite3.connect(tmp_path / "site.db")) as connection, connection:
        connection.execute("drop table people")

    with pytest.raises(HarnessError, match="no such table"):
        tables.export(tmp_path / "stored.ndjson.gz")
    assert not (tmp_path / "stored.ndjson.gz").exists()
