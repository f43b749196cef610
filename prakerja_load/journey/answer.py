"""From a response to an answer: the one place that says which outcome a response is."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from prakerja_load.journey.step import Answer, Outcome, Request, Response

SHEDDING = (503, 429)
_OK = Outcome.OK  # looked up once: each look at a member costs as much as a call
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)  # ValueError: bytes that are not UTF-8


class _Problem(msgspec.Struct, frozen=True, gc=False):
    type: str = ""


_problems = msgspec.json.Decoder(_Problem)


def read(request: Request, response: Response) -> Answer:
    """Return the answer that a response is to a request; never raises, whatever the bytes (1 to 2 µs).

    In this order: nothing usable came → that failure · a status in `ok` → ok, or malformed when the body does not
    decode to `reply`, does not agree or differs from `same_as`, or what `check` says · 503 or 429 with Retry-After →
    shed · a problem code or a status in `rejected` → rejected · everything else, a success where only a "no" is right
    included → error.
    """
    if response.failure is not None:
        return Answer(response.failure, response.status, None, response.body)
    if response.status in request.ok:
        return _success(request, response)
    status, body, retry_after = response.status, response.body, response.retry_after
    problem = problem_code(body)
    outcome = Outcome.ERROR
    if status in SHEDDING and retry_after is not None and 0 <= retry_after < float("inf"):
        outcome = Outcome.SHED
    elif status >= 300 and (problem in request.rejected or status in request.rejected):
        outcome = Outcome.REJECTED
    return Answer(outcome, status, None, body, problem, retry_after, response.headers)


def problem_code(body: bytes) -> str:
    """Return the code of a problem document (RFC 9457), the last segment of its `type`, or "" for any other body."""
    try:
        return _problems.decode(body).type.rpartition("/")[2]
    except UNREADABLE:
        return ""


def _success(request: Request, response: Response) -> Answer:
    body = response.body
    if request.same_as is not None and body != request.same_as:
        return Answer(Outcome.MALFORMED, response.status, None, body)
    if request.check is not None:
        return Answer(request.check(response), response.status, None, body, headers=response.headers)
    if request.reply is None:
        return Answer(_OK, response.status, None, body, headers=response.headers)
    try:
        reply = _decoder(request.reply).decode(body)
    except UNREADABLE:
        return Answer(Outcome.MALFORMED, response.status, None, body)
    if request.agrees is not None and not request.agrees(reply):
        return Answer(Outcome.MALFORMED, response.status, None, body)
    return Answer(_OK, response.status, reply, body)


@cache
def _decoder(reply: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(reply)
