"""A ramp's folder as it is found: whole, half, or nearly empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import DTYPES, Kind, SegmentWriter, frame, nothing
from prakerja_load.evidence.ramp import load_ramp
from prakerja_load.evidence.run_directory import BEGUN, CONTROLLER, RAMP, STORED, TARGET, worker_path, write_json
from prakerja_load.evidence.sample import ARRIVAL, SAMPLE
from prakerja_load.journey.step import Ending, Outcome

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


def fill_part(folder: Path) -> Path:
    """Leave an earlier part with arrivals 0, ended, and 1, kept waiting for an answer until the cut."""
    part = folder / "part-1"
    part.mkdir()
    write_json(part / RAMP, {**RECORD, "workers": 1, "closed": False})
    write_json(part / BEGUN, {"epoch_ns": 1, "epoch_wall": 1.0})
    arrivals, samples = np.zeros(2, ARRIVAL), np.zeros(2, SAMPLE)
    arrivals["index"] = samples["index"] = [0, 1]
    arrivals["ending"] = [Ending.COMPLETED, Ending.IN_FLIGHT]
    samples["outcome"] = [Outcome.OK, Outcome.IN_FLIGHT]
    samples["finished"] = 5 * 10**9
    records = {Kind.ARRIVALS: arrivals, Kind.SAMPLES: samples}
    for kind in Kind:
        with SegmentWriter(worker_path(part, 0) / kind.file_name, kind) as segment:
            segment.append(records.get(kind, np.zeros(0, DTYPES[kind])))
    return part


def test_of_a_resumed_ramp_as_much_is_told_whatever_of_it_is_wanted(tmp_path: Path) -> None:
    fill_part(fill(tmp_path))
    whole = load_ramp(tmp_path)
    narrowed = load_ramp(tmp_path, {kind: nothing for kind in Kind if kind is not Kind.ARRIVALS})

    assert sorted(whole.arrivals["index"].tolist()) == [0, 0, 0, 0, 1]
    assert np.array_equal(whole.arrivals, narrowed.arrivals)
    assert whole.carried["arrivals"] == narrowed.carried["arrivals"] == 2
    assert 1 not in whole.replayed.tolist()
    assert (whole.samples.size, narrowed.samples.size) == (5, 0)
    assert whole.missing == ()


@pytest.mark.parametrize("kind", [Kind.SAMPLES, Kind.LEDGER])
def test_a_segment_that_an_earlier_part_has_lost_is_missed(tmp_path: Path, kind: Kind) -> None:
    part = fill_part(fill(tmp_path))
    (worker_path(part, 0) / kind.file_name).unlink()

    evidence = load_ramp(tmp_path)

    assert evidence.missing == (f"part-1/worker-0/{kind.file_name}",)
    assert evidence.is_ledger_whole == (kind is not Kind.LEDGER)


def test_what_a_part_never_had_is_not_missed(tmp_path: Path) -> None:
    part = tmp_path / "part-1"
    part.mkdir()
    write_json(part / RAMP, {**RECORD, "workers": 1, "closed": False})

    assert load_ramp(fill(tmp_path)).missing == ()


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


def test_what_a_controller_wrote_of_itself_is_that_of_all_parts(tmp_path: Path) -> None:
    part = fill_part(fill(tmp_path))
    assert load_ramp(tmp_path).led.size == 0, "as in the folders of earlier versions"
    for folder, ats in ((part, [1, 2, 3]), (tmp_path, [5, 6])):
        records = np.zeros(len(ats), DTYPES[Kind.VITALS])
        records["at"] = ats
        with SegmentWriter(folder / Kind.VITALS.file_name, Kind.VITALS) as segment:
            segment.append(records)
    with (part / Kind.VITALS.file_name).open("ab") as file:
        file.write(b"torn by a kill")

    evidence = load_ramp(tmp_path)

    assert evidence.led["at"].tolist() == [1, 2, 3, 5, 6]
    assert evidence.torn == ()
    with (tmp_path / Kind.VITALS.file_name).open("ab") as file:
        file.write(b"torn")
    assert load_ramp(tmp_path).torn == ("vitals.seg",)
