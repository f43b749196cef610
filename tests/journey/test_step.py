"""Idempotency keys, and journeys for another system."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journey_people import registrant

from prakerja_load.journey.play import play
from prakerja_load.journey.step import (
    MISTYPED,
    Ending,
    Journey,
    Outcome,
    Pause,
    Registrant,
    Request,
    Response,
    Script,
    Step,
    key_of,
    mistyped_key,
    parse_key,
)


class QueueTicket:
    """A journey for another system: ask for a ticket, wait, see whether it was called."""

    name = "queue-ticket"
    steps = (Step(1, "ask", is_stored=True), Step(2, "look"))

    def script(self, registrant: Registrant) -> Script:
        ask, look = self.steps
        body = json.dumps({"name": registrant.profile.full_name}).encode()
        answer = yield Request(
            ask, "POST", "/tickets", body, key=key_of(registrant.run, registrant.index, 1), ok=(201,)
        )
        if answer.outcome != Outcome.OK:
            return Ending.FAILED
        yield Pause(60)
        answer = yield Request(look, "GET", "/board", reply=dict[str, int])
        return Ending.COMPLETED if answer.outcome == Outcome.OK else Ending.FAILED

    def meant_to_reach(self, registrant: Registrant) -> int:
        return 2

    def stored(self, registrant: Registrant, step: Step) -> dict[str, object]:
        return {"name": registrant.profile.full_name} if step.is_stored else {}


def test_a_journey_for_another_system_plays_like_ours() -> None:
    journey: Journey = QueueTicket()
    answers = {"/tickets": Response(201, b"{}"), "/board": Response(200, b'{"now": 4}')}

    result = play(journey.script(registrant(0)), lambda request: answers[request.path])

    assert result.outcomes == [("ask", Outcome.OK), ("look", Outcome.OK)]
    assert result.exchanges[1][1].reply == {"now": 4}
    assert (result.ending, result.reached, result.planned) == (Ending.COMPLETED, 2, 60.0)


def test_a_journey_for_another_system_may_fail() -> None:
    result = play(QueueTicket().script(registrant(0)), lambda request: Response(500))

    assert (result.ending, result.reached) == (Ending.FAILED, 0)


@settings(deadline=None, max_examples=60)
@given(st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True), st.integers(0, 10**9), st.integers(1, 99))
def test_a_key_says_run_index_and_step(run: str, index: int, step: int) -> None:
    assert parse_key(key_of(run, index, step)) == (run, index, step)
    assert parse_key(mistyped_key(run, index, step)) == (run, index, MISTYPED + step)
    assert len(mistyped_key(run, index, step)) <= 64


@pytest.mark.parametrize("key", ["", "a", "a-1", "-1-2", "a-b-2", "a-1-b", "7f0c2d4e-98b1"])
def test_a_key_of_another_make_is_foreign(key: str) -> None:
    assert parse_key(key) is None
