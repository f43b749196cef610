"""A run directory: made once, found again, and no half file in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence import run_directory
from prakerja_load.evidence.run_directory import RunDirectory, read_json, worker_path, worker_paths, write_json


def test_a_directory_is_never_written_over(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path / "run")

    with pytest.raises(EvidenceError, match="never written over"):
        RunDirectory.create(tmp_path / "run")


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EvidenceError, match="cannot make"):
        RunDirectory.create(tmp_path / "file" / "run")


def test_what_was_written_is_read_when_it_is_opened_again(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path / "run").write("run.json", {"seed": 3})

    again = RunDirectory.open(tmp_path / "run")

    assert again.read("run.json") == {"seed": 3}
    assert again.file("run.json").read_text() == '{\n  "seed": 3\n}\n'


def test_any_other_folder_is_no_run_directory(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no run directory"):
        RunDirectory.open(tmp_path)


def test_ramps_are_listed_by_number_and_nothing_else_is(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "run")
    paths = [directory.ramp_path(number, 200_000 * number) for number in (10, 9, 1)]
    for path in [*paths, directory.path / "ramps" / "notes"]:
        path.mkdir()

    assert directory.ramp_paths() == tuple(reversed(paths))
    assert paths[2].name == "01-200000"


def test_a_run_without_ramps_has_none(tmp_path: Path) -> None:
    assert RunDirectory(tmp_path).ramp_paths() == ()


def test_workers_are_found_by_number(tmp_path: Path) -> None:
    for worker in (10, 2):
        worker_path(tmp_path, worker).mkdir()
    (tmp_path / "worker-x").mkdir()

    assert list(worker_paths(tmp_path)) == [2, 10]


def test_missing_and_malformed_json_are_said(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"a": ')

    with pytest.raises(EvidenceError, match="cannot read"):
        read_json(tmp_path / "missing.json")
    with pytest.raises(EvidenceError, match="not JSON"):
        read_json(tmp_path / "half.json")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", [1])

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_directory.os, "fsync", refuse)
    with pytest.raises(EvidenceError, match="No space left"):
        write_json(tmp_path / "a.json", [2])

    assert read_json(tmp_path / "a.json") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
