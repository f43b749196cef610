"""What was found in somebody else's table is kept arrival by arrival, and what is left of it half is not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prakerja_load.evidence.elsewhere import Elsewhere, read_elsewhere, write_elsewhere

FOUND = {"acknowledged": 11, "verified": 9, "reasons": ["2 writes acknowledged and not stored (lost)"]}


def result(step: int = 2, count: int = 11, before: int | None = 7, table: str = "people.csv") -> Elsewhere:
    """Return a result of so many arrivals, every third of which was not found right."""
    return Elsewhere(table, step, FOUND, np.arange(count) % 3 > 0, before)


def told(found: Elsewhere) -> tuple[Any, ...]:
    return found.table, found.step, dict(found.integrity), found.is_right.tolist(), found.stored_before


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1_000])
@pytest.mark.parametrize("before", [None, 0, 600_000])
def test_every_arrival_is_read_back_as_it_was_found(count: int, before: int | None, tmp_path: Path) -> None:
    write_elsewhere(tmp_path, result(count=count, before=before))

    (found,) = read_elsewhere(tmp_path)

    assert told(found) == told(result(count=count, before=before))
    assert found.is_right.dtype == np.bool_


def test_results_come_in_the_order_of_their_steps_not_of_their_names(tmp_path: Path) -> None:
    for step in (13, 2, 5):
        write_elsewhere(tmp_path, result(step))

    assert [found.step for found in read_elsewhere(tmp_path)] == [2, 5, 13]


def test_a_later_result_of_a_step_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    write_elsewhere(tmp_path, result())
    write_elsewhere(tmp_path, result(count=20, table="again.csv", before=None))

    assert list(map(told, read_elsewhere(tmp_path))) == [told(result(count=20, table="again.csv", before=None))]


def test_a_folder_without_results_has_none(tmp_path: Path) -> None:
    (tmp_path / "ramp.json").write_text("{}")

    assert read_elsewhere(tmp_path) == ()


@pytest.mark.parametrize("key", ["table", "step", "count", "integrity"])
def test_a_result_that_lacks_something_is_left_out_and_another_is_not(key: str, tmp_path: Path) -> None:
    write_elsewhere(tmp_path, result(2))
    write_elsewhere(tmp_path, result(5))
    path = tmp_path / "elsewhere-2.json"
    said = json.loads(path.read_text())
    del said[key]
    path.write_text(json.dumps(said))

    assert [found.step for found in read_elsewhere(tmp_path)] == [5]


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "null"])
def test_a_file_that_is_no_result_is_left_out(content: str, tmp_path: Path) -> None:
    write_elsewhere(tmp_path, result())
    (tmp_path / "elsewhere-2.json").write_text(content)

    assert read_elsewhere(tmp_path) == ()


def test_a_result_whose_arrivals_are_gone_is_left_out(tmp_path: Path) -> None:
    write_elsewhere(tmp_path, result())
    (tmp_path / "elsewhere-2.bits").unlink()

    assert read_elsewhere(tmp_path) == ()


def test_the_version_of_the_format_is_written_with_a_result(tmp_path: Path) -> None:
    write_elsewhere(tmp_path, result())

    said = json.loads((tmp_path / "elsewhere-2.json").read_text())

    assert (said["schema"], said["count"]) == (1, 11)
