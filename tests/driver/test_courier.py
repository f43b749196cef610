"""Evidence on its way: whatever the line does to parcels, the controller's files become the worker's, in order."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.clock import VirtualClock
from prakerja_load.driver.archive import Archive
from prakerja_load.driver.courier import AGAIN_AFTER, PARCEL, WINDOW, Courier
from prakerja_load.driver.message import Parcel
from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.journal import Kind
from prakerja_load.evidence.run_directory import worker_path


class Post:
    """A courier and an archive with a line between them that the test holds in its hands."""

    def __init__(self, folder: Path) -> None:
        self.here, ramp = folder / "here", folder / "ramp"
        self.here.mkdir()
        self.clock = VirtualClock(10**9)
        self.line: deque[Parcel] = deque()
        self.archive = Archive(ramp)
        self.there = worker_path(ramp, 3)
        self.courier = Courier(self.here, self.send, self.clock.now_ns)

    def send(self, number: int, kind: int, content: bytes, checksum: int) -> None:
        self.line.append(Parcel("k1r1", 3, number, kind, content, checksum))

    def write(self, kind: Kind, content: bytes) -> None:
        with (self.here / kind.file_name).open("ab") as file:
            file.write(content)

    def deliver(self) -> None:
        """Let everything on the line arrive, and its acknowledgements come back."""
        while self.line:
            self.archive.of(3).take(self.line.popleft())
        self.courier.hear(self.archive.of(3).awaited)

    def is_alike(self) -> bool:
        self.archive.close()
        return {path.name: path.read_bytes() for path in self.here.iterdir()} == {
            path.name: path.read_bytes() for path in self.there.iterdir() if path.stat().st_size
        }


@contextmanager
def post() -> Iterator[Post]:
    folder = Path(tempfile.mkdtemp())
    line = Post(folder)
    try:
        yield line
    finally:
        line.archive.close()
        shutil.rmtree(folder)


def test_what_lies_here_arrives_there_and_the_checksums_say_so() -> None:
    with post() as line:
        line.write(Kind.LEDGER, b"l" * 100)
        line.write(Kind.SAMPLES, b"s" * (PARCEL + 1))
        line.courier.carry()
        assert not line.courier.is_through
        line.deliver()
        line.write(Kind.SAMPLES, b"t" * 10)
        line.courier.carry()
        line.deliver()

        assert line.courier.is_through
        assert line.archive.of(3).holds(line.courier.shipped)
        assert line.is_alike()


def test_no_more_than_a_window_is_under_way() -> None:
    with post() as line:
        line.write(Kind.SAMPLES, b"x" * (PARCEL * (WINDOW + 5)))
        line.courier.carry()
        line.courier.carry()

        assert len(line.line) == WINDOW


def test_what_nobody_acknowledges_is_sent_again_and_not_too_soon() -> None:
    with post() as line:
        line.write(Kind.LEDGER, b"x")
        line.courier.carry()
        line.line.clear()
        line.clock.advance(round(AGAIN_AFTER * 1e9))
        line.courier.carry()
        assert not line.line
        line.clock.advance(1)
        line.courier.carry()
        line.deliver()

        assert line.courier.is_through
        assert line.archive.of(3).holds(line.courier.shipped)


def test_no_arrival_leaves_before_its_samples_and_its_ledger() -> None:
    with post() as line:
        for kind in reversed(Kind):
            line.write(kind, bytes([kind]) * (2 * PARCEL))
        line.courier.carry()

        kinds = [parcel.kind for parcel in line.line]
        assert kinds == [Kind.LEDGER] * 2 + [Kind.SAMPLES] * 2 + [Kind.ARRIVALS] * 2 + [Kind.VITALS] * 2


def test_a_parcel_out_of_turn_or_damaged_is_not_taken() -> None:
    with post() as line:
        shelf = line.archive.of(3)
        shelf.take(Parcel("k1r1", 3, 1, Kind.SAMPLES, b"late", 0))
        shelf.take(Parcel("k1r1", 3, 0, Kind.SAMPLES, b"hurt", 1))
        shelf.take(Parcel("k1r1", 3, 0, 99, b"", 0))

        assert (shelf.awaited, shelf.damaged, line.archive.damaged) == (0, 2, 2)
        assert shelf.holds([])
        assert not shelf.holds([(Kind.SAMPLES, 4, 0)])


def test_a_folder_that_is_there_already_is_not_written_into(tmp_path: Path) -> None:
    worker_path(tmp_path, 0).mkdir()

    with pytest.raises(EvidenceError, match="worker-0"):
        Archive(tmp_path).of(0)


@given(seed=st.integers(0, 2**32), loss=st.floats(0, 0.6))
@settings(max_examples=40, deadline=None)
def test_a_line_that_loses_repeats_and_damages_changes_nothing(seed: int, loss: float) -> None:
    """A line that reorders is not among them: the messaging keeps the order of what it carries."""
    chance = random.Random(seed)
    with post() as line:
        left = {kind: chance.randrange(0, 3 * PARCEL) for kind in Kind}
        for _ in range(4000):
            for kind in Kind:
                grow = min(left[kind], chance.randrange(1, PARCEL))
                line.write(kind, chance.randbytes(grow))
                left[kind] -= grow
            line.courier.carry()
            while line.line:
                parcel = line.line.popleft()
                if chance.random() < loss:
                    continue
                if chance.random() < loss / 4:
                    parcel = Parcel(parcel.run, 3, parcel.number, parcel.kind, parcel.content + b"!", parcel.checksum)
                line.archive.of(3).take(parcel)
                if chance.random() < 0.1:
                    line.archive.of(3).take(parcel)
            if chance.random() >= loss:
                line.courier.hear(line.archive.of(3).awaited)
            line.clock.advance(10**9)
            if not any(left.values()) and line.courier.is_through:
                break

        assert line.courier.is_through
        assert line.archive.of(3).holds(line.courier.shipped)
        for kind in Kind:
            (line.here / kind.file_name).touch()
            assert (line.here / kind.file_name).read_bytes() == (line.there / kind.file_name).read_bytes()
