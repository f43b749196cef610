"""Consent is asked for while the load runs; its end is heard of in time, however it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from prakerja_load.driver import guard
from prakerja_load.driver.consent import watch_consent
from prakerja_load.driver.guard import Target
from prakerja_load.errors import AuthorizationError

ELSEWHERE = Target("http", "staging.example", 80, ("192.0.2.1",))
HERE = Target("http", "localhost", 80, ("127.0.0.1",))


def watched(ask: Callable[[], None], target: Target = ELSEWHERE) -> tuple[list[str], float]:
    """Return why the load was stopped, and after how many seconds."""
    why: list[str] = []
    began = time.monotonic()
    watch_consent(target, ask, why.append)
    return why, time.monotonic() - began


def test_a_target_on_this_machine_is_not_asked() -> None:
    def ask() -> None:
        pytest.fail("asked")

    assert watched(ask, HERE)[0] == []


def test_it_is_asked_until_it_no_longer_consents_and_then_the_load_is_stopped_once() -> None:
    answers: Iterator[str] = iter(["", "it answered 404"])
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        if said := next(answers):
            raise AuthorizationError(said)

    why, seconds = watched(ask)

    assert why == ["authorisation withdrawn: it answered 404"]
    assert len(asked) == 2
    assert 2 * guard.RECHECK_EVERY <= seconds < 2 * guard.RECHECK_EVERY + 1


def test_a_target_that_does_not_answer_in_time_has_stopped_the_load_within_five_seconds() -> None:
    is_over = threading.Event()

    why, seconds = watched(lambda: is_over.wait(20) and None)
    is_over.set()

    assert len(why) == 1
    assert "not answered within 2.5 s" in why[0]
    assert seconds < 5.0
