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

from prakerja_load.registrar.acceptor import Acceptor

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
