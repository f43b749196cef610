"""Places for workers from elsewhere: who asks first gets the lowest number that is free."""

from __future__ import annotations

from dataclasses import dataclass

from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

HELD: Seconds = 30.0
"""A place is kept this long for a worker that makes itself ready; it has said hello by then, or it is gone."""


@dataclass
class _Seat:
    number: int
    until: Nanoseconds


class Seats:
    """Numbers 0 … count−1 by the worker's address in the messaging; the same worker always gets the same."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken: dict[str, _Seat] = {}

    def take(self, client: str, now: Nanoseconds) -> int | None:
        """Return the number of this worker, None when every place is taken."""
        if client not in self._taken:
            self._taken = {other: seat for other, seat in self._taken.items() if seat.until > now}
            free = set(range(self._count)) - {seat.number for seat in self._taken.values()}
            if not free:
                return None
            self._taken[client] = _Seat(min(free), 0)
        seat = self._taken[client]
        seat.until = max(seat.until, now + round(HELD * SECOND_NS))
        return seat.number

    def is_of(self, client: str, number: int) -> bool:
        """Tell whether this place was given to this worker."""
        return client in self._taken and self._taken[client].number == number

    def free(self, client: str) -> None:
        """Take a place back."""
        self._taken.pop(client, None)
