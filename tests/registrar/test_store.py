"""The store's files: schema versions, durability settings, the log's length, one owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import apsw
import pytest
from asgi import Laboratory, in_loop
from people import Person, Visit

from prakerja_load.errors import UsageError
from prakerja_load.registrar.store import address, checkpoint, sqlite
from prakerja_load.registrar.store.lookups import Lookups
from prakerja_load.registrar.store.photo_log import PhotoLog


def test_a_new_store_has_the_newest_schema_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    first = sqlite.open_writer(path)
    key = sqlite.settings_of(first)["token_key"]
    first.close()
    second = sqlite.open_writer(path)
    assert sqlite.first(second.execute("PRAGMA user_version"))[0] == 2
    assert sqlite.settings_of(second)["token_key"] == key
    assert sqlite.durability_of(second) == ("wal", "full")
    second.close()


@pytest.mark.parametrize("open_", [sqlite.open_writer, sqlite.open_reader])
def test_a_statement_is_planned_once_whatever_it_is_asked_for(
    tmp_path: Path, open_: Callable[[Path], apsw.Connection]
) -> None:
    sqlite.open_writer(tmp_path / "store.db").close()
    connection = open_(tmp_path / "store.db")
    planned: list[str] = []
    connection.authorizer = lambda action, *_: planned.append(str(action)) or apsw.SQLITE_OK
    lookups = Lookups(lambda statement, bindings: connection.execute(statement, bindings).fetchall())
    lookups.login("a@example.net"), lookups.status(1)
    assert planned  # SQLite asks the authorizer while it prepares
    planned.clear()
    lookups.login("b@example.net"), lookups.status(2)
    assert planned == []
    connection.close()


@pytest.mark.parametrize("text", ["store.db", "sqlite:", "sqlite:///", "postgresql:", "postgresql", "mysql://h/n", ""])
def test_another_kind_of_database_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="allowed: sqlite:PATH or postgresql://"):
        address.parse(text)


def test_a_database_is_named_by_its_path_or_its_url_and_shows_no_password() -> None:
    assert address.parse("sqlite:/srv/store.db") == address.Address(Path("/srv/store.db"))
    assert str(address.parse("sqlite:store.db")) == "sqlite:store.db"
    assert (
        str(address.parse("postgresql://ana:s3cret@db:5433/prakerja?password=x")) == "postgresql://ana@db:5433/prakerja"
    )
    assert address.parse("postgresql://ana:s3cret@db/p").url == "postgresql://ana:s3cret@db/p"


def test_a_store_has_one_owner(tmp_path: Path) -> None:
    owner = PhotoLog(tmp_path / "photos")
    with pytest.raises(UsageError, match="belongs to another registrar"):
        PhotoLog(tmp_path / "photos")
    owner.close()
    PhotoLog(tmp_path / "photos").close()


def test_the_numbers_of_people_are_unique_by_the_databases_own_rules(tmp_path: Path) -> None:
    connection = sqlite.open_writer(tmp_path / "store.db")
    twice = {
        "accounts.email": "INSERT INTO accounts (email, full_name, epoch, copy) VALUES ('a', 'b', 1, 0)",
        "identities.nik": "INSERT INTO identities (nik, kk, birth_date, epoch) VALUES (1, 2, 3, 1)",
        "phones.phone": "INSERT INTO phones (phone) VALUES (1)",
        "joins.account": "INSERT INTO joins (wave, account, copy, joined_at, epoch) VALUES (1, 1, 0, 1.0, 1)",
        "replies.scope": "INSERT INTO replies VALUES (0, 'k', 1, x'00', 201, x'00')",
    }
    for column, statement in twice.items():
        connection.execute(statement)
        with pytest.raises(apsw.ConstraintError, match=f"UNIQUE constraint failed: {column}"):
            connection.execute(statement)
    connection.execute("INSERT INTO waves (name, quota, joined) VALUES ('w', 1, 1)")
    with pytest.raises(apsw.ConstraintError, match="joined <= quota"):
        connection.execute("UPDATE waves SET joined = 2")
    connection.close()


@in_loop
async def test_the_log_starts_over_while_writes_go_on(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "LOG_PAGES", 60)
    async with laboratory() as lab:
        lengths = []
        for start in range(0, 600, 30):
            visits = [Visit(lab, Person(index)) for index in range(start, start + 30)]
            assert {(await visit).status for visit in [asyncio.ensure_future(v.create()) for v in visits]} == {201}
            lengths.append(lab.registrar.store._checkpointer._pages)
        rows = await lab.export()
    assert len(rows) == 601
    assert max(lengths) < 600  # without a checkpoint it only grows
    assert any(later < earlier for earlier, later in pairwise(lengths))


@in_loop
async def test_closing_leaves_one_whole_file(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await Visit(lab, Person(1)).create()
    assert not lab.path.with_name("store.db-wal").exists()
    connection = sqlite.open_reader(lab.path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT email FROM accounts").fetchall() == [(Person(1).email,)]
    connection.close()
