"""The networks of registrants: bandwidth and latency between each one and the target, drawn from the seed.

A link is applied to the bytes of a connection, in both directions, on the generator's side: a request leaves piece by
piece as fast as the link lets it, so that the target waits for a slow upload as it would for a citizen's, and an answer
arrives when its last byte would have. Against an open connection a request takes longer by

    latency + bytes sent / up + bytes received / down,

the first by one more latency for TCP's handshake and another for TLS's. Packets are not lost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from prakerja_load import seeds
from prakerja_load.driver.agenda import Agenda
from prakerja_load.driver.connection import Connection
from prakerja_load.units import SECOND_NS, Nanoseconds, PerSecond, Seconds

if TYPE_CHECKING:
    import asyncio

    from prakerja_load.driver.client import Client, Line

_SEGMENT = 1_460  # bytes of a TCP segment on Ethernet: no piece is smaller
_PIECES: PerSecond = 100.0  # at most so many pieces a second
_WINDOW = 256 * 1024  # bytes that may wait to be delivered before the target is no longer read from

Shares: TypeAlias = Sequence[tuple[float, "Link"]]


class Link(NamedTuple):
    """One registrant's network; bandwidths in bytes/s."""

    down: float
    up: float
    latency: Seconds  # there and back


class Network:
    """The links of a population: who has which is a function of (seed, arrival index)."""

    def __init__(self, shares: Shares, seed: int, agenda: Agenda) -> None:
        self._links = [link for _, link in shares]
        self._bounds = list(accumulate(share for share, _ in shares))[:-1]
        self._stream = seeds.key(seed, "network")
        self._agenda = agenda

    def link_of(self, index: int) -> Link:
        """Return the link of one arrival."""
        return self._links[bisect_right(self._bounds, seeds.unit(self._stream, index))]

    def connection(self, client: Client, line: Line) -> Connection:
        """Return the connection of a line over its registrant's link, not open yet."""
        return LinkedConnection(client, line, self.link_of(line.index), self._agenda)


@dataclass(slots=True)
class _Ending:
    """How the connection ended, to be told after what had arrived before."""

    error: Exception | None
    transport: asyncio.Transport | None


class LinkedConnection(Connection):
    """A connection whose bytes take as long as its link needs; what a timer is late is made good on the way back."""

    __slots__ = (
        "_agenda",
        "_arriving",
        "_backlog",
        "_ending",
        "_free_down",
        "_free_up",
        "_handshake",
        "_leaving",
        "_link",
        "_overdue",
    )

    def __init__(self, client: Client, line: Line, link: Link, agenda: Agenda) -> None:
        super().__init__(client, line)
        self._link, self._agenda = link, agenda
        trips = 2 if client.endpoint.tls is not None else 1
        self._handshake = round(trips * link.latency * SECOND_NS)
        self._leaving = memoryview(b"")
        self._arriving: deque[tuple[Nanoseconds, bytes]] = deque()
        self._ending: _Ending | None = None
        self._free_up: Nanoseconds = 0
        self._free_down: Nanoseconds = 0
        self._overdue: Nanoseconds = 0
        self._backlog = 0

    @property
    def _one_way(self) -> Nanoseconds:
        return round(self._link.latency * SECOND_NS / 2)

    def send(self, payload: bytes) -> None:
        """Let a request leave as fast as the link takes it, after what is leaving still."""
        is_busy = bool(self._leaving)
        self._leaving = memoryview(bytes(self._leaving) + payload)
        if not is_busy:
            self._free_up = max(self._agenda.now() + self._handshake, self._free_up)
            self._handshake = 0
            self._send_piece()

    def _send_piece(self) -> None:
        """Have the next piece arrive at the target when its last byte would."""
        piece = self._leaving[: max(_SEGMENT, int(self._link.up / _PIECES))]
        self._free_up += round(len(piece) * SECOND_NS / self._link.up)
        due = self._free_up + self._one_way
        self._agenda.at(due, lambda: self._write(piece, due))

    def _write(self, piece: memoryview, due: Nanoseconds) -> None:
        if self.transport is None:
            return
        self.transport.write(piece)
        self._leaving = self._leaving[len(piece) :]
        if self._leaving:
            self._send_piece()
        else:
            self._overdue = self._agenda.now() - due

    def data_received(self, data: bytes) -> None:
        """Take what the target sent, and deliver it when its last byte would have arrived."""
        begin = max(self._agenda.now() - self._overdue, self._free_down)
        self._overdue = 0
        self._free_down = begin + round(len(data) * SECOND_NS / self._link.down)
        self._arriving.append((self._free_down + self._one_way, data))
        self._backlog += len(data)
        if self._backlog > _WINDOW and self.transport is not None:
            self.transport.pause_reading()
        if len(self._arriving) == 1:
            self._agenda.at(self._arriving[0][0], self._deliver)

    def _deliver(self) -> None:
        if not self._arriving:  # the line was dropped meanwhile
            return
        _, data = self._arriving.popleft()
        was_full, self._backlog = self._backlog > _WINDOW, self._backlog - len(data)
        if was_full and self._backlog <= _WINDOW and self.transport is not None:
            self.transport.resume_reading()
        super().data_received(data)
        if self._arriving:
            self._agenda.at(self._arriving[0][0], self._deliver)
        elif self._ending is not None:
            ending, self._ending = self._ending, None
            self.transport = ending.transport
            super().connection_lost(ending.error)

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end, and tell it after what had arrived before; at once where nobody waits."""
        self._leaving = memoryview(b"")
        if self.line is None or not self._arriving:
            self._arriving.clear()
            super().connection_lost(error)
            return
        self.client.connections.discard(self)
        self._ending, self.transport = _Ending(error, self.transport), None
