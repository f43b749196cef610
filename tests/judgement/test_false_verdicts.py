"""How often a whole ramp is wrongly green or red, by simulation: every rule asked, the system exactly at a limit.

A system at its limit is the hardest to tell: whichever way it is decided, a bound has failed. Far from the limit a ramp
is decided rightly all the time.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from known_series import lognormal
from synthetic import Ramp, parse

from prakerja_load.journey.step import Outcome
from prakerja_load.judgement.verdict import Verdict

RUNS = 300
ONCE_IN_TWENTY = 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / RUNS)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def verdicts(make: Callable[[int], Ramp], runs: int = RUNS) -> Counter[Verdict]:
    """Return how often whole ramps, written to disk and judged from it, have each verdict."""
    said: Counter[Verdict] = Counter()
    for seed in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            said[make(seed).judge(Path(folder) / "ramp").verdict] += 1
    return said


def as_slow_as(p99: float, correlation_times: float, *scenario: str) -> Callable[[int], Ramp]:
    """Return what makes ramps whose elapsed time to step 1 has this true p99; the other steps take next to nothing."""

    def make(seed: int) -> Ramp:
        ramp = Ramp(scenario=parse(*scenario), seed=seed)
        known = lognormal(np.random.default_rng(seed), 1, ramp.plan.count, correlation_times, 0.5)
        ramp.service[:, 0] = known.paths[0] * ((p99 - 0.0004) / known.truth(0.99))
        ramp.service[:, 1:] = 0.005
        return ramp

    return make


def failing(share: float, steps: tuple[int, ...]) -> Callable[[int], Ramp]:
    """Return what makes ramps in which these steps fail for a share of the registrants, each for itself."""

    def make(seed: int) -> Ramp:
        # failures are infinite times as well: a p90 forgives them, so that the success ratios are what is at its limit
        ramp = Ramp(scenario=parse("objectives.journey_success=0.9", "objectives.quantile=0.9"), seed=seed)
        random = np.random.default_rng(seed)
        for step in steps:
            ramp.fail(step, random.random(ramp.plan.count) < share, Outcome.ERROR, 0.01)
        return ramp

    return make


LIMIT = 1.5  # s, of elapsed to step 1


@pytest.mark.parametrize("correlation_times", [2_000, 200, 20])
@pytest.mark.parametrize("looks", [1, 3])
def test_a_ramp_whose_p99_is_its_limit_is_decided_wrongly_once_in_twenty_at_most(
    correlation_times: float, looks: int
) -> None:
    said = verdicts(as_slow_as(LIMIT, correlation_times, f"objectives.looks={looks}"))

    assert said[Verdict.SUSTAINED] / RUNS <= ONCE_IN_TWENTY
    assert said[Verdict.NOT_SUSTAINED] / RUNS <= ONCE_IN_TWENTY


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
