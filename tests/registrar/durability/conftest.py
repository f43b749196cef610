"""Durability: a disk that writes down what reaches it and fails on demand, under the registrar's own store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # after the folder above, whose conftest is meant by its bare name

from recording_disk import MakeDisk, RecordingDisk


@pytest.fixture
def make_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeDisk]:
    """Return a way to put a recording disk under the stores of a folder until the test ends."""
    with ExitStack() as stack:

        def make(folder: Path) -> RecordingDisk:
            disk = RecordingDisk(folder)
            monkeypatch.setattr("prakerja_load.registrar.store.photo_log.os", disk.calls)
            stack.callback(disk.unregister)
            return disk

        yield make
