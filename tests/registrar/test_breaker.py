"""The circuit breaker's laws: it opens, rests, tries once, closes; late news changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from prakerja_load.registrar.breaker import Breaker, BreakerRules, BreakerState

RULES = BreakerRules(failures=3, rest=5.0)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(RULES)
    for _ in range(RULES.failures):
        call = breaker.ask(now)
        assert call is not None
        breaker.failed(call, now)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(RULES)
    for is_answered in (False, False, True, False, False):
        call = breaker.ask(0)
        assert call is not None
        if is_answered:
            breaker.succeeded(call)
        else:
            breaker.failed(call, 0)
    assert breaker.state is BreakerState.CLOSED
    call = breaker.ask(0)
    assert call is not None
    breaker.failed(call, 0)
    assert (breaker.state, breaker.openings, breaker.rests_for(1)) == (BreakerState.OPEN, 1, 4)


def test_after_its_rest_one_call_decides() -> None:
    breaker = opened()
    assert breaker.ask(4.9) is None
    trial = breaker.ask(5.0)
    assert trial is not None
    assert breaker.ask(5.0) is None
    breaker.failed(trial, 6.0)
    assert breaker.ask(10.9) is None
    second = breaker.ask(11.0)
    assert second is not None
    breaker.succeeded(second)
    assert breaker.state is BreakerState.CLOSED


def test_a_trial_that_is_given_up_makes_room_for_another() -> None:
    breaker = opened()
    trial = breaker.ask(5.0)
    assert trial is not None
    breaker.withdrew(trial)
    assert breaker.ask(5.0) is not None


def test_calls_from_before_the_opening_neither_close_nor_prolong_it() -> None:
    breaker = Breaker(RULES)
    early = [breaker.ask(0) for _ in range(5)]
    for call in early[:3]:
        assert call is not None
        breaker.failed(call, 1)
    assert early[3] is not None
    breaker.succeeded(early[3])
    breaker.failed(early[3], 4)
    assert breaker.state is BreakerState.OPEN
    assert breaker.ask(6) is not None


@given(st.integers(1, 10), st.floats(0, 4.99))
def test_nobody_calls_while_it_rests(askers: int, moment: float) -> None:
    breaker = opened()
    assert [breaker.ask(moment) for _ in range(askers)] == [None] * askers


class AnyUse(RuleBasedStateMachine):
    """Calls that end in any order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(RULES)
        self.calls: list[int] = []
        self.trials: set[int] = set()

    @rule(pause=st.integers(0, 6))
    def wait(self, pause: int) -> None:
        self.now += pause

    @rule()
    def ask(self) -> None:
        rests = self.breaker.rests_for(self.now) > 0
        call = self.breaker.ask(self.now)
        assert call is None or not rests
        if call is not None:
            self.calls.append(call)
            if self.breaker.state is BreakerState.HALF_OPEN:
                assert call not in self.trials
                self.trials.add(call)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), end=st.sampled_from(["succeeded", "failed", "withdrew"]))
    def end(self, data: st.DataObject, end: str) -> None:
        call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        self.trials.discard(call)
        if end == "failed":
            self.breaker.failed(call, self.now)
        else:
            getattr(self.breaker, end)(call)

    @invariant()
    def it_never_rests_longer_than_it_should(self) -> None:
        assert 0 <= self.breaker.rests_for(self.now) <= RULES.rest

    def teardown(self) -> None:
        for call in self.calls:
            self.breaker.withdrew(call)
        last = self.breaker.ask(self.now + RULES.rest)
        assert last is not None
        self.breaker.succeeded(last)
        assert self.breaker.state is BreakerState.CLOSED


TestAnyUse = AnyUse.TestCase
