"""A target whose every response time is known: slots, first come first served, service time f(seed, index).

    python -m prakerja_load.calibration.server --service exponential --mean 0.02 --slots 8

GET /serve/I asks for the service of request I, GET /serve for the next in line. The answer leaves at the first moment
not before its time is over, and says when it came, was begun and ended (ns of CLOCK_MONOTONIC). `--null` answers at
once whatever comes, to find out how much a generator can offer. Prints {"event": "ready", "url": …} and, when it stood
still, {"event": "stalled", "begin": …, "end": …}. SIGTERM ends it, after it has written its stamps to `--stamps`.

One thread and no library: `select` waits to the microsecond where epoll alone would round up to the next millisecond.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from time import monotonic_ns

from prakerja_load.calibration import wire
from prakerja_load.calibration.desk import Desk
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.slots import Slots
from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

BACKLOG = 4096
_BURST = 256  # connections taken in before answers get their turn
_LONGEST_WAIT: Seconds = 0.2  # until SIGTERM is noticed
_AT_ONCE = 65_536  # bytes


class Server:
    """Connections around a desk, or without one: then every request is answered at once."""

    def __init__(self, listener: socket.socket, desk: Desk | None, stall: tuple[Seconds, Seconds] | None) -> None:
        self._listener, self._desk, self._stall = listener, desk, stall
        self._open: dict[int, socket.socket] = {}
        self._parts: dict[int, bytes] = {}
        self._stall_at: Nanoseconds | None = None
        self._poll = select.epoll()
        self._poll.register(listener.fileno(), select.EPOLLIN)
        self.is_stopped = False

    def run(self) -> None:
        """Serve until `is_stopped`."""
        while not self.is_stopped:
            self._wait()
            for descriptor, _ in self._poll.poll(0):
                if descriptor == self._listener.fileno():
                    self._accept()
                elif self._desk is None:
                    self._echo(self._open[descriptor])
                else:
                    self._read(self._open[descriptor], self._desk)
            if self._desk is not None:
                while (left := self._desk.leave(monotonic_ns())) is not None:
                    self._send(*left)
            self._stand_still()

    def _wait(self) -> None:
        due = self._desk.next_due if self._desk is not None else None
        if self._stall_at is not None:
            due = self._stall_at if due is None else min(due, self._stall_at)
        wait = _LONGEST_WAIT if due is None else min(_LONGEST_WAIT, max(0, due - monotonic_ns()) / SECOND_NS)
        select.select([self._poll.fileno()], [], [], wait)

    def _accept(self) -> None:
        for _ in range(_BURST):
            try:
                connection, _address = self._listener.accept()
            except OSError:  # nobody left in the queue, or the newcomer has gone again
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open[connection.fileno()] = connection
            self._poll.register(connection.fileno(), select.EPOLLIN)

    def _receive(self, connection: socket.socket) -> bytes:
        """Return what has come, b"" after closing a connection that its client has closed."""
        try:
            data = connection.recv(_AT_ONCE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._close(connection)
        return data

    def _echo(self, connection: socket.socket) -> None:
        """Answer as many requests without a body as have come."""
        if data := self._receive(connection):
            self._send(connection, wire.NOTHING * data.count(b"\r\n\r\n"))

    def _read(self, connection: socket.socket, desk: Desk) -> None:
        data = self._receive(connection)
        if not data:
            return
        arrival, number = monotonic_ns(), connection.fileno()
        try:
            asked, self._parts[number] = wire.split(self._parts.get(number, b"") + data)
        except ValueError:
            self._close(connection)
            return
        for index in asked:
            if index is None:
                self._send(connection, wire.ABSENT)
            elif not desk.take(index, connection, arrival):
                self._send(connection, wire.REFUSAL)
            elif self._stall is not None and self._stall_at is None:
                self._stall_at = arrival + round(self._stall[0] * SECOND_NS)

    def _send(self, connection: socket.socket, data: bytes) -> None:
        try:
            is_whole = connection.send(data) == len(data)
        except OSError:  # its client has gone
            is_whole = False
        if not is_whole:  # a client that does not read its answers is not waited for
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        self._open.pop(connection.fileno(), None)
        self._parts.pop(connection.fileno(), None)
        connection.close()

    def _stand_still(self) -> None:
        """Stand still as a frozen process does, once."""
        if self._stall is None or self._stall_at is None or monotonic_ns() < self._stall_at:
            return
        length, self._stall = self._stall[1], None
        begin = monotonic_ns()
        self._stall_at = None
        time.sleep(length)
        say("stalled", begin=begin, end=monotonic_ns())


def say(event: str, **facts: object) -> None:
    """Print one event as a line of JSON."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run the server and return its exit code."""
    options = _parser().parse_args(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = socket.create_server(("127.0.0.1", options.port), backlog=BACKLOG)
    listener.setblocking(False)
    slots = Slots(options.slots, has_queue=not options.no_queue)
    desk = None if options.null else Desk(ServiceLaw(options.service, options.mean, options.seed), slots)
    stall = None if options.stall_for is None else (options.stall_at, options.stall_for)
    server = Server(listener, desk, stall)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "is_stopped", True))
    gc.disable()  # nothing here refers to itself, and a pause would be taken for service
    say("ready", url=f"http://127.0.0.1:{listener.getsockname()[1]}", pid=os.getpid())
    server.run()
    if options.stamps is not None and desk is not None:
        with options.stamps.open("wb") as file:
            desk.stamps.tofile(file)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="prakerja_load.calibration.server")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 picks a free one")
    parser.add_argument("--service", choices=("constant", "exponential"), default="constant")
    parser.add_argument("--mean", type=float, default=0.005, help="mean service time in seconds")
    parser.add_argument("--seed", type=int, default=1, help="of the service times")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--no-queue", action="store_true", help="503 with Retry-After when no slot is free")
    parser.add_argument("--stall-at", type=float, default=5.0, help="seconds after the first request")
    parser.add_argument("--stall-for", type=float, help="seconds; default: never")
    parser.add_argument("--null", action="store_true", help="answer everything at once")
    parser.add_argument("--stamps", type=Path, help="file for the stamps of every request")
    return parser


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
