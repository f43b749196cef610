"""Comparing repeats: what changed is found, what did not is not accused, and what could have been seen is no boast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prakerja_load.judgement.comparison import (
    Comparison,
    Indicator,
    Outcome,
    compare,
    repeats_needed,
    round_share,
    signed_share,
    student_tail,
)

BETTER, SAME, CANNOT_TELL, WORSE = Outcome
REPEATS = 5
TRIALS = 240
STEPS = 9  # of a journey, each with its service time; with p50 and p99 of the journey 11 indicators


def indicator(base: Sequence[float], new: Sequence[float], **more: Any) -> Indicator:
    return Indicator("ramp 1", more.pop("name", "time"), more.pop("unit", "s"), tuple(base), tuple(new), 0.05, **more)


def outcome(base: Sequence[float], new: Sequence[float], **more: Any) -> Outcome:
    (change,) = compare([indicator(base, new, **more)]).changes
    return change.outcome


STEADY = (1.00, 1.01, 0.99, 1.005, 0.995)
CASES: dict[str, tuple[Sequence[float], Sequence[float], dict[str, Any], Outcome]] = {
    "nothing changed": (STEADY, STEADY[::-1], {}, SAME),
    "a fifth slower": (STEADY, [1.2 * value for value in STEADY], {}, WORSE),
    "a fifth quicker": (STEADY, [0.8 * value for value in STEADY], {}, BETTER),
    "a fifth more capacity": (STEADY, [1.2 * value for value in STEADY], {"unit": "1/s", "is_gain": True}, BETTER),
    "a fifth less capacity": (STEADY, [0.8 * value for value in STEADY], {"unit": "1/s", "is_gain": True}, WORSE),
    "slower, but within the tolerance": (STEADY, [1.02 * value for value in STEADY], {}, SAME),
    "a noisy machine": ((1, 1.5, 0.7, 1.2, 0.8), (1.1, 1.6, 0.8, 1.3, 0.9), {}, CANNOT_TELL),
    "one run each": ((1.0,), (9.0,), {}, CANNOT_TELL),
    "one run on one side": (STEADY, (9.0,), {}, CANNOT_TELL),
    "no spread and no change": ((1.0, 1.0), (1.0, 1.0), {}, SAME),
    "every new run fails": (STEADY, [math.inf] * 5, {}, WORSE),
    "some new runs fail": (STEADY, (math.inf, 1.0, 1.01, 0.99, math.inf), {}, CANNOT_TELL),
    "every run fails as before": ([math.inf] * 5, [math.inf] * 5, {}, SAME),
    "something was not measured": (STEADY, (math.nan, *STEADY[1:]), {}, CANNOT_TELL),
    "all succeed": ([1.0] * 5, [1.0] * 5, {"unit": "share", "is_gain": True}, SAME),
    "a tenth fails now": ([1.0] * 5, (0.9, 0.91, 0.89, 0.9, 0.9), {"unit": "share", "is_gain": True}, WORSE),
    "no tenth fails any more": ((0.9, 0.91, 0.89, 0.9, 0.9), [1.0] * 5, {"unit": "share", "is_gain": True}, BETTER),
    "slower, but perhaps the generator was": (STEADY, [1.2] * 5, {"against_worse": "unsound"}, CANNOT_TELL),
    "slower, and the generator can only flatter": (STEADY, [1.2] * 5, {"against_better": "unsound"}, WORSE),
    "quicker, but perhaps it was spared": (STEADY, [0.8] * 5, {"against_better": "unsound"}, CANNOT_TELL),
    "the same, but unsound": (STEADY, STEADY, {"against_better": "unsound"}, CANNOT_TELL),
}


@pytest.mark.parametrize("case", CASES)
def test_each_case_has_its_outcome(case: str) -> None:
    base, new, more, expected = CASES[case]

    assert outcome(base, new, **more) is expected


Spans = Sequence[tuple[float, float]]


def searches(base: Spans, new: Spans) -> Indicator:
    spans = (tuple(base), tuple(new))
    lows = [[low for low, _ in side] for side in spans]
    return indicator(*lows, unit="1/s", is_gain=True, spans=spans)


@pytest.mark.parametrize("new", [(80, 84), (105, 110), (101, 103)])
def test_single_capacity_searches_cannot_tell_and_show_their_intervals(new: tuple[float, float]) -> None:
    for base, other in (([(100, 105)], [new]), ([(100, 105)] * 5, [new]), ([(100, 105)], [new] * 5)):
        (change,) = compare([searches(base, other)]).changes

        assert change.outcome is CANNOT_TELL
        assert "[100, 105) before" in change.reason or "[100, 105), " in change.reason
        assert "give five of each" in change.reason


@pytest.mark.parametrize(
    ("base", "new", "expected"),
    [
        ([(100, 105)] * 5, [(80, 84)] * 5, WORSE),
        ([(100, 105)] * 5, [(105, 110)] * 5, BETTER),
        ([(100, 102)] * 5, [(101, 103)] * 5, SAME),
        ([(100, 110)] * 5, [(100, 110)] * 5, CANNOT_TELL),  # the capacity may be 10 % apart
        ([(100, 110)] * 5, [(92, 101)] * 5, CANNOT_TELL),  # on the rates tried, without spread; both may be 100.5
        ([(100 + k / 10, 105) for k in range(5)], [(93 + k / 10, 105) for k in range(5)], CANNOT_TELL),
        ([(100 + k / 10, 125 + k) for k in range(5)], [(93 + k / 10, 126 + k) for k in range(5)], CANNOT_TELL),
        ([(100 + k / 10, 105 + k / 10) for k in range(5)], [(99 + k / 10, 104 + k / 10) for k in range(5)], SAME),
        ([(100 + k / 10, 105 + k / 10) for k in range(5)], [(93 + k / 10, 98 + k / 10) for k in range(5)], WORSE),
    ],
)
def test_repeated_searches_must_differ_at_both_ends_or_lie_apart(base: Spans, new: Spans, expected: Outcome) -> None:
    (change,) = compare([searches(base, new)]).changes

    assert change.outcome is expected
    assert compare([searches(new, base)]).changes[0].outcome is {WORSE: BETTER, BETTER: WORSE}.get(expected, expected)


def test_repeated_capacity_searches_are_compared_by_their_spread() -> None:
    base, new = [(100.0 + k, 105.0 + k) for k in range(5)], [(80.0 + k, 84.0 + k) for k in range(5)]
    lows = [[low for low, _ in side] for side in (base, new)]

    assert outcome(*lows, unit="1/s", is_gain=True, spans=(tuple(base), tuple(new))) is WORSE


def test_the_worst_indicator_decides_and_is_the_reason() -> None:
    slow = indicator(STEADY, [1.2] * 5, name="slow")
    vague = indicator((1, 2), (1.5, 2.5), name="vague")
    same, quick = indicator(STEADY, STEADY), indicator(STEADY, [0.8] * 5)

    def of(*indicators: Indicator, harm: Sequence[str] = ()) -> Outcome:
        return compare(indicators, harm).outcome

    assert of(same, quick) is BETTER
    assert of(same, quick, vague) is CANNOT_TELL
    assert of(same, quick, vague, slow) is WORSE
    assert of(same, harm=["2 writes lost"]) is WORSE
    assert of() is CANNOT_TELL
    whole = compare([same, vague, slow], ["2 writes lost"])
    assert whole.reasons[0] == "2 writes lost"
    assert [text.startswith("ramp 1, slow: worse: +20") for text in whole.reasons[1:]] == [True]
    assert whole.changes[0].indicator.name == "slow"


def test_exit_codes_are_those_of_a_gate() -> None:
    assert [each.exit_code for each in Outcome] == [0, 0, 3, 1]


def test_a_change_is_told_with_its_bounds_and_its_runs() -> None:
    (change,) = compare([indicator(STEADY, [1.2 * value for value in STEADY])]).changes

    assert change.change == pytest.approx(0.2)
    assert change.low < 0.2 < change.high
    assert (change.base, change.new) == (pytest.approx(1.0, rel=0.01), pytest.approx(1.2, rel=0.01))
    assert change.reason.startswith("ramp 1, time: worse: +20 % (from +")
    assert "5 and 5 runs; could have seen a change of " in change.reason


@pytest.mark.parametrize(
    ("share", "text"), [(0.1, "+10 %"), (-0.05, "−5 %"), (0.0, "+0 %"), (1.237, "+124 %"), (math.inf, "unknown")]
)
def test_changes_have_signs(share: float, text: str) -> None:
    assert signed_share(share) == text


@pytest.mark.parametrize(("t", "freedom", "p"), [(0, 5, 0.5), (1.812, 10, 0.05), (2.776, 4, 0.025), (math.inf, 3, 0)])
def test_student_tails_are_those_of_the_tables(t: float, freedom: float, p: float) -> None:
    assert student_tail(t, freedom) == pytest.approx(p, abs=2e-4)


VALUES = st.lists(st.floats(0.1, 10), min_size=2, max_size=6)


@given(VALUES, VALUES, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_the_order_of_the_runs_is_of_no_account(base: list[float], new: list[float], random: Any) -> None:
    before = compare([indicator(base, new)]).changes[0]
    random.shuffle(base)
    random.shuffle(new)

    after = compare([indicator(base, new)]).changes[0]

    assert (after.outcome, after.change) == (before.outcome, pytest.approx(before.change, rel=1e-9, abs=1e-12))


@given(VALUES, VALUES)
@settings(deadline=None, max_examples=60)
def test_the_other_way_round_says_the_opposite(base: list[float], new: list[float]) -> None:
    opposite = {WORSE: BETTER, BETTER: WORSE}
    forth, back = (compare([indicator(*pair)]).changes[0] for pair in ((base, new), (new, base)))

    assert 1 + back.change == pytest.approx(1 / (1 + forth.change))
    # bounds at the tolerance itself may fall on either side of it
    assert {forth.outcome, back.outcome} & {SAME, CANNOT_TELL} or back.outcome is opposite[forth.outcome]


@given(VALUES, VALUES, st.floats(1.0, 3.0))
@settings(deadline=None, max_examples=60)
def test_slower_new_runs_are_never_better(base: list[float], new: list[float], factor: float) -> None:
    before, after = (outcome(base, [scale * value for value in new]) for scale in (1.0, factor))

    assert not (after is BETTER and before is not BETTER)


# --- how often it is right: a calibrated server in virtual time ------------------------------------------------------


def journeys(random: np.random.Generator, slow_step: float, machine: float) -> NDArray[np.float64]:
    """Return the 11 indicators of a run: 600 journeys of 9 steps of 5 ms + Exp(20 ms), at its own speed."""
    service = (0.005 + 0.02 * random.exponential(size=(600, STEPS))) * random.lognormal(0, machine)
    service[:, 3] *= slow_step
    whole = service.sum(axis=1)
    return np.array([*np.median(service, axis=0), *np.quantile(whole, (0.5, 0.99))])


def compared(draw: Callable[[float], NDArray[np.float64]], slow: float) -> Comparison:
    sides = [np.array([draw(factor) for _ in range(REPEATS)]) for factor in (1.0, slow)]
    return compare([indicator(sides[0][:, k], sides[1][:, k], name=str(k)) for k in range(sides[0].shape[1])])


def outcomes(slow: float, machine: float, seed: int) -> list[Comparison]:
    random = np.random.default_rng(seed)
    return [compared(lambda factor: journeys(random, factor, machine), slow) for _ in range(TRIALS)]


def most(share: float) -> float:
    """Return the count that a share of the trials exceeds by chance once in a thousand."""
    return TRIALS * share + 3.1 * math.sqrt(TRIALS * share * (1 - share))


def test_a_calibrated_step_ten_per_cent_slower_is_caught_with_five_repeats_each() -> None:
    # 600 journeys give a median of a step to ±4 %; a real run has ten times as many and ±1.4 %
    random = np.random.default_rng(1)

    def draw(factor: float) -> NDArray[np.float64]:
        service = np.exp(random.normal(0, 0.014, STEPS)) * random.lognormal(0, 0.01)
        service[3] *= factor
        return np.array([*service, service.sum(), 1.2 * service.sum()])

    caught = [compared(draw, 1.1) for _ in range(TRIALS)]

    assert sum(one.outcome is WORSE for one in caught) >= 0.95 * TRIALS
    assert all(one.changes[0].indicator.name == "3" for one in caught if one.outcome is WORSE)


@pytest.mark.parametrize("machine", [0.01, 0.1])
def test_an_unchanged_system_is_accused_in_at_most_one_comparison_of_twenty(machine: float) -> None:
    unchanged = outcomes(1.0, machine, seed=2)

    assert sum(one.outcome is WORSE for one in unchanged) <= most(0.05)
    assert sum(any(change.outcome is BETTER for change in one.changes) for one in unchanged) <= most(0.05)


@pytest.mark.parametrize("sd", [0.03, 0.12])
def test_what_it_says_it_could_have_seen_it_sees(sd: float) -> None:
    """At 8 degrees of freedom and 11 indicators the reach is t(99.545 %) + t(95 %) = 3.44 + 1.86 errors."""
    reach = (3.44 + 1.86) * sd * math.sqrt(2 / REPEATS)
    random = np.random.default_rng(3)

    def draw(factor: float) -> NDArray[np.float64]:
        return np.array([factor, *[1.0] * 10]) * random.lognormal(0, sd, 11)

    found = [compared(draw, math.exp(reach)) for _ in range(TRIALS)]
    first = [next(change for change in one.changes if change.indicator.name == "0") for one in found]

    assert np.median([change.seen for change in first]) == pytest.approx(math.expm1(reach), rel=0.15)
    assert sum(change.outcome is WORSE for change in first) >= 0.9 * TRIALS


def test_on_a_noisy_machine_the_power_it_really_has_is_printed_instead_of_claimed() -> None:
    random = np.random.default_rng(5)
    noisy = [compared(lambda factor: factor * random.lognormal(0, 0.15, 3), 1.1) for _ in range(60)]

    assert sum(one.outcome is CANNOT_TELL for one in noisy) >= 40
    for change in (change for one in noisy for change in one.changes if change.outcome is CANNOT_TELL):
        assert change.seen > 0.10
        assert f"could have seen a change of {round_share(change.seen)}" in change.reason


def test_the_repeats_it_asks_for_are_enough() -> None:
    random = np.random.default_rng(4)
    noisy = [compared(lambda factor: random.lognormal(0, 0.06, 3), 1.0) for _ in range(30)]
    asked = [repeats_needed(one.changes[0], 0.10, 3) for one in noisy]
    known = [runs for runs in asked if runs is not None]

    assert len(known) == 30
    # σ = 6 %: 2 · ((t(1.7 %) + t(5 %)) · σ / ln 1.1)² ≈ 12
    assert 8 <= np.median(known) <= 18
    assert repeats_needed(compare([indicator((1.0,), (2.0,))]).changes[0], 0.1, 1) is None
