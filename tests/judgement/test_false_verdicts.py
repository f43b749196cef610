"""How often a whole ramp is wrongly green or red, by simulation: every rule asked, the system exactly at a limit.

A system at its limit is the hardest to tell: whichever way it is decided, a bound has failed. Far from the limit a ramp
is decided rightly all the time.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from known_series import lognormal
from synthetic import Ramp, parse

from prakerja_load.journey.step import Outcome
from prakerja_load.judgement.verdict import Verdict

RUNS, MANY = 300, 1_000


def once_in_twenty(runs: int) -> float:
    """Return the share that an error of 5 % exceeds by chance once in two hundred."""
    return 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / runs)


ONCE_IN_TWENTY = once_in_twenty(RUNS)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def verdicts(make: Callable[[int], Ramp], runs: int = RUNS) -> Counter[Verdict]:
    """Return how often whole ramps, written to disk and judged from it, have each verdict."""
    said: Counter[Verdict] = Counter()
    for seed in range(runs):
        said[first_decision([make], seed)] += 1
    return said


def first_decision(looks: Sequence[Callable[[int], Ramp]], seed: int) -> Verdict:
    """Return the first verdict other than INCONCLUSIVE of the same ramp judged again and again, longer every time."""
    for make in looks:
        with tempfile.TemporaryDirectory() as folder:
            verdict = make(seed).judge(Path(folder) / "ramp").verdict
        if verdict is not Verdict.INCONCLUSIVE:
            return verdict
    return Verdict.INCONCLUSIVE


def shown(name: str, said: Counter[Verdict]) -> Counter[Verdict]:
    """Print the rates, and return the counts."""
    rates = ", ".join(f"{verdict.name} {count / said.total():.1%}" for verdict, count in sorted(said.items()))
    print(f"{name}: {rates} of {said.total()}")  # noqa: T201
    return said


def as_slow_as(p99: float, correlation_times: float, *scenario: str) -> Callable[[int], Ramp]:
    """Return what makes ramps whose elapsed time to step 1 has this true p99; the other steps take next to nothing.

    A shorter hold has the same arrivals and the same times as the beginning of a longer one, of 60 s at most.
    """
    longest = Ramp(scenario=parse()).plan.count

    def make(seed: int) -> Ramp:
        ramp = Ramp(scenario=parse(*scenario), seed=seed)
        known = lognormal(np.random.default_rng(seed), 1, longest, correlation_times, 0.5)
        ramp.service[:, 0] = known.paths[0, : ramp.plan.count] * ((p99 - 0.0004) / known.truth(0.99))
        ramp.service[:, 1:] = 0.005
        return ramp

    return make


def failing(share: float, steps: tuple[int, ...]) -> Callable[[int], Ramp]:
    """Return what makes ramps in which these steps fail for a share of the registrants, each for itself."""

    def make(seed: int) -> Ramp:
        # failures are infinite times as well: a p90 forgives them, so that the success ratios are what is at its limit
        # and who fails is never served: the backlog is to have room for that
        loose = ("objectives.journey_success=0.9", "objectives.quantile=0.9", "objectives.completed_share=0.9")
        ramp = Ramp(scenario=parse(*loose), seed=seed)
        random = np.random.default_rng(seed)
        for step in steps:
            ramp.fail(step, random.random(ramp.plan.count) < share, Outcome.ERROR, 0.01)
        return ramp

    return make


LIMIT = 1.5  # s, of elapsed to step 1


def one_look(correlation_times: float, runs: int) -> Counter[Verdict]:
    said = verdicts(as_slow_as(LIMIT, correlation_times), runs)
    return shown(f"p99 at its limit, {correlation_times:g} correlation times, one look", said)


def three_looks(correlation_times: float, runs: int) -> Counter[Verdict]:
    """Judge every ramp after a third, two thirds and all of its hold, each at a third of the error."""
    sizes = ("objectives.looks=3", "objectives.judged=20s", "objectives.arrivals=2000")
    parts = [as_slow_as(LIMIT, correlation_times, *sizes, f"ramps.1.hold={hold}s") for hold in (20, 40, 60)]
    said = Counter(first_decision(parts, seed) for seed in range(runs))
    return shown(f"p99 at its limit, {correlation_times:g} correlation times, three looks", said)


@pytest.mark.parametrize("correlation_times", [2_000, 200, 20])
@pytest.mark.parametrize("judged", [one_look, three_looks])
def test_a_ramp_whose_p99_is_its_limit_is_decided_wrongly_once_in_twenty_at_most(
    correlation_times: float, judged: Callable[[float, int], Counter[Verdict]]
) -> None:
    runs = MANY if correlation_times == 2_000 else RUNS
    said = judged(correlation_times, runs)

    assert said[Verdict.SUSTAINED] / runs <= once_in_twenty(runs)
    assert said[Verdict.NOT_SUSTAINED] / runs <= once_in_twenty(runs)


def test_a_ramp_that_fails_as_often_as_its_limit_is_decided_wrongly_once_in_twenty_at_most() -> None:
    said = verdicts(failing(0.005, (3,)))

    assert said[Verdict.SUSTAINED] / RUNS <= ONCE_IN_TWENTY
    assert said[Verdict.NOT_SUSTAINED] / RUNS <= ONCE_IN_TWENTY


def test_of_three_objectives_at_their_limits_each_may_be_what_accuses_but_all_must_err_to_be_green() -> None:
    """The error of 5 % is each objective's own: red if one of them errs, green only if all do."""
    said = verdicts(failing(0.005, (1, 2, 3)))

    assert said[Verdict.SUSTAINED] / RUNS <= 0.02
    assert said[Verdict.NOT_SUSTAINED] / RUNS <= 1 - 0.95**3 + 2.6 * math.sqrt(0.15 * 0.85 / RUNS)


def test_a_ramp_well_inside_every_limit_is_never_accused_and_nearly_always_proven() -> None:
    said = verdicts(as_slow_as(0.5, 2_000), 100)

    assert said[Verdict.NOT_SUSTAINED] == 0
    assert said[Verdict.SUSTAINED] >= 95


def test_a_ramp_twice_as_slow_as_its_limit_is_always_found_out() -> None:
    assert verdicts(as_slow_as(2 * LIMIT, 2_000), 100) == {Verdict.NOT_SUSTAINED: 100}
