"""A ramp's folder as it is found: whole, half, or nearly empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import DTYPES, Kind, SegmentWriter, frame
from prakerja_load.evidence.ramp import load_ramp
from prakerja_load.evidence.run_directory import CONTROLLER, RAMP, STORED, TARGET, worker_path, write_json

RECORD = {"number": 2, "run": "k1r2", "workers": 2, "count": 9, "closed": True, "curve": [[1, 2, 3]]}


def fill(folder: Path, ramp: Any = RECORD) -> Path:
    for worker in range(2):
        for kind in Kind:
            with SegmentWriter(worker_path(folder, worker) / kind.file_name, kind) as segment:
                segment.append(np.zeros(worker + 1, DTYPES[kind]))
    write_json(folder / RAMP, ramp)
    write_json(folder / CONTROLLER, {"issued": 9})
    write_json(folder / TARGET, {"wave": 4})
    (folder / STORED).write_bytes(b"")
    return folder


def test_records_of_all_workers_are_merged_and_vitals_kept_apart(tmp_path: Path) -> None:
    evidence = load_ramp(fill(tmp_path))

    assert (evidence.samples.size, evidence.arrivals.size, evidence.ledger.size) == (3, 3, 3)
    assert {worker: vitals.size for worker, vitals in evidence.vitals.items()} == {0: 1, 1: 2}
    assert (evidence.ramp.run, evidence.ramp.count, evidence.is_closed) == ("k1r2", 9, True)
    assert evidence.controller == {"issued": 9}
    assert evidence.target == {"wave": 4}
    assert evidence.stored == tmp_path / STORED
    assert (evidence.torn, evidence.missing) == ((), ())


def test_an_empty_folder_says_all_that_is_missing(tmp_path: Path) -> None:
    evidence = load_ramp(tmp_path)

    assert set(evidence.missing) == {RAMP, CONTROLLER, TARGET, STORED}
    assert (evidence.samples.size, evidence.controller, evidence.is_closed) == (0, None, False)


def test_a_worker_that_left_nothing_is_missed(tmp_path: Path) -> None:
    fill(tmp_path)
    for path in worker_path(tmp_path, 1).iterdir():
        path.unlink()
    worker_path(tmp_path, 1).rmdir()

    evidence = load_ramp(tmp_path)

    assert set(evidence.missing) == {f"worker-1/{kind.file_name}" for kind in Kind}
    assert evidence.samples.size == 1


def test_a_torn_segment_is_said_and_what_is_whole_of_it_kept(tmp_path: Path) -> None:
    fill(tmp_path)
    with (worker_path(tmp_path, 0) / "ledger.seg").open("ab") as file:
        file.write(frame(Kind.LEDGER, np.zeros(5, DTYPES[Kind.LEDGER]))[:-3])

    evidence = load_ramp(tmp_path)

    assert evidence.torn == ("worker-0/ledger.seg",)
    assert evidence.ledger.size == 3


@pytest.mark.parametrize("content", ["{", "[1]", '{"count": "many"}'])
def test_a_ramp_file_that_says_nothing_useful_is_missing(tmp_path: Path, content: str) -> None:
    fill(tmp_path)
    (tmp_path / RAMP).write_text(content)

    evidence = load_ramp(tmp_path)

    assert evidence.missing[0].startswith(RAMP)
    assert (evidence.ramp.count, evidence.samples.size) == (0, 3)


def test_no_folder_is_no_ramp(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no ramp's folder"):
        load_ramp(tmp_path / "missing")
