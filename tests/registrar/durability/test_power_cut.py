"""Power cuts: nothing that was acknowledged is lost, wherever the power goes, and the simulator would see a loss."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from asgi import laboratory_in
from power_cut import Disk
from recording_disk import Call, Event, Fault, MakeDisk, RecordingDisk, io_error, no_fault
from witness import Answered, Witness, contradictions, crowd, rows_of

from prakerja_load.registrar.store import checkpoint, sqlite
from prakerja_load.registrar.store.photo_log import PhotoLog

PEOPLE = 16  # in each of two lives of the store; the record has some 1 200 events


@dataclass(frozen=True)
class Record:
    """What reached the disk and the clients, and every row that the clients may have made."""

    events: list[Event]
    possible: dict[str, dict[str, Any]]


@dataclass
class Cuts:
    """What was found after some power cuts."""

    found: list[str] = field(default_factory=list)
    acknowledged: int = 0  # writes that had to be found, summed over the cuts

    @property
    def kinds(self) -> Counter[str]:
        return Counter(text.partition(":")[0] for text in self.found)


async def record(disk: RecordingDisk, folder: Path, fault: Fault = no_fault) -> Record:
    """Let two crowds register, the store being closed and opened again between them; the last closing is not told.

    The disk has the fault from when a store is open until it is closed.
    """
    laboratory = laboratory_in(folder)
    for people in (range(PEOPLE), range(PEOPLE, 2 * PEOPLE)):
        async with laboratory() as lab:
            disk.fault = fault
            await crowd(Witness(lab, disk), people)
            events = list(disk.events)
        disk.fault = no_fault
    return Record(events, rows_of(range(2 * PEOPLE)))


async def cut(told: Record, folder: Path, number: int, seed: int) -> Cuts:
    """Cut the power at random points of a record and open what is left."""
    chance = random.Random(seed)
    points = sorted(chance.randint(0, len(told.events)) for _ in range(number))
    disk, answered, cuts = Disk(chance), Answered(), Cuts()
    done = 0
    for point in points:
        for event in told.events[done:point]:
            disk.follow(event)
            answered.follow(event)
        done = point
        left = folder / "left"
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir()
        for path, content in disk.cut().items():
            (left / Path(path).name).write_bytes(content)
        found = await contradictions(left / "store.db", answered, told.possible)
        cuts.found += [f"{text} (seed {seed}, cut after event {point})" for text in found]
        cuts.acknowledged += len(answered.stored)
    return cuts


@pytest.fixture(autouse=True)
def short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log start over several times within a record."""
    monkeypatch.setattr(checkpoint, "LOG_PAGES", 30)


def recorded(make_disk: MakeDisk, folder: Path) -> Record:
    folder.mkdir()
    disk = make_disk(folder)
    told = asyncio.run(record(disk, folder))
    kinds = Counter(event.kind for event in told.events)
    assert kinds["acknowledge"] == 2 * PEOPLE * 10
    assert kinds["refuse"] == 2 * PEOPLE
    assert min(kinds["sync"], kinds["write"], kinds["truncate"]) > 0
    log_headers = [event for event in told.events if event.kind == "write" and event.offset == 0]
    assert sum(len(event.content) == 32 for event in log_headers) >= 5
    return told


def test_no_power_cut_loses_what_was_acknowledged(make_disk: MakeDisk, tmp_path: Path) -> None:
    for seed in (1, 2):
        told = recorded(make_disk, tmp_path / f"recorded-{seed}")
        cuts = asyncio.run(cut(told, tmp_path, 250, seed))
        assert cuts.found == []
        assert cuts.acknowledged > 10_000


@pytest.mark.slow
def test_five_thousand_power_cuts_lose_nothing(make_disk: MakeDisk, tmp_path: Path) -> None:
    for seed in range(100, 120):
        told = recorded(make_disk, tmp_path / f"recorded-{seed}")
        assert asyncio.run(cut(told, tmp_path, 250, seed)).found == []


def test_synchronous_normal_loses_acknowledged_writes(
    make_disk: MakeDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    normal = tuple(pragma.replace("FULL", "NORMAL") for pragma in sqlite._WRITER)
    assert normal != sqlite._WRITER
    monkeypatch.setattr(sqlite, "_WRITER", normal)
    kinds = asyncio.run(cut(recorded(make_disk, tmp_path / "recorded"), tmp_path, 40, 3)).kinds
    assert kinds["lost"] > 0
    assert kinds["integrity"] == 0  # NORMAL forgets; it does not corrupt


def test_pictures_that_are_not_synced_are_lost(
    make_disk: MakeDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recorded").mkdir()
    disk = make_disk(tmp_path / "recorded")
    monkeypatch.setattr(disk.calls, "fdatasync", lambda _descriptor: None)
    told = asyncio.run(record(disk, tmp_path / "recorded"))
    kinds = asyncio.run(cut(told, tmp_path, 40, 4)).kinds
    assert kinds["changed"] > 0
    assert kinds["lost"] == 0  # the rows are there, the pictures are not


@pytest.mark.parametrize("every", [3, 5, 8])
def test_a_sync_that_failed_is_not_trusted_later(make_disk: MakeDisk, tmp_path: Path, every: int) -> None:
    (tmp_path / "recorded").mkdir()
    disk = make_disk(tmp_path / "recorded")
    syncs = itertools.count(1)

    def fail_some(call: Call) -> BaseException | None:
        return io_error(call) if call.name == "sync" and next(syncs) % every == 0 else None

    told = asyncio.run(record(disk, tmp_path / "recorded", fail_some))
    kinds = Counter(event.kind for event in told.events)
    assert kinds["sync-failed"] >= 8
    assert kinds["acknowledge"] == 2 * PEOPLE * 10
    assert asyncio.run(cut(told, tmp_path, 40, every)).found == []


def test_the_photo_logs_name_is_on_disk_before_a_picture_is(make_disk: MakeDisk, tmp_path: Path) -> None:
    disk = make_disk(tmp_path)
    log = PhotoLog(tmp_path / "store.db.photos")
    log.add(b"picture")
    log.flush()
    log.close()
    replay = Disk(random.Random(5))
    for event in disk.events:
        replay.follow(event)
    assert all(replay.cut() == {str(tmp_path / "store.db.photos"): b"picture"} for _ in range(50))
