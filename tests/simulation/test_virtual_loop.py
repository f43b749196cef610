"""Time that jumps is still time: things happen when they are due, in order, and not at all to the dead."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from simulated_network import Network
from virtual_loop import Host, VirtualLoop

from prakerja_load.clock import VirtualClock


@pytest.fixture
def loop() -> Any:
    made = VirtualLoop(VirtualClock())
    yield made
    made.close()


def let_pass(loop: VirtualLoop, seconds: float) -> None:
    loop.run_until_complete(asyncio.sleep(seconds))


def test_an_hour_passes_in_no_time_and_to_the_nanosecond(loop: VirtualLoop) -> None:
    seen: list[float] = []
    for delay in (3600.0, 0.5, 7.25):
        loop.call_later(delay, lambda: seen.append(loop.time()))
    let_pass(loop, 3600.1)

    assert seen == pytest.approx([0.5, 7.25, 3600.0], abs=3e-9)


def test_nothing_left_to_do_is_an_error_and_no_endless_wait(loop: VirtualLoop) -> None:
    with pytest.raises(RuntimeError, match="stands still"):
        loop.run_until_complete(loop.create_future())


def test_a_frozen_host_catches_up_in_order(loop: VirtualLoop) -> None:
    host, seen = Host(loop), []
    host.call_later(1.0, lambda: host.freeze(5.0))
    for delay in (0.5, 2.0, 3.0, 7.0):
        host.call_later(delay, lambda delay=delay: seen.append((delay, round(loop.time(), 6))))
    let_pass(loop, 10)

    assert seen == [(0.5, 0.5), (2.0, 6.0), (3.0, 6.0), (7.0, 7.0)]


def test_what_was_cancelled_during_the_frost_does_not_happen_after_it(loop: VirtualLoop) -> None:
    host, seen = Host(loop), []
    host.freeze(5.0)
    second = host.call_later(2.0, lambda: seen.append("cancelled"))
    host.call_later(1.0, second.cancel)
    let_pass(loop, 10)

    assert seen == []


def test_a_dead_host_does_nothing_more(loop: VirtualLoop) -> None:
    host, seen = Host(loop), []
    host.call_later(1.0, lambda: seen.append("alive"))
    host.call_later(3.0, lambda: seen.append("undead"))
    loop.call_later(2.0, host.die)
    let_pass(loop, 10)

    assert seen == ["alive"]


class Echo:
    """A system that says everything back and then hangs up."""

    def __init__(self, call: Any) -> None:
        self.call = call

    def heard(self, data: bytes) -> None:
        self.call.answer(data)
        self.call.end()

    def hung_up(self) -> None:
        pass


class Listener(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.end: list[Exception | None] = []

    def connection_made(self, transport: Any) -> None:
        transport.write(b"one")
        transport.write(b"two")

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.end.append(error)


@pytest.mark.parametrize("seed", range(6))
def test_a_connection_delivers_in_order_and_ends_once(loop: VirtualLoop, seed: int) -> None:
    network = Network(loop, Random(seed), Echo)
    host = Host(loop, network.connect)
    _, listener = loop.run_until_complete(host.create_connection(Listener, "127.0.0.1", 1))
    let_pass(loop, 1)

    assert b"".join(listener.heard) == b"one"  # the end overtakes what was not said before it
    assert listener.end == [None]


def test_a_connection_may_be_refused(loop: VirtualLoop) -> None:
    network = Network(loop, Random(1), Echo, refused=1.0)

    with pytest.raises(ConnectionRefusedError):
        loop.run_until_complete(Host(loop, network.connect).create_connection(Listener, "127.0.0.1", 1))
