"""Group commit: nothing is acknowledged before its COMMIT, and what fails fails alone or together as it must."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from asgi import Laboratory, in_loop
from people import Person, Visit

from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.store import sqlite
from prakerja_load.registrar.store.photo_log import PhotoLog
from prakerja_load.registrar.store.writer import Transaction, Writer


class Groups:
    """Remembers the sizes of groups."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def group_committed(self, size: int, _seconds: float) -> None:
        self.sizes.append(size)


class Bench:
    """A writer on a table of numbers, and an eye that sees only what is committed."""

    def __init__(self, folder: Path) -> None:
        path = folder / "numbers.db"
        self.connection = sqlite.open_writer(path)
        self.connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
        self.photos = PhotoLog(folder / "numbers.photos")
        self.groups = Groups()
        self.writer = Writer(self.connection, self.photos, self.groups)
        self.eye = sqlite.open_reader(path)

    def seen(self) -> list[int]:
        rows: list[Any] = self.eye.execute("SELECT number FROM numbers ORDER BY number").fetchall()
        return [number for (number,) in rows]

    def insert(self, number: int) -> asyncio.Future[int]:
        def operation(transaction: Transaction) -> int:
            transaction.execute("INSERT INTO numbers VALUES (?)", (number,))
            return number

        return self.writer.submit(operation)

    async def settle(self, futures: list[asyncio.Future[Any]]) -> list[Any]:
        return await asyncio.gather(*futures, return_exceptions=True)

    async def close(self) -> None:
        await self.writer.close()
        self.eye.close()
        self.connection.close()
        self.photos.close()


@asynccontextmanager
async def bench_in(folder: Path) -> AsyncIterator[Bench]:
    bench = Bench(folder)
    try:
        yield bench
    finally:
        await bench.close()


@in_loop
async def test_a_future_resolves_only_after_its_commit(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        under_way, may_go_on = threading.Event(), threading.Event()

        def hold() -> bool:
            under_way.set()
            may_go_on.wait(10)
            return False

        bench.connection.set_commit_hook(hold)
        future = bench.insert(1)
        assert await asyncio.to_thread(under_way.wait, 10)
        assert not future.done()
        assert bench.seen() == []
        may_go_on.set()
        assert await future == 1
        assert bench.seen() == [1]
        bench.connection.set_commit_hook(None)


@in_loop
async def test_a_commit_that_fails_acknowledges_nobody(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        bench.connection.set_commit_hook(lambda: True)  # turns the COMMIT into a ROLLBACK
        answers = await bench.settle([bench.insert(number) for number in range(20)])
        assert {getattr(answer, "code", answer) for answer in answers} == {"store-unavailable"}
        bench.connection.set_commit_hook(None)
        assert bench.seen() == []
        assert await bench.insert(7) == 7
        assert bench.seen() == [7]


@in_loop
async def test_operations_submitted_together_share_a_commit(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        assert await bench.settle([bench.insert(number) for number in range(300)]) == list(range(300))
        assert bench.groups.sizes == [300]
        assert bench.writer.depth == 0


@in_loop
async def test_operations_that_come_during_a_commit_form_the_next_group(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        may_go_on, under_way = threading.Event(), threading.Event()

        def hold() -> bool:
            under_way.set()
            may_go_on.wait(10)
            return False

        bench.connection.set_commit_hook(hold)
        first = bench.insert(0)
        await asyncio.to_thread(under_way.wait, 10)
        later = [bench.insert(number) for number in range(1, 40)]
        assert bench.writer.depth == 40
        may_go_on.set()
        assert await bench.settle([first, *later]) == list(range(40))
        assert bench.groups.sizes == [1, 39]
        bench.connection.set_commit_hook(None)


@in_loop
async def test_no_more_wait_than_may_and_who_has_gone_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prakerja_load.registrar.store.writer._MOST_WAITING", 5)
    async with bench_in(tmp_path) as bench:
        may_go_on, under_way = threading.Event(), threading.Event()

        def hold() -> bool:
            under_way.set()
            return not may_go_on.wait(10)

        bench.connection.set_commit_hook(hold)
        first = bench.insert(0)
        await asyncio.to_thread(under_way.wait, 10)
        later = [bench.insert(number) for number in range(1, 8)]
        for gone in (first, later[0], later[3]):
            gone.cancel()
        may_go_on.set()
        answers = await bench.settle(later)
        refused = [getattr(answer, "code", answer) for answer in answers[5:]]
        assert refused == ["store-busy"] * 2
        assert [answer for answer in answers if isinstance(answer, int)] == [2, 3, 5]
        assert bench.seen() == [0, 2, 3, 5]  # the first had run
        assert bench.groups.sizes == [1, 3]
        bench.connection.set_commit_hook(None)


@in_loop
async def test_an_operation_that_fails_takes_only_itself_back(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:

        def half_done(transaction: Transaction) -> int:
            transaction.execute("INSERT INTO numbers VALUES (1000)")
            return 1 // 0

        futures: list[asyncio.Future[Any]] = [bench.insert(number) for number in range(5)]
        futures.append(bench.writer.submit(half_done))
        futures += [bench.insert(number) for number in (5, 3, 6)]  # 3 is there already
        answers = await bench.settle(futures)
        assert bench.seen() == list(range(7))
    assert [type(answer) for answer in answers] == [int] * 5 + [
        ZeroDivisionError,
        int,
        apsw.ConstraintError,
        int,
    ]


@in_loop
async def test_a_transaction_that_ended_by_itself_acknowledges_nobody(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        ended = bench.writer.submit(lambda transaction: transaction.execute("ROLLBACK") and None)
        answers = await bench.settle([bench.insert(1), ended])
        assert {getattr(answer, "code", answer) for answer in answers} == {"store-unavailable"}
        assert await bench.insert(2) == 2
        assert 2 in bench.seen()


@in_loop
async def test_a_refusal_is_an_answer_and_what_it_wrote_stays(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:

        def counted(transaction: Transaction) -> int:
            transaction.execute("INSERT INTO numbers VALUES (5)")
            raise RefusalError("wrong-code")

        with pytest.raises(RefusalError, match="wrong-code"):
            await bench.writer.submit(counted)
        assert bench.seen() == [5]


@in_loop
async def test_a_refusal_leaves_no_cycle_to_the_garbage_collector(tmp_path: Path) -> None:
    def operation(_transaction: Transaction) -> None:
        raise RefusalError("wrong-code")

    async with bench_in(tmp_path) as bench:
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                with pytest.raises(RefusalError):
                    await bench.writer.submit(operation)
            assert gc.collect() < 50  # there were fifteen objects for each
        finally:
            gc.enable()


@in_loop
async def test_a_full_store_fails_the_group_with_507_and_recovers(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        (pages,) = sqlite.first(bench.connection.execute("PRAGMA page_count"))
        bench.connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()

        def large(transaction: Transaction) -> int:
            transaction.execute("CREATE TABLE IF NOT EXISTS blobs (content BLOB)")
            transaction.execute("INSERT INTO blobs VALUES (zeroblob(100000))")
            return 0

        answers = await bench.settle([bench.insert(1), bench.writer.submit(large)])
        assert {getattr(answer, "code", answer) for answer in answers} == {"store-full"}
        assert bench.seen() == []
        assert await bench.insert(2) == 2


@in_loop
async def test_a_store_locked_by_another_process_is_busy_and_recovers(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        other = apsw.Connection(str(tmp_path / "numbers.db"))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RefusalError, match="store-busy") as busy:
            await bench.insert(1)
        assert busy.value.retry_after == 1
        other.execute("ROLLBACK")
        other.close()
        assert await bench.insert(1) == 1


@in_loop
async def test_pictures_are_on_disk_before_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench_in(tmp_path) as bench:
        order: list[str] = []
        real = bench.photos.flush

        def flush() -> None:
            order.append("pictures")
            real()

        monkeypatch.setattr(bench.photos, "flush", flush)

        def committing() -> bool:
            order.append("rows")
            return False

        bench.connection.set_commit_hook(committing)
        positions = await bench.settle([bench.writer.submit(lambda t: t.photos.add(b"abc")) for _ in range(3)])
        bench.connection.set_commit_hook(None)
        assert positions == [0, 3, 6]
        assert order[:2] == ["pictures", "rows"]
        assert bench.photos.read(3, 3) == b"abc"


@in_loop
async def test_pictures_of_a_failed_group_leave_no_gap(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        bench.connection.set_commit_hook(lambda: True)
        await bench.settle([bench.writer.submit(lambda t: (t.photos.add(b"lost"), t.execute("DELETE FROM numbers")))])
        bench.connection.set_commit_hook(None)
        first = await bench.writer.submit(lambda t: t.photos.add(b"kept"))
        second = await bench.writer.submit(lambda t: t.photos.add(b"next"))
        assert bench.photos.read(first, 4) + bench.photos.read(second, 4) == b"keptnext"


@in_loop
async def test_an_owner_waits_for_the_group_under_way_and_others_are_told_to_come_back(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        future = bench.insert(1)
        connection = await bench.writer.acquire()
        assert future.done()
        assert not connection.in_transaction
        for refused in (bench.insert(2), asyncio.ensure_future(bench.writer.acquire())):
            with pytest.raises(RefusalError, match="store-busy"):
                await refused
        bench.writer.release()
        assert await bench.insert(3) == 3
        assert bench.seen() == [1, 3]


@in_loop
async def test_a_registrar_whose_commit_fails_answers_503_and_stores_nothing(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        connection = lab.registrar.store._connection
        connection.set_commit_hook(lambda: True)
        answers = await asyncio.gather(*(Visit(lab, Person(index)).create() for index in range(10)))
        connection.set_commit_hook(None)
        rows = await lab.export()
        again = [await Visit(lab, Person(index)).create() for index in range(10)]
    assert {(answer.status, answer.problem) for answer in answers} == {(503, "store-unavailable")}
    assert {answer.headers["retry-after"] for answer in answers} == {"5"}
    assert len(rows) == 1
    assert {answer.status for answer in again} == {201}
    assert all("idempotency-replayed" not in answer.headers for answer in again)
