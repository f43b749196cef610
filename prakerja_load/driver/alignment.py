"""How the clock of one worker stands to the controller's: offset and error by exchanges of messages (Cristian 1989).

A question leaves at `asked` and its answer is there at `heard`, both by the controller's clock; in between the worker's
clock showed `shown`. Whatever the two ways took, the worker's clock is ahead by shown − (asked + heard) / 2, give or
take (heard − asked) / 2. The quickest exchange says it best. Stamps of two hosts are never subtracted for a duration:
the offset only tells each worker where on its own clock time 0 lies.
"""

from __future__ import annotations

from pathlib import Path

from prakerja_load.units import SECOND_NS, Nanoseconds, Seconds

ENOUGH = 8
"""Exchanges before a ramp may begin, and in a spell that counts."""
SPELL: Seconds = 10.0
"""The best exchange of every spell bounds how far the clocks have drifted apart in it."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TIME_NAMESPACE = Path("/proc/self/ns/time")


class Alignment:
    """The exchanges with one worker; one that lives by the controller's own clock needs none."""

    def __init__(self, is_same: bool = False) -> None:
        self.is_same = is_same
        self.offset: Nanoseconds = 0  # worker's clock − controller's
        self.error: Nanoseconds = 0  # of the offset, at most
        self.exchanges = 0
        self._is_fixed = is_same
        self._least: Nanoseconds = 0  # bound of the spell under way
        self._worst: Nanoseconds = 0  # of the spells that were long enough
        self._in_spell = 0
        self._spell_ends: Nanoseconds = 0

    @property
    def is_known(self) -> bool:
        """Tell whether the offset is known well enough to begin."""
        return self.is_same or self.exchanges >= ENOUGH

    def fix(self) -> Nanoseconds:
        """Return the offset that the ramp is played by; later exchanges only show how well it still holds."""
        self._is_fixed = True
        return self.offset

    def hear(self, asked: Nanoseconds, shown: Nanoseconds, heard: Nanoseconds) -> None:
        """Take one exchange; one that ended before it began is none."""
        if heard < asked or self.is_same:
            return
        offset, error = shown - (asked + heard) // 2, -(-(heard - asked) // 2)
        if not self._is_fixed:
            if not self.exchanges or error < self.error:
                self.offset, self.error = offset, error
        else:
            self._bound(abs(offset - self.offset) + error, heard)
        self.exchanges += 1

    def _bound(self, bound: Nanoseconds, now: Nanoseconds) -> None:
        if not self._in_spell:
            self._least, self._spell_ends = bound, now + round(SPELL * SECOND_NS)
        self._least = min(self._least, bound)
        self._in_spell += 1
        if now >= self._spell_ends and self._in_spell >= ENOUGH:
            self._worst = max(self._worst, self._least)
            self._in_spell = 0

    @property
    def bound(self) -> Nanoseconds:
        """Return how far off the offset may have been at any time: its error, and in each spell what was seen at best.

        A spell under way counts once it is the first or has exchanges enough; one slow answer says nothing of a clock.
        """
        counts = self._in_spell >= ENOUGH or (self._in_spell and not self._worst)
        return max(self.error, self._worst, self._least if counts else 0)


def timebase() -> str:
    """Return a text that two processes share exactly when one monotonic clock serves both; "" when none can tell."""
    try:
        return f"{_BOOT.read_text().strip()} {_TIME_NAMESPACE.readlink()}"
    except OSError:
        return ""
