"""The capacity search against thousands of oracles that know the truth; no server, no clock."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import pytest

from prakerja_load.judgement.capacity import (
    Attempt,
    CapacityInterval,
    Ending,
    Next,
    Purpose,
    Search,
    Standing,
    conclude,
    decide,
    standing,
)
from prakerja_load.judgement.verdict import Verdict

SUSTAINED, INCONCLUSIVE, NOT_SUSTAINED = Verdict
Oracle = Callable[[Next], Verdict]


def play(oracle: Oracle, search: Search) -> tuple[list[Attempt], Ending]:
    """Ask an oracle for verdicts until the search is over."""
    attempts: list[Attempt] = []
    while isinstance(step := decide(attempts, search), Next):
        attempts.append(Attempt(step.rate, oracle(step), step.purpose))
    return attempts, step


def below(capacity: float) -> Oracle:
    return lambda step: SUSTAINED if step.rate <= capacity else NOT_SUSTAINED


def random_search(chance: random.Random) -> Search:
    start = math.exp(chance.uniform(-2, 8))
    return Search(
        start, chance.uniform(0.005, 0.2), chance.uniform(1.2, 4), lowest=start * 1e-3, highest=start * 1e3, most=200
    )


def oracles(count: int) -> Iterator[tuple[random.Random, Search, float]]:
    for seed in range(count):
        chance = random.Random(seed)
        search = random_search(chance)
        yield chance, search, search.start * math.exp(chance.uniform(-2.5, 2.5))


def test_20_000_random_monotone_oracles_are_found_within_the_precision() -> None:
    for _, search, capacity in oracles(20_000):
        attempts, ending = play(below(capacity), search)
        found = conclude(attempts)

        assert ending is Ending.FOUND
        assert found.is_confirmed
        assert found.passed is not None
        assert found.failed is not None
        assert found.passed <= capacity < found.failed
        assert found.failed / found.passed - 1 <= search.precision
        assert (found.undecided, found.unrepeated, found.unsteady, found.above_a_fail) == ((), (), (), ())


def test_noisy_oracles_are_found_within_the_width_of_their_noise() -> None:
    """A verdict flips with the logistic chance of width w around the capacity: within 4·w and the precision of it."""
    errors = 0
    for chance, search, capacity in oracles(4_000):
        width = chance.uniform(0.0, 0.05)

        def verdict(
            step: Next, capacity: float = capacity, width: float = width, chance: random.Random = chance
        ) -> Verdict:
            x = (step.rate / capacity - 1) / max(width, 1e-9)
            passes = chance.random() < 1 / (1 + math.exp(min(700.0, max(-700.0, x))))
            return SUSTAINED if passes else chance.choice([INCONCLUSIVE, NOT_SUSTAINED])

        attempts, ending = play(verdict, search)
        found = conclude(attempts)
        assert ending is Ending.FOUND
        assert found.passed is not None
        assert found.is_confirmed
        low, high = capacity * (1 - 4 * width) / (1 + search.precision), capacity * (1 + 4 * width)
        errors += not low <= found.passed <= high

    assert errors <= 0.01 * 4_000


def test_a_doubt_never_counts_as_a_pass() -> None:
    for chance, search, capacity in oracles(2_000):
        reach = capacity * math.exp(chance.uniform(-1, 0))

        def verdict(step: Next, capacity: float = capacity, reach: float = reach) -> Verdict:
            if step.rate > reach:
                return INCONCLUSIVE if step.rate <= capacity * 4 else NOT_SUSTAINED
            return SUSTAINED

        attempts, _ = play(verdict, search)
        found = conclude(attempts)
        assert found.passed is not None
        assert reach / (1 + search.precision) <= found.passed <= reach
        assert found.undecided
        assert found.undecided[0] / found.passed - 1 <= search.precision


def test_whatever_an_oracle_says_the_search_ends_and_only_a_pass_is_called_passed() -> None:
    for seed in range(3_000):
        chance = random.Random(seed)

        def verdict(_: Next, chance: random.Random = chance) -> Verdict:
            return chance.choice(list(Verdict))

        attempts, _ = play(verdict, random_search(chance))
        found = conclude(attempts)

        if found.passed is not None:
            assert any(a.rate == found.passed and a.verdict is SUSTAINED for a in attempts)
            assert found.failed is None or found.failed > found.passed
        if found.is_confirmed:
            assert any(
                a.rate == found.passed and a.verdict is SUSTAINED and a.purpose is Purpose.CONFIRM for a in attempts
            )


def test_every_rate_that_did_not_pass_is_tried_once_more_before_it_counts() -> None:
    for _, search, capacity in oracles(500):
        attempts, _ = play(below(capacity), search)
        for place, attempt in enumerate(attempts):
            if attempt.verdict is not SUSTAINED and attempt.purpose is not Purpose.PROBE:
                neighbors = attempts[max(0, place - 1) : place + 2]
                assert sum(other.rate == attempt.rate for other in neighbors) == 2


def test_the_order_of_a_search() -> None:
    attempts, _ = play(below(330), Search(100, precision=0.1, probes=(1.25,)))

    assert [attempt.purpose for attempt in attempts[:4]] == [Purpose.WIDEN] * 4
    assert [attempt.rate for attempt in attempts[:4]] == [100, 200, 400, 400]
    assert [attempt.purpose for attempt in attempts[-2:]] == [Purpose.CONFIRM, Purpose.PROBE]
    assert {attempt.purpose for attempt in attempts[4:-2]} == {Purpose.BISECT}


def test_a_start_that_fails_is_halved_until_a_rate_passes() -> None:
    attempts, _ = play(below(20), Search(100, precision=0.1))

    assert [attempt.rate for attempt in attempts[:7]] == [100, 100, 50, 50, 25, 25, 12.5]


def test_nothing_below_the_lowest_rate_is_tried() -> None:
    attempts, ending = play(below(1), Search(100, lowest=30))

    assert ending is Ending.NOTHING_PASSES
    assert min(attempt.rate for attempt in attempts) == 30
    assert conclude(attempts).passed is None
    assert conclude(attempts).failed == 30


def test_a_system_that_passes_the_highest_rate_has_no_upper_end() -> None:
    attempts, ending = play(below(math.inf), Search(100, highest=1_000))

    assert ending is Ending.CEILING
    assert conclude(attempts) == CapacityInterval(1_000, None, is_confirmed=True)


def test_a_lower_end_that_does_not_hold_for_longer_is_given_up() -> None:
    def verdict(step: Next) -> Verdict:
        limit = 250 if step.purpose is Purpose.CONFIRM else 330
        return SUSTAINED if step.rate <= limit else NOT_SUSTAINED

    attempts, ending = play(verdict, Search(100, precision=0.05))
    found = conclude(attempts)

    assert ending is Ending.FOUND
    assert found.is_confirmed
    assert found.passed is not None
    assert found.failed is not None
    assert found.passed <= 250 < found.failed <= found.passed * 1.05
    assert found.unsteady


def test_a_pass_above_a_fail_is_reported_and_proves_nothing() -> None:
    for seed in range(2_000):
        chance = random.Random(seed)
        capacity = chance.uniform(60, 90)
        search = Search(50, precision=0.05, widening=2.0, probes=(1.25, 1.6))
        # a hole above the capacity, and passes again from 120 % of it on: what adds machines late does this

        def verdict(step: Next, capacity: float = capacity) -> Verdict:
            is_bad = capacity < step.rate <= 1.2 * capacity or (step.rate >= 100 and step.purpose is Purpose.WIDEN)
            return NOT_SUSTAINED if is_bad else SUSTAINED

        attempts, _ = play(verdict, search)
        found = conclude(attempts)

        assert found.passed is not None
        assert found.passed <= capacity
        assert found.above_a_fail
        assert min(found.above_a_fail) > 1.2 * capacity


def test_a_rate_that_failed_once_and_passed_when_repeated_is_called_unsteady() -> None:
    said = iter([SUSTAINED, NOT_SUSTAINED, SUSTAINED])
    attempts, _ = play(lambda step: next(said, below(300)(step)), Search(100))

    assert conclude(attempts).unsteady == (200,)
    assert conclude(attempts).passed is not None


def test_a_search_cut_off_says_what_is_proven_so_far() -> None:
    attempts, _ = play(below(330), Search(100))

    assert conclude([]) == CapacityInterval(None, None, is_confirmed=False)
    assert conclude(attempts[:2]) == CapacityInterval(200, None, is_confirmed=False)
    assert conclude(attempts[:3]) == CapacityInterval(200, None, is_confirmed=False, unrepeated=(400,))
    assert conclude(attempts[:4]) == CapacityInterval(200, 400, is_confirmed=False)


def test_the_number_of_attempts_is_bounded() -> None:
    attempts, ending = play(below(330), Search(100, most=5))

    assert ending is Ending.EXHAUSTED
    assert len(attempts) == 5


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([SUSTAINED], Standing.PASSED),
        ([NOT_SUSTAINED], Standing.OPEN),
        ([INCONCLUSIVE], Standing.OPEN),
        ([NOT_SUSTAINED, SUSTAINED], Standing.PASSED),
        ([INCONCLUSIVE, SUSTAINED], Standing.PASSED),
        ([NOT_SUSTAINED, NOT_SUSTAINED], Standing.FAILED),
        ([NOT_SUSTAINED, INCONCLUSIVE], Standing.FAILED),
        ([INCONCLUSIVE, NOT_SUSTAINED], Standing.FAILED),
        ([INCONCLUSIVE, INCONCLUSIVE], Standing.UNDECIDED),
    ],
)
def test_the_repeat_decides(verdicts: list[Verdict], expected: Standing) -> None:
    assert standing(verdicts) is expected
