"""Faults of the disk at every single call, a full disk, a locked store: a clear refusal, no false yes, recovery."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from asgi import Lab, Laboratory, in_loop, laboratory_in
from people import Person, Visit, picture
from recording_disk import Call, Fault, MakeDisk, RecordingDisk, disk_full, io_error, no_fault
from witness import Answered, Witness, contradictions, register, rows_of

from prakerja_load.registrar.store import checkpoint, sqlite


class Breakdown:
    """A fault that comes at the k-th call and goes after some calls; counts every call."""

    def __init__(self, first: int, calls: int = 1, error: Fault = io_error) -> None:
        self._span = range(first, first + calls)
        self._error = error
        self.calls = 0

    def __call__(self, call: Call) -> BaseException | None:
        self.calls += 1
        return self._error(call) if self.calls in self._span else None

    @property
    def has_come(self) -> bool:
        return self.calls >= self._span.start


def ends_with(disk: RecordingDisk, checkpointer: checkpoint.Checkpointer) -> None:
    """Let the fault last until the log is emptied: what fails when a file is closed SQLite ignores, but apsw raises."""
    empty = checkpointer.close

    def close() -> None:
        empty()
        disk.fault = no_fault

    checkpointer.close = close  # type: ignore[method-assign]


async def lives_through(disk: RecordingDisk, folder: Path, fault: Breakdown) -> None:
    """Let one person register on a disk with a fault, close the store, and compare it with what was answered."""
    start = len(disk.events)
    async with laboratory_in(folder)() as lab:
        witness = Witness(lab, disk)
        ends_with(disk, lab.registrar.store._checkpointer)
        disk.fault = fault
        await register(witness, 1)
    answered = Answered()
    for event in disk.events[start:]:
        answered.follow(event)
    assert len(answered.stored) == 10  # whatever failed went well when it was asked for again
    assert {(answer.status, "retry-after" in answer.headers) for answer in witness.failed} <= {
        (503, True),
        (507, False),
    }
    assert await contradictions(folder / "store.db", answered, rows_of([1])) == []


@pytest.mark.parametrize("is_short", [False, True], ids=["nothing-written", "half-written"])
def test_an_io_error_at_any_call_is_lived_through(
    make_disk: MakeDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_short: bool
) -> None:
    monkeypatch.setattr(checkpoint, "LOG_PAGES", 20)
    disk = make_disk(tmp_path)
    disk.writes_are_short = is_short
    met = set()
    for at in range(1, 10_000):
        fault = Breakdown(at, error=lambda call: met.add(call.name) or io_error(call))
        folder = tmp_path / str(at)
        folder.mkdir()
        try:
            asyncio.run(lives_through(disk, folder, fault))
        except BaseException as error:
            error.add_note(f"the fault came at call {at}")
            raise
        if not fault.has_come:
            break
    assert at > 100
    assert met >= {"read", "write", "sync", "truncate", "size"}


def test_an_io_error_at_any_call_while_a_store_is_made_leaves_one_that_can_be_made_again(
    make_disk: MakeDisk, tmp_path: Path
) -> None:
    disk = make_disk(tmp_path)
    refused = 0
    for at in range(1, 10_000):
        path = tmp_path / f"{at}.db"
        disk.fault = Breakdown(at)
        try:
            sqlite.open_writer(path).close()
        except apsw.Error:
            refused += 1
        came, disk.fault = disk.fault.has_come, no_fault
        connection = sqlite.open_writer(path)
        assert sqlite.first(connection.execute("PRAGMA integrity_check")) == ("ok",), at
        assert sqlite.durability_of(connection) == ("wal", "full"), at
        assert len(sqlite.settings_of(connection)["token_key"]) >= 16, at
        connection.close()
        if not came:
            break
    assert refused > 30


async def refusals(lab: Lab, people: range) -> set[tuple[int, str, str | None]]:
    """Return how the requests for new accounts of these people are answered."""
    answers = await asyncio.gather(*(Visit(lab, Person(index)).create() for index in people))
    assert lab.registrar.store.depth == 0
    return {(answer.status, answer.problem, answer.headers.get("retry-after")) for answer in answers}


async def reads_go_on(lab: Lab, person: Person) -> None:
    """Log somebody in and look at their status and the wave."""
    visit = Visit(lab, person)
    assert (await visit.log_in()).status == 201
    assert (await lab.send("GET", "/api/v1/status", token=visit.token)).status == 200
    assert (await lab.send("GET", "/api/v1/waves/current")).status == 200


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda call: io_error(call) if call.name in ("write", "sync") else None, (503, "store-unavailable", "5")),
        (lambda call: io_error(call) if call.name == "sync" else None, (503, "store-unavailable", "5")),
        (disk_full, (507, "store-full", None)),
    ],
    ids=["unwritable", "unsyncable", "full"],
)
def test_a_disk_that_stays_bad_refuses_every_write_answers_reads_and_recovers(
    make_disk: MakeDisk, tmp_path: Path, fault: Fault, expected: tuple[int, str, str | None]
) -> None:
    disk = make_disk(tmp_path)

    @in_loop
    async def scenario() -> None:
        async with laboratory_in(tmp_path)() as lab:
            await Visit(lab, Person(0)).up_to_login()
            disk.fault = fault
            for _ in range(3):
                assert await refusals(lab, range(1, 51)) == {expected}
            await reads_go_on(lab, Person(0))
            assert len(await lab.export()) == 3
            disk.fault = no_fault
            assert await refusals(lab, range(1, 51)) == {(201, "", None)}
            stored = await lab.export()
        assert len({row["key"] for row in stored[:-1]}) == len(stored) - 1 == 52

    scenario()


def test_a_full_disk_under_the_pictures_refuses_pictures_only(make_disk: MakeDisk, tmp_path: Path) -> None:
    disk = make_disk(tmp_path)

    @in_loop
    async def scenario() -> None:
        async with laboratory_in(tmp_path)() as lab:
            visit = await Visit(lab, Person(0)).up_to_login()
            disk.fault = lambda call: disk_full(call) if call.path.endswith(".photos") else None
            refused = [await visit.photograph("ktp") for _ in range(3)]
            assert {(answer.status, answer.problem) for answer in refused} == {(507, "store-full")}
            assert (await visit.fill_in()).status == 200
            await reads_go_on(lab, Person(0))
            disk.fault = no_fault
            assert [(await visit.photograph(kind)).status for kind in ("ktp", "selfie")] == [201, 201]
            store = lab.registrar.store
            rows = store._connection.execute("SELECT position, size FROM photos ORDER BY kind").fetchall()
            read = [store._photos.read(position, size) for position, size in rows]
        assert read == [picture("ktp", Person(0)), picture("selfie", Person(0))]

    scenario()


HOLDER = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
print("let go", flush=True)
"""


@in_loop
async def test_a_store_locked_by_another_process_is_busy_reads_go_on_and_it_recovers(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await Visit(lab, Person(0)).up_to_login()
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(lab.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert await asyncio.to_thread(holder.stdout.readline) == "held\n"
            for _ in range(3):
                assert await refusals(lab, range(1, 51)) == {(503, "store-busy", "1")}
            await reads_go_on(lab, Person(0))
            holder.stdin.write("\n")
            holder.stdin.flush()
            assert await asyncio.to_thread(holder.stdout.readline) == "let go\n"
        assert await refusals(lab, range(1, 51)) == {(201, "", None)}
        assert len(await lab.export()) == 1 + 2 + 50


async def takes(lab: Lab, *, in_two: bool) -> int:
    """Import five people, in two requests if wanted, and return the status of the last answer."""
    people = [Person(index).import_line for index in range(5)]
    headers = {"import_password": "rahasia-negara"}
    if in_two:
        first = await lab.lines("import", people[:3], import_more="true", **headers)
        if first.status != 200:
            return first.status
        people = people[3:]
    return (await lab.lines("import", people, **headers)).status


@pytest.mark.parametrize("in_two", [False, True], ids=["indexes-kept", "indexes-built-anew"])
def test_an_io_error_at_any_call_of_an_import_leaves_all_of_it_or_nothing_as_answered(
    make_disk: MakeDisk, tmp_path: Path, in_two: bool
) -> None:
    disk = make_disk(tmp_path)

    async def imports(folder: Path, fault: Breakdown) -> int:
        async with laboratory_in(folder)() as lab:
            disk.fault = fault
            status = await takes(lab, in_two=in_two)
            disk.fault = no_fault
            assert (await lab.export())[-1]["imported"] == (5 if status == 200 else 0)
            assert status == 200 or await takes(lab, in_two=in_two) == 200
            assert (await Visit(lab, Person(9)).create()).status == 201
        connection = sqlite.open_writer(folder / "store.db")
        assert sqlite.first(connection.execute("PRAGMA integrity_check")) == ("ok",)
        connection.close()
        return status

    seen = set()
    for at in range(1, 10_000):
        fault = Breakdown(at)
        (tmp_path / str(at)).mkdir()
        seen.add(asyncio.run(imports(tmp_path / str(at), fault)))
        if not fault.has_come:
            break
    assert seen == {200, 503}
    assert at > 15


@in_loop
async def test_an_import_that_is_stored_is_not_refused_because_of_a_reader(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await Visit(lab, Person(9)).create()
        blocks = lab.registrar.store.export(0)
        assert next(blocks)  # holds its snapshot, so that the log cannot be emptied
        reader = sqlite.open_reader(lab.path)
        reader.execute("BEGIN")
        assert sqlite.first(reader.execute("SELECT count(*) FROM accounts")) == (1,)
        assert await takes(lab, in_two=False) == 200
        reader.close(True)
        assert (await lab.export())[-1]["imported"] == 5
