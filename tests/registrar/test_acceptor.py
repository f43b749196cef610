"""Connections are taken as they come, many in a turn of the loop, and none is lost when files run out."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop
from asgi import Laboratory, in_loop, until
from wire import Wire

from prakerja_load.registrar.acceptor import Acceptor
from prakerja_load.registrar.app import App
from prakerja_load.registrar.site import Site

BURST = 200
RUNNERS = [asyncio.run, uvloop.run]


class Guests:
    """Counts connections and keeps them open."""

    def __init__(self) -> None:
        self.transports: list[asyncio.BaseTransport] = []

    def protocol(self) -> asyncio.Protocol:
        guests = self

        class Guest(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                guests.transports.append(transport)

        return Guest()

    def leave(self) -> None:
        for transport in self.transports:
            transport.close()


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        listener.setblocking(False)
        yield listener


@contextmanager
def callers(listener: socket.socket, count: int) -> Iterator[None]:
    made = [socket.create_connection(listener.getsockname()) for _ in range(count)]
    try:
        yield
    finally:
        for connection in made:
            connection.close()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("run", RUNNERS, ids=["asyncio", "uvloop"])
def test_a_burst_is_accepted_within_a_few_turns_of_the_loop(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def scenario() -> None:
        guests = Guests()
        with listening() as listener, callers(listener, BURST):
            acceptor = Acceptor(listener, guests.protocol)
            acceptor.start()
            await turns(12)
            assert len(guests.transports) == BURST
            acceptor.stop()
            guests.leave()
            await turns(3)

    run(scenario())


def test_nobody_is_let_in_after_the_stop() -> None:
    async def scenario() -> None:
        guests = Guests()
        with listening() as listener:
            acceptor = Acceptor(listener, guests.protocol)
            acceptor.start()
            address = listener.getsockname()
            acceptor.stop()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            await turns(3)
            assert not guests.transports

    uvloop.run(scenario())


def test_beyond_the_room_newcomers_wait_until_somebody_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prakerja_load.registrar.acceptor._PAUSE", 0.01)

    async def scenario() -> None:
        guests = Guests()
        left = 0
        with listening() as listener, callers(listener, 5):
            acceptor = Acceptor(listener, guests.protocol, lambda: 3 + left - len(guests.transports))
            acceptor.start()
            async with asyncio.timeout(10):
                while len(guests.transports) < 3:
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)  # several tries
            assert len(guests.transports) == 3
            left = 1
            async with asyncio.timeout(10):
                while len(guests.transports) < 4:
                    await asyncio.sleep(0.005)
            acceptor.stop()
            guests.leave()
            await turns(3)

    uvloop.run(scenario())


@in_loop
async def test_beyond_the_room_the_quietest_goes_for_a_newcomer_and_nobody_who_was_heard_of_lately(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prakerja_load.registrar.acceptor._PAUSE", 0.01)
    monkeypatch.setattr("prakerja_load.registrar.site.SWEEP", 0.02)

    async with laboratory() as lab, asyncio.timeout(20):
        site = Site(App(lab.registrar), read_timeout=20, keep_alive=300)

        async def sweeps(count: int) -> None:
            for _ in range(count):
                seen = site.now
                while site.now == seen:
                    await asyncio.sleep(0.005)

        with listening() as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            acceptor = Acceptor(listener, site.connect, lambda: 3 - len(site.connections), site.make_room)
            acceptor.start()
            quietest, silent, busy = [await Wire.open(url) for _ in range(3)]
            await until(lambda: len(site.connections) == 3)
            newcomer = await Wire.open(url)
            await sweeps(2)
            for wire in (silent, busy):
                assert (await wire.send("GET", "/api/v1/waves/current")).status == 200
            answer = asyncio.ensure_future(newcomer.send("GET", "/api/v1/waves/current"))
            await sweeps(10)
            assert len(site.connections) == 3
            assert not answer.done()
            monkeypatch.setattr("prakerja_load.registrar.site.QUIET", 0.1)
            assert (await answer).status == 200
            assert await quietest.is_closed()
            for wire in (silent, busy):
                assert (await wire.send("GET", "/api/v1/waves/current")).status == 200
            acceptor.stop()
            await site.close(0)
            for wire in (quietest, silent, busy, newcomer):
                await wire.close()


def test_without_a_free_file_the_acceptor_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prakerja_load.registrar.acceptor._PAUSE", 0.01)

    async def scenario() -> None:
        guests = Guests()
        with listening() as listener, callers(listener, 5):
            acceptor = Acceptor(listener, guests.protocol)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (listener.fileno(), hard))
            try:
                acceptor.start()
                await turns(10)
                assert not guests.transports
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            async with asyncio.timeout(10):
                while len(guests.transports) < 5:
                    await asyncio.sleep(0.005)
            acceptor.stop()
            guests.leave()
            await turns(3)

    uvloop.run(scenario())
