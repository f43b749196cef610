"""A worker's end of Locust's messaging: orders in, reports out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import gevent
import msgspec
from locust.env import Environment
from locust.rpc import Message
from locust.runners import WorkerRunner

from prakerja_load.driver.address import Address
from prakerja_load.driver.build import this_build
from prakerja_load.driver.message import KIND, Join, Order, Over, Place, Report, Stop, pack, unpack_order
from prakerja_load.errors import HarnessError
from prakerja_load.units import Seconds

_LINGER = 1000  # milliseconds for the last messages to leave
_JOIN_EVERY: Seconds = 0.5


class Link:
    """One connection to a controller; whoever is to hear its orders sets `listen`."""

    def __init__(self, controller: Address, wait: Seconds) -> None:
        self.environment = Environment()
        self.listen: Callable[[object], None] = lambda _: None
        self._runner = self._connect(controller, wait)
        self._runner.register_message(KIND, self._hear)

    def say(self, report: Report) -> None:
        """Send a report; raises Locust's RPCError when the connection does not take it."""
        self._runner.send_message(KIND, pack(report))

    def say_statistics(self) -> None:
        """Send what Locust's own statistics have gathered since their last report."""
        self._runner._send_stats()

    def close(self) -> None:
        """Let the last messages leave, and end the connection."""
        self._runner.client.socket.close(_LINGER)

    def _connect(self, controller: Address, wait: Seconds) -> WorkerRunner:
        end = time.monotonic() + wait
        while (left := end - time.monotonic()) > 0:
            try:
                with gevent.Timeout(left):
                    return self.environment.create_worker_runner(controller.host, controller.port)
            except gevent.Timeout:
                break
            except ConnectionError:  # Locust gives up after five minutes
                continue
        raise HarnessError(f"no controller at {controller} within {wait:g} s")

    def _hear(self, msg: Message, **_: Any) -> None:
        self.listen(msg.data)


def find_place(link: Link, host: str, wait: Seconds) -> Place | None:
    """Ask for a place until there is one and return it; None when no ramp follows.

    Raises HarnessError when the controller wants none of this worker, or has had no place for it for `wait` seconds.
    """
    answers: list[Order] = []

    def listen(packed: object) -> None:
        try:
            answers.append(unpack_order(packed))
        except msgspec.ValidationError:
            return

    link.listen = listen
    end = time.monotonic() + wait
    while time.monotonic() < end:
        for answer in answers:
            match answer:
                case Place():
                    return answer
                case Over():
                    return None
                case Stop(run="", reason=reason):
                    raise HarnessError(reason)
        answers.clear()
        link.say(Join(host, os.getpid(), this_build()))
        gevent.sleep(_JOIN_EVERY)
    raise HarnessError(f"the controller had no place for this worker within {wait:g} s")
