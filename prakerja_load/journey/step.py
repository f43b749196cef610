"""The values a journey speaks in: steps, requests, pauses, answers and how a journey ends.

A journey never does I/O. It is a generator that yields a `Request` and receives an `Answer`, or yields a `Pause`
and receives None; any driver can play it: the load driver, a test without network, virtual time.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeAlias

import msgspec

from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.units import Seconds


class Outcome(enum.IntEnum):
    """What became of one request (or of an arrival that made none)."""

    OK = 0
    REJECTED = 1  # a correct and expected "no"
    SHED = 2  # 503 or 429 with Retry-After
    ERROR = 3
    TIMEOUT = 4
    MALFORMED = 5  # an answer that is not what its status promises
    DROPPED = 6  # due but never started: the in-flight limit was reached
    IN_FLIGHT = 7  # unanswered when the drain ended

    @property
    def is_expected(self) -> bool:
        """Tell whether a correct system gives this answer: ok or an expected "no"."""
        return self <= Outcome.REJECTED


class Step(msgspec.Struct, frozen=True):
    """One step of a journey; `number` counts from 1 and is the k of "elapsed to step k"."""

    number: int
    name: str
    is_stored: bool = False  # an acknowledged one must be found in what the system stores
    is_gated: bool = True  # False: a look into the laboratory's outbox, not a request of the system under test


class Request(msgspec.Struct, frozen=True):
    """One HTTP request and what counts as a right answer to it."""

    step: Step
    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"
    token: str = ""  # bearer token; empty: none
    key: str = ""  # Idempotency-Key; empty: none
    ok: tuple[int, ...] = (200,)  # statuses that mean success
    rejected: tuple[str | int, ...] = ()  # problem codes or statuses that are a correct "no"
    reply: Any = None  # msgspec type the body of a success must decode to; None: not decoded
    agrees: Agrees | None = None  # whether the decoded body says what it must of this registrant; never raises
    same_as: bytes | None = None  # the body must equal this one (a repeated request with the same key)
    is_lab: bool = False  # carries the laboratory token
    wants_headers: bool = False  # the response shall bring its headers
    headers: tuple[tuple[str, str], ...] = ()  # further ones; a request that has any brings its own Accept
    check: Check | None = (
        None  # what a right answer is beyond its status: returns the outcome it deserves; never raises
    )


class Pause(msgspec.Struct, frozen=True, gc=False):
    """Time a registrant lets pass: planned think time, or a wait that the system imposed (not planned)."""

    seconds: Seconds
    is_planned: bool = True


class Response(msgspec.Struct, frozen=True, gc=False):
    """What came back over the wire; `failure` is set when nothing usable did."""

    status: int = 0
    body: bytes = b""
    retry_after: Seconds | None = None
    failure: Outcome | None = None
    headers: tuple[tuple[str, str], ...] = ()  # (lower-case name, value) in order, if the request asked for them
    may_be_sent_again: bool = False  # failed because a kept-alive connection died; once more does no harm


class Answer(msgspec.Struct, frozen=True):
    """A response as the journey sees it: classified, and decoded when it is a success."""

    outcome: Outcome
    status: int = 0
    reply: Any = None
    body: bytes = b""
    problem: str = ""
    retry_after: Seconds | None = None
    headers: tuple[tuple[str, str], ...] = ()  # as the response brought them


class Ending(enum.IntEnum):
    """How a registrant's journey ended."""

    COMPLETED = 0  # did all that was meant, planned drop-off and expected refusals included
    FAILED = 1  # a step was neither ok nor expected, and was not made good by a retry
    GAVE_UP = 2  # patience ended
    DROPPED = 3  # never started: in-flight limit
    IN_FLIGHT = 4  # still under way when the drain ended


class Registrant(msgspec.Struct, frozen=True):
    """One synthetic person about to go through a journey once."""

    run: str  # identifies the run and ramp; prefixes idempotency keys
    index: int  # arrival index within the ramp, from 0
    person: int  # applicant index within the population (ramp offset + index)
    profile: ApplicantProfile


Agrees: TypeAlias = Callable[[Any], bool]
Check: TypeAlias = Callable[[Response], Outcome]
Script: TypeAlias = Generator[Request | Pause, Any, Ending]


class Journey(Protocol):
    """A kind of journey; implementations are values and do no I/O.

    A journey for another system needs no more than these five names: `script` yields a `Request`, reads the `Answer`
    it is sent back, may yield a `Pause`, and returns an `Ending`. Step numbers count from 1 in the order of the steps;
    whatever a registrant decides is drawn from (seed, registrant.index), so that every worker plays them alike.
    """

    @property
    def name(self) -> str:
        """Return the name under which scenarios ask for it."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return every step, in the order of their numbers."""

    def script(self, registrant: Registrant) -> Script:
        """Return the generator that plays this registrant."""

    def meant_to_reach(self, registrant: Registrant) -> int:
        """Return the number of the last step this registrant means to reach."""

    def stored(self, registrant: Registrant, step: Step) -> dict[str, Any]:
        """Return the fields that the system must hold once it acknowledged `step` for this registrant."""


MISTYPED = 100  # above every step number


def key_of(run: str, index: int, step: int) -> str:
    """Return the idempotency key of one write: run, arrival index and step number."""
    return f"{run}-{index}-{step}"


def mistyped_key(run: str, index: int, step: int) -> str:
    """Return the key of a mistyped try at a step, which a correct system refuses.

    It needs its own, because a key cannot be used again with another body. `parse_key` reads step 100 + k from it: no
    journey has such a step, so whatever is stored under it should not be there.
    """
    return key_of(run, index, MISTYPED + step)


def parse_key(text: str) -> tuple[str, int, int] | None:
    """Return (run, index, step) of a key made by `key_of`, or None for a foreign key."""
    run, _, rest = text.rpartition("-")
    head, _, index = run.rpartition("-")
    if not head or not index.isdecimal() or not rest.isdecimal():
        return None
    return head, int(index), int(rest)
