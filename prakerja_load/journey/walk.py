"""The walk of a registrant through a table of moves: pauses, repeats, coming back, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from prakerja_load.journey.agreement import Says
from prakerja_load.journey.behavior import Behavior, Habits
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.pauses import NO_WAIT, REFRESH, Pauses, Wait
from prakerja_load.journey.step import (
    Agrees,
    Answer,
    Ending,
    Outcome,
    Pause,
    Registrant,
    Request,
    Script,
    Step,
    key_of,
)
from prakerja_load.units import Seconds

POLL_WAIT: Seconds = 0.5  # [A] before the outbox is looked into again
POLLS = 6

Fact: TypeAlias = Callable[[Registrant], dict[str, Any]]

encode = msgspec.json.Encoder().encode
_OK, _REJECTED = Outcome.OK, Outcome.REJECTED  # looked up once: each look at a member costs as much as a call


class Visit:
    """What one registrant carries from step to step."""

    __slots__ = ("account", "behavior", "code", "has_joined", "registrant", "test", "token", "wave")

    def __init__(self, registrant: Registrant, behavior: Behavior) -> None:
        self.registrant = registrant
        self.behavior = behavior
        self.account = 0  # as the system named it first; 0: not yet
        self.token = ""
        self.code = ""
        self.wave = 0
        self.test = 0
        self.has_joined = False

    def write(
        self,
        step: Step,
        method: str,
        path: str,
        body: bytes,
        reply: type,
        *,
        ok: tuple[int, ...] = (200,),
        rejected: tuple[str, ...] = (),
        content_type: str = "application/json",
        key: str = "",
        agrees: Agrees | None = None,
    ) -> Request:
        """Return a write of this registrant, with their token and, unless given, the key of the step.

        Unless told otherwise, its answer agrees when it is about their account.
        """
        registrant = self.registrant
        key = key or key_of(registrant.run, registrant.index, step.number)
        agrees = agrees or self.is_mine()
        return Request(step, method, path, body, content_type, self.token, key, ok, rejected, reply, agrees)

    def is_mine(self, **fields: Any) -> Says:
        """Return what agrees with an answer that names this registrant's account, and these fields."""
        return Says((("account", self.account), *fields.items()))


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table: a step, the pause before it, its request and what its answer leaves in the visit."""

    step: Step
    serves: int  # number of the gated step it is for: who stops before that one does not make it
    request: Callable[[Visit], Request]
    carry: Callable[[Visit, Any], None] | None = None
    wait: Wait = NO_WAIT
    polls: int = 0  # how often an expected "no" is asked again before the journey fails
    is_typo: bool = False  # made only by those who mistype


class Walk:
    """A journey that is a table of moves, in the order of the steps they serve.

    `facts` says for the number of a stored step what the system must hold of a registrant who was told it succeeded.
    """

    name: str
    steps: tuple[Step, ...]

    def __init__(
        self, options: JourneyOptions, moves: Sequence[Move], habits: Habits, facts: Mapping[int, Fact]
    ) -> None:
        self.options = options
        self.moves = tuple(moves)
        self.habits = habits
        self._facts = facts
        self._pauses = Pauses(options.seed, options.think_time_scale)
        names = [f"{move.step.name}{'-typo' if move.is_typo else ''}" for move in moves]
        self._paced = [(move, self._pauses.stream(name)) for move, name in zip(moves, names, strict=True)]
        self._refresh = self._pauses.stream("refresh")

    def meant_to_reach(self, registrant: Registrant) -> int:
        """Return the number of the last step this registrant means to reach."""
        return self.habits.last_of(registrant.index)

    def stored(self, registrant: Registrant, step: Step) -> dict[str, Any]:
        """Return the fields that the system must hold once it acknowledged `step` for this registrant."""
        fact = self._facts.get(step.number)
        if not fact or not step.is_stored:
            return {}
        # whose account it stands on: a write that somebody else's account got is as bad as one that nobody's did
        return {"owner": registrant.profile.email, **fact(registrant)}

    def script(self, registrant: Registrant) -> Script:
        """Return the generator that plays this registrant."""
        index = registrant.index
        behavior = self.habits.of(index)
        visit = Visit(registrant, behavior)
        for move, stream in self._paced:
            if move.serves > behavior.last:
                break
            # the right NIK may be stored since: a system would be right to refuse the typo for that, or to take it
            if move.is_typo and (self.options.is_resumed or not behavior.has_nik_typo):
                continue
            if move.wait is not NO_WAIT:
                yield Pause(self._pauses.draw(move.wait, stream, index))
            request = move.request(visit)
            answer: Answer = yield request
            if answer.outcome != _OK:
                answer = yield from _persist(request, answer, behavior.returns, move.polls)
            if answer.outcome == _OK:
                if move.carry is not None:
                    move.carry(visit, answer.reply)
                if move.step.number in (behavior.click, behavior.refresh) and not move.is_typo:
                    answer = yield from self._repeat(request, answer, behavior, index)
            if answer.outcome != _OK and (answer.outcome != _REJECTED or move.polls):
                return Ending.GAVE_UP if answer.outcome == Outcome.TIMEOUT else Ending.FAILED
        return Ending.COMPLETED

    def _repeat(
        self, request: Request, first: Answer, behavior: Behavior, index: int
    ) -> Generator[Request | Pause, Any, Answer]:
        """Send a write a second time at once, to be answered as the first was, or read a page again after a while."""
        if request.step.number == behavior.click:
            request = msgspec.structs.replace(request, ok=(first.status,), rejected=(), reply=None, same_as=first.body)
        else:
            yield Pause(self._pauses.draw(REFRESH, self._refresh, index))
        answer: Answer = yield request
        return (yield from _persist(request, answer, behavior.returns, 0))


def _persist(request: Request, answer: Answer, returns: int, polls: int) -> Generator[Request | Pause, Any, Answer]:
    """Repeat the very same request, key included, while it is shed or there is nothing yet; return the last answer."""
    while True:
        if answer.outcome == Outcome.SHED and returns > 0:
            returns -= 1
            seconds = answer.retry_after or 0.0
        elif answer.outcome == Outcome.REJECTED and polls > 0:
            polls -= 1
            seconds = POLL_WAIT
        else:
            return answer
        yield Pause(seconds, is_planned=False)
        answer = yield request
