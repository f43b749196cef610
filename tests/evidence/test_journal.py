"""Segments: complete frames are believed, anything else is reported and never accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence import journal
from prakerja_load.evidence.journal import DTYPES, Kind, SegmentWriter, frame, nothing, parse_segment, read_segment

KINDS = st.sampled_from(list(Kind))
SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=4)


def records(kind: Kind, size: int, seed: int = 0) -> NDArray[Any]:
    content = np.random.default_rng(seed).bytes(size * DTYPES[kind].itemsize)
    return np.frombuffer(content, DTYPES[kind])


@given(KINDS, SIZES)
@settings(deadline=None, max_examples=60)
def test_frames_are_read_back_as_they_were_written(kind: Kind, sizes: list[int]) -> None:
    parts = [records(kind, size, seed) for seed, size in enumerate(sizes)]

    segment = parse_segment(b"".join(frame(kind, part) for part in parts), kind)

    assert segment.records.tobytes() == b"".join(part.tobytes() for part in parts)
    assert (segment.frames, segment.is_torn) == (len(sizes), False)


@given(KINDS, st.integers(0, 4), st.data())
@settings(deadline=None, max_examples=150)
def test_a_flipped_bit_is_never_accepted(kind: Kind, size: int, data: st.DataObject) -> None:
    content = bytearray(frame(kind, records(kind, size)))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8

    segment = parse_segment(bytes(content), kind)

    assert (segment.frames, segment.is_torn) == (0, True)


@given(KINDS, SIZES, st.data())
@settings(deadline=None, max_examples=100)
def test_a_cut_at_any_byte_leaves_the_complete_frames_before_it(
    kind: Kind, sizes: list[int], data: st.DataObject
) -> None:
    frames = [frame(kind, records(kind, size, seed)) for seed, size in enumerate(sizes)]
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))
    ends = np.cumsum([len(part) for part in frames])

    segment = parse_segment(whole[:cut], kind)

    complete = int((ends <= cut).sum())
    assert segment.frames == complete
    assert segment.records.size == sum(sizes[:complete])
    assert segment.is_torn == (cut not in {0, *ends.tolist()})


def test_a_frame_of_another_kind_ends_the_segment() -> None:
    content = frame(Kind.LEDGER, records(Kind.LEDGER, 2)) + frame(Kind.SAMPLES, records(Kind.SAMPLES, 1))

    segment = parse_segment(content, Kind.LEDGER)

    assert (segment.records.size, segment.is_torn) == (2, True)


def test_records_of_another_kind_are_refused() -> None:
    with pytest.raises(EvidenceError, match="samples segment holds no records"):
        frame(Kind.SAMPLES, records(Kind.LEDGER, 1))


def test_a_frame_beyond_the_largest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_LARGEST_FRAME", 100)

    with pytest.raises(EvidenceError, match="at most 100 bytes"):
        frame(Kind.SAMPLES, records(Kind.SAMPLES, 2))


def test_a_large_array_is_written_as_several_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_LARGEST_FRAME", 3 * DTYPES[Kind.LEDGER].itemsize)
    written = records(Kind.LEDGER, 8)
    with SegmentWriter(tmp_path / "ledger.seg", Kind.LEDGER) as segment:
        segment.append(written)

    read = read_segment(tmp_path / "ledger.seg", Kind.LEDGER)

    assert (read.records.tobytes(), read.frames) == (written.tobytes(), 3)


def test_a_writer_continues_a_whole_segment(tmp_path: Path) -> None:
    path = tmp_path / "worker-0" / "arrivals.seg"
    for seed in range(2):
        with SegmentWriter(path, Kind.ARRIVALS) as segment:
            segment.append(records(Kind.ARRIVALS, 3, seed))
            segment.append(records(Kind.ARRIVALS, 0))
            segment.close()

    assert read_segment(path, Kind.ARRIVALS).records.size == 6


def test_a_writer_leaves_a_torn_segment_alone(tmp_path: Path) -> None:
    path = tmp_path / "samples.seg"
    path.write_bytes(frame(Kind.SAMPLES, records(Kind.SAMPLES, 2))[:-1])

    with pytest.raises(EvidenceError, match="torn"):
        SegmentWriter(path, Kind.SAMPLES)


def test_a_refused_write_is_cut_back_to_the_last_complete_frame(tmp_path: Path) -> None:
    class Full:
        """A disk that takes ten bytes of a block and then no more."""

        def __init__(self, file: Any) -> None:
            self.file = file
            self.is_full = False

        def write(self, block: bytes) -> int:
            if self.is_full:
                raise OSError(28, "No space left on device")
            self.is_full = True
            return int(self.file.write(block[:10]))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    path = tmp_path / "samples.seg"
    with SegmentWriter(path, Kind.SAMPLES) as segment:
        segment.append(records(Kind.SAMPLES, 2))
        segment._file = Full(segment._file)  # type: ignore[assignment]  # a disk that fills up

        with pytest.raises(EvidenceError, match="No space left"):
            segment.append(records(Kind.SAMPLES, 1))

    read = read_segment(path, Kind.SAMPLES)
    assert (read.records.size, read.is_torn) == (2, False)


def test_a_short_write_is_completed(tmp_path: Path) -> None:
    class Slow:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, block: bytes) -> int:
            return int(self.file.write(block[:7]))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    path = tmp_path / "vitals.seg"
    with SegmentWriter(path, Kind.VITALS) as segment:
        segment._file = Slow(segment._file)  # type: ignore[assignment]  # a disk that takes little at a time
        segment.append(records(Kind.VITALS, 2))

    assert read_segment(path, Kind.VITALS).records.size == 2


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EvidenceError, match="cannot write"):
        SegmentWriter(tmp_path / "file" / "samples.seg", Kind.SAMPLES)


def test_an_empty_segment_holds_nothing_and_a_missing_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.seg").write_bytes(b"")

    assert read_segment(tmp_path / "empty.seg", Kind.VITALS).records.size == 0
    with pytest.raises(EvidenceError, match="cannot read"):
        read_segment(tmp_path / "missing.seg", Kind.VITALS)


def test_only_the_wanted_records_of_a_segment_are_kept_and_a_torn_tail_is_seen_all_the_same(tmp_path: Path) -> None:
    records = np.zeros(10, DTYPES[Kind.LEDGER])
    records["step"] = np.arange(10)
    path = tmp_path / "ledger.seg"
    with SegmentWriter(path, Kind.LEDGER) as segment:
        segment.append(records[:6])
        segment.append(records[6:])

    even = read_segment(path, Kind.LEDGER, lambda part: part["step"] % 2 == 0)

    assert (even.records["step"].tolist(), even.frames, even.is_torn) == ([0, 2, 4, 6, 8], 2, False)
    path.write_bytes(path.read_bytes()[:-1])
    none = read_segment(path, Kind.LEDGER, nothing)
    assert (none.records.size, none.frames, none.is_torn) == (0, 1, True)
