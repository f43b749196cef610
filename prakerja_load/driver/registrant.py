"""One registrant under way: plays the script of a journey by callbacks, and takes down every time and every write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prakerja_load.driver.agenda import Agenda
from prakerja_load.driver.client import Client
from prakerja_load.driver.gauge import Gauge
from prakerja_load.driver.recorder import Recorder
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.journey.answer import read
from prakerja_load.journey.step import Answer, Ending, Outcome, Pause, Request, Response, Script
from prakerja_load.units import SECOND_NS, Nanoseconds

# looked up once: each look at a member costs as much as a call
_OK, _EXPECTED, _SHED, _ERROR = Outcome.OK, Outcome.REJECTED, Outcome.SHED, Outcome.ERROR
_INTENT, _ACKNOWLEDGED = LedgerState.INTENT, LedgerState.ACKNOWLEDGED
_UNDECIDED = frozenset({408, 409})  # an error with one of these does not say that nothing was stored


@dataclass(frozen=True)
class Surroundings:
    """What all registrants of one process share; times are nanoseconds after the epoch."""

    client: Client
    agenda: Agenda
    recorder: Recorder
    clock: Callable[[], Nanoseconds]
    in_system: Gauge  # requests under way
    methods: dict[int, str]  # HTTP method by step number, as they are found
    left: Callable[[LiveRegistrant], None]  # called when a registrant's journey has ended
    broken: Callable[[BaseException], None]  # called when a script raises, which is a fault of the journey


class LiveRegistrant:
    """One synthetic person on the way through their journey.

    `due` of a request is the arrival's intended time for the first and the previous finish plus planned think time
    for the others; a wait that the system imposed (Retry-After) is neither planned nor excused.

    A request that a dying kept-alive connection took along is sent once more (driver.client says which): both attempts
    have a sample and ledger entries of their own, the first an error and, of a write, in doubt. Judgement counts them.
    """

    __slots__ = (
        "_around",
        "_attempts",
        "_due",
        "_line",
        "_reached",
        "_request",
        "_resume_at",
        "_script",
        "_send",
        "_started",
        "_think",
        "index",
        "intended",
        "meant",
        "started",
    )

    def __init__(self, around: Surroundings, script: Script, index: int, meant: int, intended: Nanoseconds) -> None:
        self._around, self._script, self._send = around, script, script.send
        self.index, self.meant, self.intended = index, meant, intended
        self.started: Nanoseconds = -1
        self._line = around.client.line(index)
        self._request: Request | None = None  # under way
        self._attempts: dict[int, int] = {}
        self._think = self._reached = self._started = 0
        self._due = self._resume_at = intended

    def start(self) -> None:
        """Begin the journey now."""
        self.started = self._around.clock()
        self._advance(None)

    def cut(self) -> None:
        """Take down a journey that the drain's end finds under way, and stop it."""
        around, now = self._around, self._around.clock()
        if self._request is not None:
            self._take_down(self._request, Outcome.IN_FLIGHT, 0, now, LedgerState.IN_DOUBT)
            around.in_system.change(-1, now)
        self._line.drop()
        self._script.close()
        around.recorder.arrival(
            self.index, self.intended, self.started, -1, self._think, self.meant, self._reached, Ending.IN_FLIGHT
        )

    def _advance(self, answer: Answer | None) -> None:
        try:
            move = self._send(answer)
        except StopIteration as end:
            if isinstance(end.value, Ending):
                self._leave(end.value)
            else:
                self._fail(TypeError(f"a script returned {end.value!r} and no Ending"))
        except Exception as fault:
            self._fail(fault)
        else:
            if isinstance(move, Request):
                self._ask(move)
            else:
                self._pause(move)

    def _pause(self, pause: Pause) -> None:
        length = round(pause.seconds * SECOND_NS)
        if pause.is_planned:
            self._think += length
            self._due += length
        self._resume_at += length
        self._around.agenda.at(self._resume_at, self._resume)

    def _resume(self) -> None:
        self._advance(None)

    def _ask(self, request: Request) -> None:
        around, step = self._around, request.step
        self._request = request
        self._started = now = around.clock()
        if step.is_stored:
            attempt = self._attempts.get(step.number, 0)
            around.recorder.ledger(self.index, step.number, attempt, _INTENT, 0, now)
        around.in_system.change(1, now)
        self._line.ask(request, self._respond, now)

    def _respond(self, response: Response) -> None:
        around, request = self._around, self._request
        assert request is not None
        self._request = None
        now = around.clock()
        around.in_system.change(-1, now)
        answer = read(request, response)
        outcome, step = answer.outcome, request.step
        self._take_down(request, outcome, answer.status, now, fate_of(request, answer) if step.is_stored else None)
        self._due = self._resume_at = now
        if response.may_be_sent_again:  # as a browser does, unasked by the person: the script does not hear of it
            self._ask(request)
            return
        if step.number > self._reached and step.is_gated and outcome <= _EXPECTED:
            self._reached = step.number
        self._advance(answer)

    def _take_down(
        self, request: Request, outcome: int, status: int, now: Nanoseconds, fate: LedgerState | None
    ) -> None:
        around, number, attempts = self._around, request.step.number, self._attempts
        attempt = attempts.get(number, 0)
        attempts[number] = attempt + 1
        if number not in around.methods:
            around.methods[number] = request.method
        recorder = around.recorder
        recorder.sample(
            self.index,
            number,
            attempt,
            outcome,
            status,
            self.intended,
            self._think,
            self._due,
            self._started,
            now,
        )
        if fate is not None and request.step.is_stored:
            recorder.ledger(self.index, number, attempt, fate, status, now)

    def _fail(self, fault: Exception) -> None:
        """Leave because the script itself went wrong."""
        self._leave(Ending.FAILED)
        self._around.broken(fault)

    def _leave(self, ending: Ending) -> None:
        around = self._around
        self._line.hang_up()
        around.recorder.arrival(
            self.index,
            self.intended,
            self.started,
            around.clock(),
            self._think,
            self.meant,
            self._reached,
            ending,
        )
        around.left(self)


def fate_of(request: Request, answer: Answer) -> LedgerState:
    """Return what the answer to a write says about what the system stores.

    Shed with Retry-After, and a 4xx that was not expected, are definite; no answer, half an answer and a 5xx are not.
    Where only a "no" is right, whatever is no "no" leaves a write that must not be stored, a success most of all.
    """
    outcome = answer.outcome
    if outcome == _OK:
        return _ACKNOWLEDGED
    if outcome == _EXPECTED:
        return LedgerState.REJECTED
    if outcome == _SHED:
        return LedgerState.NOT_DONE
    if outcome == _ERROR and 400 <= answer.status < 500 and answer.status not in _UNDECIDED:
        return LedgerState.NOT_DONE
    return LedgerState.IN_DOUBT if request.ok else LedgerState.FORBIDDEN
