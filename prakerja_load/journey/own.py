"""A journey for a system that we did not write: a class in the user's own locustfile, found there by its name.

The text of the file travels with the options of the journey, so that every worker plays, and every later judgement
reads, the very journey that the run was started with.
"""

from __future__ import annotations

import hashlib
import linecache
import math
import os
import sys
import traceback
import types
from collections.abc import Generator, Iterator, Mapping
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias

import msgspec

from prakerja_load import seeds
from prakerja_load.journey.browser import Browser, Leave
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.pauses import Pauses, Wait
from prakerja_load.journey.step import MISTYPED, Answer, Ending, Pause, Registrant, Request, Script, Step
from prakerja_load.units import Seconds

Play: TypeAlias = Generator[Request | Pause, Any, None]


class OwnJourney:
    """Derive from it, name the journey and its steps, and say in `play` what a registrant does.

    A step with `is_stored=True` is a write: once acknowledged, the system must hold the fields that `stored` returns,
    among them one that no two registrants share. Whatever a registrant decides is to be drawn from
    (options.seed, registrant.index), and what must be new to the system made from (registrant.run, registrant.index).

    Who returns from `play` before the last step has failed; whoever is to drop out earlier on purpose says so in
    `meant_to_reach`. A "no" declared with `rejected` ends a journey as completed wherever it comes.
    """

    name: ClassVar[str] = ""
    steps: ClassVar[tuple[Step, ...]] = ()
    waits: ClassVar[Mapping[Step, tuple[Seconds, Seconds]]] = {}
    """Shortest and longest think time before a step, in real seconds; none where a step is not named."""
    redirects: ClassVar[float] = 0.0
    """Requests of one arrival beyond one a step, such as pages that a redirect leads to."""
    refusals: ClassVar[float] = 0.0
    """Share of registrants whom a correct system tells a declared "no"; more than that forbids SUSTAINED."""
    language: ClassVar[str] = "id"

    def __init__(self, options: JourneyOptions) -> None:
        self.options = options
        self._pauses = Pauses(options.seed, options.think_time_scale)
        self._paced = {step.number: (Wait(*wait), self._pauses.stream(step.name)) for step, wait in self.waits.items()}
        self._return = seeds.key(options.seed, "journey", "return")

    def play(self, registrant: Registrant, browser: Browser) -> Play:
        """Do what this registrant does; `yield from` the browser's methods."""
        raise NotImplementedError

    def stored(self, registrant: Registrant, step: Step) -> dict[str, Any]:
        """Return the fields that the system must hold once it acknowledged `step` for this registrant."""
        raise NotImplementedError

    def meant_to_reach(self, _: Registrant) -> int:
        """Return the number of the last step: everybody means to finish."""
        return self.steps[-1].number

    def script(self, registrant: Registrant) -> Script:
        """Return the generator that plays this registrant."""
        options, index = self.options, registrant.index

        def wait(step: Step) -> Seconds:
            paced = self._paced.get(step.number)
            return self._pauses.draw(*paced, index) if paced else 0.0

        comes_back = seeds.unit(self._return, index) < options.retry_after_shed
        returns = options.shed_retries if comes_back else 0
        try:
            reached = yield from _watched(self.play(registrant, Browser(options.origin, wait, returns, self.language)))
        except Leave as leave:
            return leave.ending
        return Ending.COMPLETED if reached >= self._last_gated(registrant) else Ending.FAILED

    def _last_gated(self, registrant: Registrant) -> int:
        meant = self.meant_to_reach(registrant)
        return max((step.number for step in self.steps if step.is_gated and step.number <= meant), default=0)


def _watched(moves: Play) -> Generator[Request | Pause, Any, int]:
    """Play moves, and return the number of the last gated step that was ok or a declared "no".

    People think before a step. A pause before a step is asked again waits for the system, whatever the script calls
    it, and is not taken out of the times that are judged.
    """
    reached, asked = 0, set[int]()
    pauses: list[Pause] = []
    answer: Answer | None = None
    while True:
        try:
            move = moves.send(answer)
        except StopIteration:
            yield from pauses
            return reached
        except Leave:
            yield from pauses
            raise
        answer = None
        if isinstance(move, Pause):
            pauses.append(move)  # which step it is before, the next request tells
            continue
        number = move.step.number
        for pause in pauses:
            yield msgspec.structs.replace(pause, is_planned=False) if number in asked else pause
        pauses.clear()
        asked.add(number)
        reply: Answer = yield move
        answer = reply
        if move.step.is_gated and reply.outcome.is_expected:
            reached = max(reached, number)


def load_journey(source: str, file: str, name: str) -> type[OwnJourney]:
    """Return the journey called `name` of a locustfile's text; `file` stands in tracebacks and messages.

    Raises ValueError, with all problems at once, when the text is no Python, holds no such journey, or declares one
    that cannot be played.
    """
    found = {kind.name: kind for kind in _journeys(source, file)}
    if name not in found:
        there = ", ".join(sorted(found)) or "none; derive a class from OwnJourney and give it a name"
        raise ValueError(f"no journey called {name!r} in {file}, which has: {there}")
    problems = list(_problems(found[name]))
    if problems:
        raise ValueError(f"journey {name!r} of {file}: {'; '.join(problems)}")
    return found[name]


@lru_cache(maxsize=8)
def _journeys(source: str, file: str) -> tuple[type[OwnJourney], ...]:
    # the file may import Locust, which must not replace anything in a process that is not Locust's own
    if "locust" not in sys.modules:
        os.environ.setdefault("LOCUST_SKIP_MONKEY_PATCH", "1")
    digest = hashlib.blake2b(source.encode(), digest_size=6).hexdigest()
    place = f"<{file} {digest}>"
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    module = types.ModuleType(f"locustfile_{digest}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, place, "exec"), module.__dict__)  # noqa: S102 (the user's own journey)
    except Exception as fault:
        lines = [frame.lineno for frame in traceback.extract_tb(fault.__traceback__) if frame.filename == place]
        line = fault.lineno if isinstance(fault, SyntaxError) else next(iter(reversed(lines)), None)
        raise ValueError(f"{file}, line {line}: {type(fault).__name__}: {fault}") from fault
    kinds = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, OwnJourney)]
    return tuple(kind for kind in kinds if kind.name)


def _problems(kind: type[OwnJourney]) -> Iterator[str]:
    numbers = [step.number for step in kind.steps]
    if not numbers or numbers != list(range(1, len(numbers) + 1)) or len(numbers) >= MISTYPED:
        yield f"steps: got the numbers {numbers}, allowed: 1, 2, 3, … in the order of the steps, fewer than {MISTYPED}"
    names = [step.name for step in kind.steps]
    if len(set(names)) != len(names) or not all(names):
        yield f"steps: got the names {names}, allowed: one for each step, no two alike"
    for step, wait in kind.waits.items():
        if step not in kind.steps:
            yield f"waits: got the step {step.name!r}, allowed: steps of the journey"
        if len(wait) != 2 or not 0 <= wait[0] <= wait[1] < math.inf:
            yield f"waits of {step.name!r}: got {wait}, allowed: (shortest, longest) in seconds"
    if not 0 <= kind.redirects < math.inf:
        yield f"redirects: got {kind.redirects}, allowed: 0 or more"
    if not 0 <= kind.refusals <= 1:
        yield f"refusals: got {kind.refusals}, allowed: a share from 0 to 1"
    if kind.play is OwnJourney.play:
        yield "play: missing"
    if any(step.is_stored for step in kind.steps) and kind.stored is OwnJourney.stored:
        yield "stored: missing, though a step has is_stored=True"
