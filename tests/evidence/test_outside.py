"""Somebody else's table: the same rows whatever holds them, in text, with what is wrong with them said."""

from __future__ import annotations

import datetime
import gzip
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from prakerja_load.errors import EvidenceError, ScenarioError
from prakerja_load.evidence.outside import OutsideTable, as_text, open_file, open_query

NAMES = ["id", "email", "nik", "born"]
ROWS: list[tuple[Any, ...]] = [
    (number, f"p{number}@example.id", f"{number:016d}", datetime.date(1990, 1, 1 + number)) for number in range(7)
]
ROWS[3] = (3, None, "0000000000000003", None)
TEXTS = [[None if value is None else str(value) for value in row] for row in ROWS]


def everything(table: OutsideTable, columns: list[str], size: int = 3) -> list[list[str | None]]:
    return [list(row) for chunk in table.chunks(columns, size) for row in zip(*chunk, strict=True)]


def csv_text(separator: str = ",") -> str:
    lines = [separator.join(NAMES), *(separator.join(cell or "" for cell in row) for row in TEXTS)]
    return "\n".join(lines) + "\n"


def as_csv(folder: Path) -> OutsideTable:
    (folder / "t.csv").write_text(csv_text())
    return open_file(folder / "t.csv")


def as_semicolons(folder: Path) -> OutsideTable:
    (folder / "t.csv").write_bytes(b"\xef\xbb\xbf" + csv_text(";").encode())  # as spreadsheets write it
    return open_file(folder / "t.csv")


def as_gzip(folder: Path) -> OutsideTable:
    (folder / "t.csv.gz").write_bytes(gzip.compress(csv_text("\t").encode()))
    return open_file(folder / "t.csv.gz")


def as_parquet(folder: Path) -> OutsideTable:
    columns = [list(column) for column in zip(*ROWS, strict=True)]
    parquet.write_table(pa.table(dict(zip(NAMES, columns, strict=True))), folder / "t.parquet", row_group_size=4)
    return open_file(folder / "t.parquet")


def database(folder: Path) -> Path:
    with sqlite3.connect(folder / "t.db") as connection:
        connection.execute("create table people (id integer, email text, nik text, born text)")
        rows = [(row[0], row[1], row[2], row[3] and row[3].isoformat()) for row in ROWS]
        connection.executemany("insert into people values (?, ?, ?, ?)", rows)
    connection.close()
    return folder / "t.db"


def as_sqlite(folder: Path) -> OutsideTable:
    return open_query(f"sqlite:///{database(folder)}", "select * from people order by id")


@pytest.mark.parametrize("make", [as_csv, as_semicolons, as_gzip, as_parquet, as_sqlite])
def test_every_source_gives_the_same_text(make: Any, tmp_path: Path) -> None:
    table: OutsideTable = make(tmp_path)

    assert everything(table, ["nik", "email", "born", "id", "email"]) == [
        [nik, email, born, number, email] for number, email, nik, born in TEXTS
    ]
    assert (table.rows, table.fault) == (7, "")


@pytest.mark.parametrize("make", [as_csv, as_parquet, as_sqlite])
def test_columns_that_are_not_there_are_refused_all_at_once(make: Any, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refusal:
        everything(make(tmp_path), ["phone", "nik", "kk"])

    assert "column: got phone, allowed: one of id, email, nik, born" in str(refusal.value)
    assert "column: got kk" in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("text", "text"),
        (3171016504900000, "3171016504900000"),
        (True, "true"),
        (False, "false"),
        (datetime.date(1990, 4, 25), "1990-04-25"),
        (datetime.datetime(1990, 4, 25, 1, 2, tzinfo=datetime.UTC), "1990-04-25 01:02:00+00:00"),
        (b"\x0f", "0f"),
        (memoryview(b"\x0f"), "0f"),
        (1.5, "1.5"),
    ],
)
def test_values_become_the_text_that_a_form_would_carry(value: object, text: str | None) -> None:
    assert as_text(value) == text


def test_a_table_cut_off_yields_what_is_whole_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(csv_text()[:-18])
    table = open_file(tmp_path / "t.csv")

    rows = everything(table, ["nik"])

    assert len(rows) == 6
    assert "a line has 3 cells, the first one names 4" in table.fault


def test_a_compressed_table_cut_off_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(csv_text().encode())[:-9])
    table = open_file(tmp_path / "t.csv.gz")

    everything(table, ["nik"])

    assert "could not be read to its end" in table.fault


def test_a_line_that_is_not_utf_8_is_a_fault_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(csv_text().encode() * 50 + b"9,\xff,1,\n")
    table = open_file(tmp_path / "t.csv")

    everything(table, ["nik"])

    assert "UnicodeDecodeError" in table.fault


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_a_file_without_names_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)

    with pytest.raises(EvidenceError, match="its first line names the columns"):
        everything(open_file(tmp_path / "t.csv"), ["a"])


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n")
    table = open_file(tmp_path / "t.csv")

    assert everything(table, ["b"]) == []
    assert table.fault == ""


@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.csv.bz2", "t.gz"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScenarioError, match="--stored: got"):
        open_file(tmp_path / name)


@pytest.mark.parametrize("name", ["missing.csv", "missing.parquet"])
def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(EvidenceError, match="cannot read"):
        everything(open_file(tmp_path / name), ["a"])


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 or not")

    with pytest.raises(EvidenceError, match=r"cannot read .*t\.parquet"):
        everything(open_file(tmp_path / "t.parquet"), ["a"])


@pytest.mark.parametrize(
    "url",
    ["mysql://root:secret@db/people", "sqlite://t.db", "sqlite:///", "people", "sqlite://host/t.db"],
)
def test_another_kind_of_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ScenarioError, match="--sql: got") as refusal:
        open_query(url, "select 1")

    assert "secret" not in str(refusal.value)


def test_a_query_cannot_write(tmp_path: Path) -> None:
    url = f"sqlite:///{database(tmp_path)}"

    with pytest.raises(EvidenceError, match="readonly"):
        everything(open_query(url, "delete from people"), ["id"])
    with pytest.raises(EvidenceError, match="no such table"):
        everything(open_query(url, "select * from nobody"), ["id"])
    with pytest.raises(EvidenceError, match="cannot query"):
        everything(open_query("sqlite:////nowhere/t.db", "select 1"), ["id"])
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("pyarrow", lambda: open_file(Path("t.parquet"))),
        ("psycopg", lambda: open_query("postgresql://u:secret@h/d", "select 1")),
    ],
)
def test_a_library_that_is_missing_is_named_with_how_to_get_it(
    module: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(EvidenceError, match=rf"needs {module}: pip install 'prakerja-load\[") as refusal:
        everything(make(), ["a"])
    assert "secret" not in str(refusal.value)


def test_a_server_that_is_not_there_is_an_error_without_its_password() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    with pytest.raises(EvidenceError, match="cannot query postgresql://127") as refusal:
        everything(open_query(f"postgresql://u:secret@127.0.0.1:{port}/d", "select 1"), ["a"])
    assert "secret" not in str(refusal.value)


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a server of this test's own, on a socket in its folder."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb") or next((str(path / "initdb") for path in programs), None)
    if found is None:
        pytest.skip("no initdb: PostgreSQL's programs are not installed")
    data, sockets, user = tmp_path / "data", tmp_path / "s", "postgres"
    sockets.mkdir()
    for path in (tmp_path, sockets):
        path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.owner() == "root" and parent.name.startswith("pytest"):
            parent.chmod(0o755)
    as_user = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if Path.home().owner() == "root" else []

    def run(*arguments: str | Path) -> None:
        subprocess.run([*as_user, *arguments], check=True, capture_output=True, cwd=tmp_path)

    run(found, "-D", data, "-A", "trust", "-U", user, "--no-sync")
    control = str(Path(found).with_name("pg_ctl"))
    options = f"-k {sockets} -c listen_addresses= -c fsync=off"
    run(control, "-D", data, "-w", "-o", options, "-l", tmp_path / "log", "start")
    try:
        yield f"postgresql://{user}@/postgres?host={sockets}"
    finally:
        run(control, "-D", data, "-m", "immediate", "stop")


@pytest.mark.postgresql
def test_postgresql_gives_the_same_text_and_is_only_read(postgresql: str) -> None:
    import psycopg

    with psycopg.connect(postgresql) as connection:
        connection.execute("create table people (id integer, email text, nik text, born date)")
        with connection.cursor() as cursor:
            cursor.executemany("insert into people values (%s, %s, %s, %s)", ROWS)
    table = open_query(postgresql, "select * from people order by id")

    assert everything(table, NAMES) == TEXTS
    assert table.fault == ""
    with pytest.raises(EvidenceError, match="cannot query postgresql:///postgres: "):
        everything(open_query(postgresql, "delete from people returning id"), ["id"])
    with pytest.raises(EvidenceError, match="does not exist"):
        everything(open_query(postgresql, "select * from nobody"), ["id"])
