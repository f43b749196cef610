"""Sheds early: more requests or bytes under way than the server takes are told to come back."""

from __future__ import annotations

from prakerja_load.registrar.problems import RefusalError

LARGEST_BODIES = 256 * 1024 * 1024  # bytes of announced bodies under way


class Admission:
    """Counts what is under way; `enter` and `leave` come in pairs."""

    def __init__(self, max_in_flight: int, max_bytes: int = LARGEST_BODIES) -> None:
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self.in_flight = 0
        self.bytes = 0
        self.shed = 0

    def enter(self, size: int) -> None:
        """Let a request with a body of `size` announced bytes in; raises RefusalError with Retry-After when full."""
        if self.in_flight >= self._max_in_flight or self.bytes + size > self._max_bytes:
            self.shed += 1
            raise RefusalError("overloaded", retry_after=1 + self.shed % 3)  # spread, so they do not come back together
        self.in_flight += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """Note that an admitted request has been answered."""
        self.in_flight -= 1
        self.bytes -= size
