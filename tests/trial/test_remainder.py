"""What is left of a ramp that was cut off, found on disk."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.driver.assignment import Assignment
from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import Kind, SegmentWriter
from prakerja_load.evidence.sample import ARRIVAL
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.step import Ending
from prakerja_load.trial.remainder import lay_aside, why_not

CURVE = RateCurve.constant(10, 10.0)
TASK = Assignment(
    run="k1r1",
    name="first",
    target_url="http://127.0.0.1:1",
    seed=1,
    first_person=0,
    count=100,
    rate=10.0,
    warm_up=0.0,
    hold=10.0,
    drain=1.0,
    curve=CURVE.stages(),
    schedule_seed=7,
    journey=JourneyOptions(seed=1, today=datetime.date(2020, 8, 1)),
    workers=1,
    in_flight_limit=100,
    patience=1.0,
)


def write_down(folder: Path, closed: range, under_way: range = range(0)) -> None:
    """Leave a ramp's folder as a kill leaves it."""
    folder.mkdir(exist_ok=True)
    said: dict[str, Any] = msgspec.to_builtins(TASK)
    (folder / "ramp.json").write_bytes(msgspec.json.encode({**said, "registrants": 100}))
    (folder / "target.json").write_text(json.dumps({"wave": 3, "position": "p77"}))
    records = np.zeros(len(closed) + len(under_way), ARRIVAL)
    records["index"] = [*closed, *under_way]
    records["ending"] = [Ending.COMPLETED] * len(closed) + [Ending.IN_FLIGHT] * len(under_way)
    with SegmentWriter(folder / "worker-0" / Kind.ARRIVALS.file_name, Kind.ARRIVALS) as writer:
        writer.append(records)


def test_what_did_not_end_is_left_and_the_clock_goes_on_where_its_first_was_due(tmp_path: Path) -> None:
    folder = tmp_path / "01-100"
    write_down(folder, range(20), range(20, 23))
    rest = lay_aside(folder)

    assert rest.task.only == [(20, 100)]
    assert rest.count == 80
    assert rest.task.begins_at == pytest.approx(TASK.schedule().times(20, 21)[0], abs=1e-9)
    assert (rest.wave, rest.position) == (3, "p77")
    assert (rest.task.run, rest.task.first_person) == ("k1r1", 0)
    assert [path.name for path in folder.iterdir()] == ["part-1"]
    assert (folder / "part-1" / "worker-0" / "arrivals.seg").exists()


def test_a_rest_that_was_cut_off_again_leaves_what_neither_part_ended(tmp_path: Path) -> None:
    folder = tmp_path / "01-100"
    write_down(folder, range(20))
    lay_aside(folder)
    write_down(folder, range(30, 100))
    rest = lay_aside(folder)

    assert rest.task.only == [(20, 30)]
    assert sorted(path.name for path in folder.iterdir()) == ["part-1", "part-2"]


def test_laying_aside_twice_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "01-100"
    write_down(folder, range(20))

    assert lay_aside(folder) == lay_aside(folder)


def test_a_ramp_of_which_all_ended_has_nothing_left(tmp_path: Path) -> None:
    folder = tmp_path / "01-100"
    write_down(folder, range(100))
    rest = lay_aside(folder)

    assert rest.task.only == []
    assert rest.count == 0


def test_it_is_said_why_a_rest_cannot_be_played(tmp_path: Path) -> None:
    folder = tmp_path / "01-100"
    folder.mkdir()
    assert "had not begun" in why_not(folder, has_store=True, is_asked_by_table=False)
    write_down(folder, range(5))

    assert why_not(folder, has_store=True, is_asked_by_table=False) == ""
    assert "store" in why_not(folder, has_store=False, is_asked_by_table=False)
    assert "tables" in why_not(folder, has_store=True, is_asked_by_table=True)


def test_evidence_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "01-100"
    folder.mkdir()
    with pytest.raises(EvidenceError, match=r"ramp\.json"):
        lay_aside(folder)
    write_down(folder, range(5))
    (folder / "ramp.json").write_text('{"run": 7}')
    with pytest.raises(EvidenceError, match="cannot be continued"):
        lay_aside(folder)
