"""A waiting room: who comes first is let in first, at a stated rate; those who gave up make room.

Everybody gets the next number. Numbers are called in order, so nobody overtakes anybody, and whoever takes a second
number stands behind themselves. A number that has not been asked about for `patience` seconds has given up: it is
passed over when its turn comes, without costing a place. Times come in as arguments; the tickets are signed, so a
number cannot be made up. The room is in memory, one room per process: registrars that share
a database each have their own, and after a restart everybody queues anew.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import struct
from collections import deque

import msgspec

from prakerja_load.units import PerSecond, Seconds

_NUMBER = struct.Struct(">Q")
_MAC_SIZE = 16
_TICKET_SIZE = _NUMBER.size + _MAC_SIZE


class RoomRules(msgspec.Struct, frozen=True):
    """How fast a room is emptied, and how long its guests may keep silent."""

    rate: PerSecond
    patience: Seconds = 60.0  # since a waiting guest asked last
    turn: Seconds = 900.0  # in which who was called has to come in
    longest: int = 2_000_000  # guests waiting


class Place(msgspec.Struct, frozen=True):
    """Where a number stands: how many are before it, and about how long that takes."""

    number: int
    ahead: int
    wait: Seconds
    is_called: bool


class WaitingRoom:
    """Numbers waiting, called and passed over."""

    def __init__(self, rules: RoomRules) -> None:
        self.rules = rules
        self._next = 1  # number to be given
        self._head = 1  # lowest number that waits
        self._seen: dict[int, Seconds] = {}  # waiting numbers, and when they were asked about last
        self._called: dict[int, str] = {}  # numbers whose turn it is, and the key of who came in with them
        self._turns: deque[tuple[Seconds, int]] = deque()  # when each turn ends
        self._places = 1.0  # that may be called now
        self._counted_at: Seconds | None = None
        self.given_up = 0

    @property
    def waiting(self) -> int:
        """Return how many numbers wait."""
        return len(self._seen)

    def take(self, now: Seconds) -> Place | None:
        """Give the next number and say where it stands; None when the room is full."""
        self._call(now)
        if len(self._seen) >= self.rules.longest:
            return None
        number, self._next = self._next, self._next + 1
        self._seen[number] = now
        self._call(now)
        return self._place(number)

    def ask(self, number: int, now: Seconds) -> Place | None:
        """Say where a number stands; None when it has given up or let its turn go by."""
        self._call(now)
        if number in self._seen:
            self._seen[number] = now
        elif number not in self._called:
            return None
        return self._place(number)

    def come_in(self, number: int, key: str, now: Seconds) -> bool:
        """Tell whether a number may come in; it lets in one key, as often as that is repeated."""
        self._call(now)
        if number not in self._called:
            return False
        first = self._called[number] or key
        self._called[number] = first
        return first == key

    def _place(self, number: int) -> Place:
        if number in self._called:
            return Place(number, 0, 0.0, is_called=True)
        ahead = number - self._head
        return Place(number, ahead, (ahead + 1) / self.rules.rate, is_called=False)

    def _call(self, now: Seconds) -> None:
        """Call as many numbers as have become free; places nobody waits for are kept for a second at most."""
        since = 0.0 if self._counted_at is None else max(0.0, now - self._counted_at)
        self._counted_at = now
        self._places += since * self.rules.rate
        while self._turns and self._turns[0][0] <= now:
            del self._called[self._turns.popleft()[1]]
        while self._places >= 1 and self._head < self._next:
            number, self._head = self._head, self._head + 1
            if now - self._seen.pop(number) > self.rules.patience:
                self.given_up += 1
                continue
            self._places -= 1
            self._called[number] = ""
            self._turns.append((now + self.rules.turn, number))
        if self._head == self._next:
            self._places = min(self._places, max(1.0, self.rules.rate))


class TicketSigner:
    """Writes numbers so that only this process can have written them: 32 characters of base64url."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def ticket(self, number: int) -> str:
        """Return the ticket of a number."""
        packed = _NUMBER.pack(number)
        return base64.urlsafe_b64encode(packed + self._mac(packed)).decode("ascii")

    def number(self, ticket: bytes) -> int | None:
        """Return the number of a ticket, or None when it is not one of ours."""
        try:
            raw = base64.b64decode(ticket, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        packed = raw[: _NUMBER.size]
        if len(raw) != _TICKET_SIZE or not hmac.compare_digest(raw[_NUMBER.size :], self._mac(packed)):
            return None
        return int(_NUMBER.unpack(packed)[0])

    def _mac(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed, "sha256")[:_MAC_SIZE]
