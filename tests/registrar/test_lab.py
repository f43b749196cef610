"""The end of an import: committed or undone, and the journeys write again, whatever comes in between."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from asgi import Lab, Laboratory, in_loop
from people import Person, Visit

from prakerja_load.registrar.store.loader import EmbeddedLoader
from prakerja_load.registrar.store.lookups import Lookups

PASSWORD = {"import_password": "rahasia-bersama"}


async def send(lab: Lab, count: int, **headers: str) -> int:
    answer = await lab.lines("import", [Person(index).import_line for index in range(count)], **PASSWORD, **headers)
    return answer.status


async def accounts(lab: Lab) -> int:
    ((count,),) = await lab.registrar.store.read(Lookups.all, "SELECT count(*) FROM accounts")
    return int(count)


class Gate:
    """Holds a commit in its thread until it is opened; then commits, or fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.given_up: list[bool] = []  # whether the gate was open by then
        commit, give_up = EmbeddedLoader.commit, EmbeddedLoader.give_up

        def held(loader: EmbeddedLoader, number: int, count: int) -> None:
            self.reached.set()
            assert self.opened.wait(20)
            if fails:
                raise OSError("no disk")
            commit(loader, number, count)

        def noted(loader: EmbeddedLoader) -> None:
            self.given_up.append(self.opened.is_set())
            give_up(loader)

        monkeypatch.setattr(EmbeddedLoader, "commit", held)
        monkeypatch.setattr(EmbeddedLoader, "give_up", noted)


@pytest.mark.parametrize("fails", [False, True], ids=["commits", "fails"])
def test_a_commit_whose_request_is_cancelled_is_seen_through(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    gate = Gate(monkeypatch, fails=fails)

    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            importing = asyncio.create_task(send(lab, 3))
            assert await asyncio.to_thread(gate.reached.wait, 20)
            for _ in range(3):
                importing.cancel()
                await asyncio.sleep(0)
            busy = await Visit(lab, Person(900)).create()
            gate.opened.set()
            with pytest.raises(asyncio.CancelledError):
                await importing
            assert busy.problem == "store-busy"
            assert await accounts(lab) == (0 if fails else 3)
            assert (await Visit(lab, Person(900)).create()).status == 201

    scenario()
    assert gate.given_up == [True]


@in_loop
async def test_journeys_write_again_even_when_an_import_cannot_be_undone(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        with pytest.MonkeyPatch.context() as monkeypatch:
            give_up = EmbeddedLoader.give_up

            def undone_and_failed(loader: EmbeddedLoader) -> None:
                give_up(loader)
                raise OSError("no disk")

            monkeypatch.setattr(EmbeddedLoader, "give_up", undone_and_failed)
            answer = await lab.lab("POST", "import", b"{\n", **PASSWORD)
        assert (answer.status, answer.problem) == (503, "store-unavailable")
        assert (await Visit(lab, Person(1)).create()).status == 201


@in_loop
async def test_an_import_whose_commit_fails_leaves_nothing_and_says_so(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(EmbeddedLoader, "commit", lambda *_: json.loads("{"))
            assert await send(lab, 3) == 500
        assert await accounts(lab) == 0
        assert await send(lab, 3) == 200
        assert await accounts(lab) == 3
