"""Who waits at the calibrated server for what, and when each answer is due."""

from __future__ import annotations

import heapq
import socket
from array import array
from time import monotonic_ns

from prakerja_load.calibration import wire
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.slots import Slots
from prakerja_load.units import Nanoseconds


class Desk:
    """Takes requests in and lets answers out; every instant it meets is stamped."""

    def __init__(self, law: ServiceLaw, slots: Slots) -> None:
        self._law, self._slots = law, slots
        self._due: list[tuple[Nanoseconds, int, socket.socket]] = []  # (end, row of the stamps, asker), a heap
        self._serial = 0
        self.stamps = array("q")  # rows of stamps.STAMP

    def take(self, index: int, asker: socket.socket, arrival: Nanoseconds) -> bool:
        """Take a request in; return False when no slot is free and nobody may wait."""
        index = self._serial if index < 0 else index
        self._serial += 1
        row = len(self.stamps)
        times = self._slots.admit(arrival, self._law.of(index))
        if times is None:
            self.stamps.extend((index, arrival, -1, -1, monotonic_ns()))
            return False
        self.stamps.extend((index, arrival, *times, -1))
        heapq.heappush(self._due, (times[1], row, asker))
        return True

    @property
    def next_due(self) -> Nanoseconds | None:
        """Return when the next answer leaves, None when nobody waits."""
        return self._due[0][0] if self._due else None

    def leave(self, now: Nanoseconds) -> tuple[socket.socket, bytes] | None:
        """Return (asker, answer) of the next request whose time is over, None when there is none."""
        if not self._due or self._due[0][0] > now:
            return None
        _, row, asker = heapq.heappop(self._due)
        index, arrival, start, end = self.stamps[row : row + 4]
        self.stamps[row + 4] = monotonic_ns()
        return asker, wire.answer(b"200 OK", {"index": index, "arrival": arrival, "start": start, "end": end})
