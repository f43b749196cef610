"""Think times: how long people take before a step, in real seconds, from the published facts where there are any.

Uniform between the two figures [A]: bounded, so that the longest planned journey is known and a drain can be made
long enough. [S] sourced, [A] assumed; a new applicant's whole journey comes to 33 minutes on average (published
parts: 15 minutes of test, 5 of evaluation, "a few minutes" for the SMS; 25 to 40 in all [A]).
"""

from __future__ import annotations

from typing import NamedTuple

from prakerja_load import seeds
from prakerja_load.units import Seconds


class Wait(NamedTuple):
    """The shortest and the longest pause before a step, in real seconds."""

    shortest: Seconds
    longest: Seconds

    @property
    def mean(self) -> Seconds:
        return (self.shortest + self.longest) / 2


NO_WAIT = Wait(0, 0)

NEW_APPLICANT = {
    "create-account": Wait(20, 60),  # [A] read the landing page, type name, e-mail and password
    "read-email": Wait(30, 120),  # [A] the mail arrives and is opened
    "log-in": Wait(5, 20),  # [A]
    "identity-typo": Wait(20, 60),  # [A] a first try in a hurry; those who mistype then take as long as everybody
    "identity": Wait(45, 120),  # [A] find the card, type 16 + 16 digits and a date
    "personal-data": Wait(180, 420),  # [A] the longest form
    "ktp-photo": Wait(60, 180),  # [A] with the phone's camera
    "selfie": Wait(30, 120),  # [A]
    "phone-code": Wait(10, 30),  # [A]
    "read-sms": Wait(60, 180),  # [S] "beberapa menit" for the one-time code; [A] the figures
    "test-questions": Wait(20, 60),  # [A]
    "submit-test": Wait(600, 900),  # [S] 18 questions in at most 15 minutes; [A] nobody needs less than 10
    "join-wave": Wait(300, 360),  # [S] the evaluation takes about 5 minutes; [A] then the declaration
    "read-status": Wait(5, 30),  # [A]
}

RETURNING = {
    "wave-page": Wait(5, 20),  # [A]
    "join-wave": Wait(15, 60),  # [A] read and accept the declaration
    "read-status": Wait(5, 30),  # [A]
}

REFRESH = Wait(3, 15)  # [A] before the same page is read again


class Pauses:
    """The planned pauses of a journey: pure functions of (seed, arrival index), times the think time scale."""

    def __init__(self, seed: int, scale: float) -> None:
        self._seed, self._scale = seed, scale

    def stream(self, name: str) -> int:
        """Return the random stream of the pause before a step."""
        return seeds.key(self._seed, "journey", "pause", name)

    def draw(self, wait: Wait, stream: int, index: int) -> Seconds:
        """Return how long one arrival waits."""
        shortest, longest = wait
        return (shortest + (longest - shortest) * seeds.unit(stream, index)) * self._scale
