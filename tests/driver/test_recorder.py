"""The recorder: what is taken down is what is read back, and a full disk is not hidden."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prakerja_load.driver.recorder import Recorder
from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import DTYPES, Kind, read_segment

BOUNDS = {"<i8": (-1, 2**62), "|u1": (0, 255), "<u2": (0, 65535), "<f8": (0, 2**40)}


def rows_of(kind: Kind) -> st.SearchStrategy[list[tuple[int, ...]]]:
    dtype = DTYPES[kind]
    fields = [st.integers(*BOUNDS[dtype[name].str]) for name in dtype.names or ()]
    return st.lists(st.tuples(*fields), max_size=30)


def take_down(recorder: Recorder, kind: Kind, row: tuple[int, ...]) -> None:
    methods = {
        Kind.SAMPLES: recorder.sample,
        Kind.ARRIVALS: recorder.arrival,
        Kind.LEDGER: recorder.ledger,
        Kind.VITALS: recorder.vital,
    }
    methods[kind](*row)


@given(before=st.fixed_dictionaries({kind: rows_of(kind) for kind in Kind}), data=st.data())
@settings(deadline=None, max_examples=20)
def test_every_kind_of_record_comes_back_as_it_was_taken_down(
    tmp_path_factory: pytest.TempPathFactory, before: dict[Kind, list[tuple[int, ...]]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("worker")
    after = {kind: data.draw(rows_of(kind)) for kind in Kind}
    recorder = Recorder(folder)
    for rows in (before, after):
        for kind in Kind:
            for row in rows[kind]:
                take_down(recorder, kind, row)
        recorder.flush()
    recorder.close()

    for kind in Kind:
        segment = read_segment(folder / kind.file_name, kind)
        expected: NDArray[np.void] = np.array(before[kind] + after[kind], DTYPES[kind])
        assert segment.records.tobytes() == expected.tobytes()
        assert recorder.counts[kind] == expected.size
        assert not segment.is_torn


def test_what_was_flushed_is_there_although_the_process_dies_then(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.ledger(7, 2, 0, 1, 0, 99)
    recorder.flush()
    recorder.ledger(8, 2, 0, 1, 0, 100)

    ledger = read_segment(tmp_path / Kind.LEDGER.file_name, Kind.LEDGER)
    recorder.close()

    assert ledger.records["index"].tolist() == [7]


def test_a_disk_that_refuses_is_an_error_with_its_reason(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.sample(*range(10))
    recorder.flush()
    whole = (tmp_path / Kind.SAMPLES.file_name).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    recorder.sample(*range(10))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 20, hard))
        with pytest.raises(EvidenceError, match="File too large"):
            recorder.flush()
        with pytest.raises(EvidenceError, match="File too large"):
            recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    segment = read_segment(tmp_path / Kind.SAMPLES.file_name, Kind.SAMPLES)
    assert recorder.counts[Kind.SAMPLES] == segment.records.size == 1
    assert not segment.is_torn


def test_without_a_folder_records_are_counted_and_shown(tmp_path: Path) -> None:
    recorder = Recorder(None)
    recorder.sample(3, *range(9))
    recorder.flush()
    recorder.close()

    assert recorder.counts[Kind.SAMPLES] == 1
    assert recorder.batches is not None
    assert [batch["index"].tolist() for batch in recorder.batches] == [[3]]
    assert list(tmp_path.iterdir()) == []
