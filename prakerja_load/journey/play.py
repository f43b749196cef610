"""A journey played without network or time: what a test, an example or a reader drives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from prakerja_load.journey.answer import read
from prakerja_load.journey.step import Answer, Ending, Outcome, Pause, Request, Response, Script
from prakerja_load.units import Seconds


@dataclass(slots=True)
class Played:
    """What a registrant asked, was answered and waited for."""

    ending: Ending = Ending.IN_FLIGHT
    exchanges: list[tuple[Request, Answer]] = field(default_factory=list)
    planned: Seconds = 0.0  # think time
    imposed: Seconds = 0.0  # waits that the system imposed

    @property
    def reached(self) -> int:
        """Return the number of the last gated step that was ok or an expected "no", 0 for none."""
        return max((r.step.number for r, a in self.exchanges if r.step.is_gated and a.outcome.is_expected), default=0)

    def of(self, name: str) -> list[tuple[Request, Answer]]:
        """Return the exchanges of one step."""
        return [exchange for exchange in self.exchanges if exchange[0].step.name == name]

    @property
    def outcomes(self) -> list[tuple[str, Outcome]]:
        """Return step and outcome of every request, in order."""
        return [(request.step.name, answer.outcome) for request, answer in self.exchanges]


def play(script: Script, respond: Callable[[Request], Response]) -> Played:
    """Play a script to its end, asking `respond` for the response to every request; pauses pass at once."""
    played = Played()
    answer: Answer | None = None
    while True:
        try:
            move = script.send(answer)
        except StopIteration as end:
            played.ending = end.value
            return played
        answer = None
        if isinstance(move, Pause):
            if move.is_planned:
                played.planned += move.seconds
            else:
                played.imposed += move.seconds
        else:
            answer = read(move, respond(move))
            played.exchanges.append((move, answer))
