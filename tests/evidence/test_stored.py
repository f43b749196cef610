"""The saved export: every whole row of it, and why it is not complete when it is not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.stored import StoredExport

ROWS = [{"kind": "identity", "key": f"k-{number}-5", "nik": "1"} for number in range(7)]
END = {"kind": "end", "rows": 7, "joined": {"1": 3}, "quota": {"1": 9}, "accounts": 2, "imported": 1, "new": "field"}


def export(path: Path, lines: list[Any], cut: int = 0) -> StoredExport:
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    content = gzip.compress(text.encode())
    path.write_bytes(content[: len(content) - cut])
    return StoredExport(path)


def test_a_complete_export_gives_its_rows_in_chunks_and_its_end(tmp_path: Path) -> None:
    stored = export(tmp_path / "stored.ndjson.gz", [*ROWS, END])

    chunks = list(stored.chunks(3))

    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    assert [row for chunk in chunks for row in chunk] == ROWS
    assert stored.fault == ""
    assert stored.end is not None
    assert (stored.end.joined, stored.end.quota, stored.rows) == ({"1": 3}, {"1": 9}, 7)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (ROWS, "no end line"),
        ([], "no end line"),
        ([*ROWS[:-1], END], "counts 7 rows, 6 came"),
        ([*ROWS, END, END], "follows the end line"),
        ([*ROWS, "{half"], "not what it should be"),
        ([*ROWS, "[1]\n", END], "not what it should be"),
        ([*ROWS, {"kind": "end", "rows": "many"}], "not what it should be"),
    ],
)
def test_an_incomplete_export_says_what_is_wrong(tmp_path: Path, lines: list[Any], fault: str) -> None:
    stored = export(tmp_path / "stored.ndjson.gz", lines)

    list(stored.chunks())

    assert fault in stored.fault


def test_a_file_cut_off_yields_what_is_whole_of_it(tmp_path: Path) -> None:
    stored = export(tmp_path / "stored.ndjson.gz", [*ROWS, END], cut=8)

    assert sum(len(chunk) for chunk in stored.chunks()) == 7
    assert "cut off" in stored.fault


def test_a_file_that_is_no_export_is_said(tmp_path: Path) -> None:
    (tmp_path / "stored.ndjson.gz").write_bytes(b"not gzip at all")
    stored = StoredExport(tmp_path / "stored.ndjson.gz")

    assert list(stored.chunks()) == []
    assert "cut off" in stored.fault
    with pytest.raises(EvidenceError, match="cannot read"):
        list(StoredExport(tmp_path / "missing").chunks())


def test_the_line_that_is_too_much_is_named_by_its_number(tmp_path: Path) -> None:
    stored = export(tmp_path / "stored.ndjson.gz", [*ROWS, END, ROWS[0]])
    assert stored.fault == ""  # not read yet

    assert [len(chunk) for chunk in stored.chunks()] == [7]
    assert stored.fault == "line 9 follows the end line"


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="No such file or directory"):
        list(StoredExport(tmp_path / "nowhere").chunks())
