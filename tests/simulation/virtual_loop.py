"""An event loop in virtual time: waiting moves the clock, so a run of minutes takes what its callbacks take."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any

from prakerja_load.clock import VirtualClock
from prakerja_load.units import SECOND_NS


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's own scheduling over a clock that jumps to the next callback; there are no files and no threads."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self._clock_resolution = 1e-9
        self._selector = _Jump(clock)

    def time(self) -> float:
        return self.clock.now_ns() / SECOND_NS

    def _process_events(self, events: list[Any]) -> None:
        assert not events

    def _write_to_self(self) -> None:
        """Wake nobody: every callback comes from the loop's own thread."""


class _Jump:
    """Stands where a loop's selector does."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("the simulation stands still: somebody waits for what will never come")
        if timeout > 0:
            self._clock.advance(math.ceil(timeout * SECOND_NS))
        return []


class Call:
    """One callback of a host; cancelling it works until it has run, also while its host is frozen."""

    __slots__ = ("arguments", "callback", "handle", "host", "is_cancelled")

    def __init__(self, host: Host, callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.host, self.callback, self.arguments, self.is_cancelled = host, callback, arguments, False
        self.handle: asyncio.Handle | None = None

    def cancel(self) -> None:
        self.is_cancelled = True
        if self.handle is not None:
            self.handle.cancel()

    def __call__(self) -> None:
        self.host.take(self)


class Host:
    """One process of the simulation: as much of a loop as a driver asks for, which can be frozen and can die.

    What a frozen process was to do happens in order when it is let go; what a dead one was to do never happens.
    """

    def __init__(self, loop: VirtualLoop, connect: Callable[..., Any] | None = None) -> None:
        self._loop, self._connect = loop, connect
        self._thaw_at = -math.inf
        self._waiting: deque[Call] = deque()
        self._handler: Callable[..., None] | None = None
        self.is_dead = False

    def die(self) -> None:
        self.is_dead = True

    def freeze(self, seconds: float) -> None:
        self._thaw_at = self._loop.time() + seconds
        self._loop.call_at(self._thaw_at, self._thaw)

    def _thaw(self) -> None:
        self._thaw_at = -math.inf
        while self._waiting and self._thaw_at < self._loop.time():
            self.take(self._waiting.popleft())

    def take(self, call: Call) -> None:
        if self.is_dead or call.is_cancelled:
            return
        if self._loop.time() < self._thaw_at:
            self._waiting.append(call)
            return
        try:
            call.callback(*call.arguments)
        except Exception as fault:
            context = {"message": "a callback raised", "exception": fault}
            if self._handler is None:
                self.default_exception_handler(context)
            else:
                self._handler(self, context)

    # what a driver asks of its loop

    def time(self) -> float:
        return self._loop.time()

    def call_soon(self, callback: Callable[..., Any], *arguments: Any) -> Call:
        call = Call(self, callback, arguments)
        call.handle = self._loop.call_soon(call)
        return call

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., Any], *arguments: Any) -> Call:
        call = Call(self, callback, arguments)
        call.handle = self._loop.call_later(delay, call)
        return call

    def call_at(self, when: float, callback: Callable[..., Any], *arguments: Any) -> Call:
        return self.call_later(when - self.time(), callback, *arguments)

    def create_future(self) -> asyncio.Future[Any]:
        return self._loop.create_future()

    def create_task(self, coroutine: Any) -> asyncio.Task[Any]:
        return self._loop.create_task(coroutine)

    async def create_connection(self, factory: Callable[[], Any], *_: Any, **__: Any) -> Any:
        assert self._connect is not None
        made = self._loop.create_future()
        self._connect(self, factory, made)
        return await made

    def set_exception_handler(self, handler: Callable[..., None]) -> None:
        self._handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self._loop.call_exception_handler(context)

    def is_closed(self) -> bool:
        return self.is_dead
