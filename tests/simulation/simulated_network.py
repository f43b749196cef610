"""Connections in memory: bytes arrive in order, later, in pieces, or not at all."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from virtual_loop import Host, VirtualLoop

END = "end"  # the other side closed
RESET = "reset"  # the other side, or something between, broke the connection


class Pipe:
    """One direction: what is put in comes out in order, each thing after a delay of its own."""

    def __init__(self, loop: VirtualLoop, delay: Callable[[], float], deliver: Callable[[Any], None]) -> None:
        self._loop, self._delay, self._deliver = loop, delay, deliver
        self._things: deque[Any] = deque()
        self._latest = 0.0

    def put(self, thing: Any) -> None:
        self._things.append(thing)
        self._latest = max(self._loop.time() + self._delay(), self._latest)
        self._loop.call_at(self._latest, self._out)

    def _out(self) -> None:
        self._deliver(self._things.popleft())


class Network:
    """Delays and pieces drawn from one stream; `refused` is the share of connections that nobody accepts."""

    def __init__(self, loop: VirtualLoop, random: Random, accept: Callable[[Call], Any], refused: float = 0.0) -> None:
        self.loop, self._random, self._accept, self._refused = loop, random, accept, refused
        self._base = random.uniform(0.0001, 0.005)
        self._sliced = random.choice([0.0, 0.0, 0.3])
        self.is_down: Callable[[], bool] = lambda: False

    def delay(self) -> float:
        return self._base * (0.5 + self._random.random())

    def connect(self, host: Host, factory: Callable[[], Any], made: asyncio.Future[Any]) -> None:
        host.call_later(2 * self.delay(), self._establish, host, factory, made)

    def _establish(self, host: Host, factory: Callable[[], Any], made: asyncio.Future[Any]) -> None:
        if made.done():
            return
        if self.is_down() or self._random.random() < self._refused:
            made.set_exception(ConnectionRefusedError("nobody listens"))
            return
        call = Call(self, host, factory())
        call.protocol.connection_made(call)
        made.set_result((call, call.protocol))

    def pieces(self, content: bytes) -> list[bytes]:
        """Return the content as it comes out of a socket: whole, or cut where it pleases the network."""
        if self._random.random() >= self._sliced or len(content) < 3:
            return [content]
        cuts = sorted({0, len(content), *(self._random.randrange(1, len(content)) for _ in range(2))})
        return [content[a:b] for a, b in itertools.pairwise(cuts)]

    def accepted(self, call: Call) -> Any:
        return self._accept(call)


class Call(asyncio.Transport):
    """One connection: a transport towards the client, `answer`, `end` and `reset` towards the system."""

    def __init__(self, network: Network, host: Host, protocol: Any) -> None:
        super().__init__()
        self.protocol = protocol
        self._network, self._host, self._is_closing = network, host, False
        self._system = network.accepted(self)
        self._out = Pipe(network.loop, network.delay, self._at_system)
        self._in = Pipe(network.loop, network.delay, lambda thing: host.call_soon(self._at_client, thing))

    # the client's side

    def write(self, data: Any) -> None:
        if not self._is_closing:
            self._out.put(bytes(data))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._leave(None, END)

    def abort(self) -> None:
        self._leave(None, RESET)

    def _leave(self, error: Exception | None, word: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._out.put(word)
            self._host.call_soon(self.protocol.connection_lost, error)

    def _at_client(self, thing: Any) -> None:
        if self._is_closing:
            return
        if isinstance(thing, tuple):
            piece, told = thing
            self.protocol.data_received(piece)
            told()
        elif thing == RESET:
            self._leave(ConnectionResetError("reset by peer"), RESET)
        elif thing == END:
            self.protocol.eof_received()
            self._leave(None, END)
        else:
            self.protocol.data_received(thing)

    # the system's side

    def _at_system(self, thing: Any) -> None:
        if thing in (END, RESET):
            self._system.hung_up()
        else:
            self._system.heard(thing)

    def answer(self, content: bytes, told: Callable[[], None] | None = None) -> None:
        """Send an answer; `told` is called at the moment at which the last of it has reached a client that listens."""
        *pieces, last = self._network.pieces(content)
        for piece in pieces:
            self._in.put(piece)
        self._in.put(last if told is None else (last, told))

    def end(self) -> None:
        self._in.put(END)

    def reset(self) -> None:
        self._in.put(RESET)
