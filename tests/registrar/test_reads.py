"""Questions beside writes: what is answered is durable, and whoever asks alone waits for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import apsw
import pytest
from asgi import Lab, Laboratory, in_loop
from people import Person, Visit

from prakerja_load.registrar.store.lookups import Lookups


class HeldCommit:
    """Keeps the COMMIT under way from returning until it is let go, and may have it fail then."""

    def __init__(self) -> None:
        self.is_under_way = threading.Event()
        self._may_go_on = threading.Event()
        self._fails = False

    def __call__(self) -> bool:
        self.is_under_way.set()
        self._may_go_on.wait(10)
        return self._fails

    def let_go(self, *, fails: bool) -> None:
        self._fails = fails
        self._may_go_on.set()


def hold_commits(lab: Lab) -> HeldCommit:
    commit = HeldCommit()
    lab.registrar.store.writer._transaction.connection.set_commit_hook(commit)
    return commit


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0)


@in_loop
async def test_a_question_asked_alone_opens_no_group(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        store = lab.registrar.store
        await Visit(lab, Person(1)).create()
        before = store.writer.commits
        assert await store.read(Lookups.code_sent_to, Person(1).email) is not None
        assert store.writer.commits == before


@in_loop
async def test_an_answer_that_rests_on_a_group_is_given_when_the_group_is_durable(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        store = lab.registrar.store
        commit = hold_commits(lab)
        write = asyncio.ensure_future(Visit(lab, Person(1)).create())
        await until(lambda: store.writer._is_open)
        question = asyncio.ensure_future(store.read(Lookups.code_sent_to, Person(1).email))
        assert await asyncio.to_thread(commit.is_under_way.wait, 10)
        assert not question.done()
        commit.let_go(fails=False)
        assert await question is not None
        assert (await write).status == 201


@in_loop
async def test_an_answer_that_rests_on_a_group_which_failed_is_of_what_was_committed(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        store = lab.registrar.store
        await Visit(lab, Person(1)).create()
        commit = hold_commits(lab)
        write = asyncio.ensure_future(Visit(lab, Person(2)).create())
        await until(lambda: store.writer._is_open)
        known, unknown = (asyncio.ensure_future(store.read(Lookups.code_sent_to, Person(who).email)) for who in (1, 2))
        commit.let_go(fails=True)
        assert (await write).status == 503
        assert await known is not None
        assert await unknown is None


@in_loop
async def test_who_asks_while_a_commit_takes_long_is_not_kept_waiting(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        store = lab.registrar.store
        await Visit(lab, Person(1)).create()
        commit = hold_commits(lab)
        write = asyncio.ensure_future(Visit(lab, Person(2)).create())
        assert await asyncio.to_thread(commit.is_under_way.wait, 10)
        await until(lambda: not store.writer.is_busy)
        known, unknown = [await store.read(Lookups.code_sent_to, Person(who).email) for who in (1, 2)]
        assert (known is None, unknown, write.done()) == (False, None, False)
        commit.let_go(fails=False)
        assert (await write).status == 201


@in_loop
async def test_questions_do_not_count_as_writes_of_a_group(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        store = lab.registrar.store
        write = asyncio.ensure_future(Visit(lab, Person(1)).create())
        await until(lambda: store.writer._is_open)
        questions = [store.writer.ask(lambda _: store.writer.depth) for _ in range(30)]
        await asyncio.gather(write, *questions)
        assert store.writer._last_size == 1


@in_loop
async def test_who_asks_during_a_commit_is_answered_by_its_end(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        store = lab.registrar.store
        commit = hold_commits(lab)
        write = asyncio.ensure_future(Visit(lab, Person(1)).create())
        assert await asyncio.to_thread(commit.is_under_way.wait, 10)
        before = store.writer.commits
        question = store.writer.ask(lambda _: Lookups(store.writer.rows).code_sent_to(Person(1).email))
        failing = store.writer.ask(lambda _: store.writer.rows("SELECT 1 FROM nowhere"))
        commit.let_go(fails=False)
        assert await question is not None
        with pytest.raises(apsw.SQLError, match="no such table"):
            await failing
        assert store.writer.commits == before + 1
        assert (await write).status == 201


@in_loop
async def test_the_page_of_the_wave_waits_for_no_group(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        store = lab.registrar.store
        commit = hold_commits(lab)
        write = asyncio.ensure_future(Visit(lab, Person(1)).create())
        assert await asyncio.to_thread(commit.is_under_way.wait, 10)
        assert (await store.read(Lookups.wave_page, lab.registrar.now())).joined == 0
        assert not write.done()
        commit.let_go(fails=False)
        assert (await write).status == 201


@in_loop
async def test_a_question_is_answered_while_an_import_has_the_writer(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        store = lab.registrar.store
        await Visit(lab, Person(1)).create()
        await store.writer.acquire()
        assert await store.read(Lookups.code_sent_to, Person(1).email) is not None
        store.writer.release()
