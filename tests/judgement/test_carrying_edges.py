"""What a capacity search shows, at the limits: a rate that just breaks a limit, and a median that just bends."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from prakerja_load.judgement.capacity import Purpose
from prakerja_load.judgement.carrying import Knee, find_knee, find_saturation, judge_limits, shape_of
from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.projection import Projected, ScalabilityLaw


def step(rate: float, **known: Any) -> Any:
    """Return as much of a measured step as these look at."""
    usual = {
        "purpose": Purpose.BISECT, "p99_proven": (), "is_broken": False, "is_timed": True, "is_sound": True,
        "is_lagging": False, "p99": None, "p50": None, "served": None,
    }  # fmt: skip
    return SimpleNamespace(rate=rate, **(usual | known))


def bounds(low: float, high: float, n: int = 100) -> Estimate:
    return Estimate((low + high) / 2, low, high, n, float(n))


def proven(*steps: Any) -> dict[float, float | None]:
    return {limit.limit: limit.rate for limit in judge_limits(steps)}


def test_a_p99_just_at_a_limit_does_not_break_it() -> None:
    kept = step(200.0, p99_proven=(1.0,))

    assert proven(kept, step(100.0, p99=bounds(1.0, 1.2)))[1.0] == 200.0
    assert proven(kept, step(100.0, p99=bounds(1.001, 1.2)))[1.0] is None


def test_at_a_rate_that_failed_nothing_is_proven_and_just_below_it_is() -> None:
    assert proven(step(100.0, p99_proven=(1.0,)), step(100.0, is_broken=True))[1.0] is None
    assert proven(step(99.0, p99_proven=(1.0,)), step(100.0, is_broken=True))[1.0] == 99.0
    assert proven(step(99.0, p99_proven=(1.0,)), step(100.0, is_broken=True))[0.5] is None


def test_what_a_late_generator_measured_breaks_no_limit_of_time() -> None:
    kept = step(200.0, p99_proven=(1.0,))

    assert proven(kept, step(100.0, p99=bounds(3.0, 4.0), is_timed=False))[1.0] == 200.0
    assert proven(kept, step(100.0, is_broken=True, is_timed=False))[1.0] is None


def test_a_probe_neither_proves_nor_breaks() -> None:
    probe = step(300.0, p99_proven=(1.0,), purpose=Purpose.PROBE)
    broken = step(100.0, is_broken=True, purpose=Purpose.PROBE)

    assert proven(probe, broken, step(200.0, p99_proven=(1.0,)))[1.0] == 200.0


def test_a_later_look_that_keeps_a_limit_takes_a_failure_back() -> None:
    broken, kept = step(100.0, is_broken=True), step(100.0, p99_proven=(1.0,))

    assert proven(broken, kept)[1.0] == 100.0
    assert proven(kept, broken)[1.0] is None
    assert proven(broken, step(100.0))[1.0] is None


def test_a_median_of_just_twice_the_flat_part_is_flat() -> None:
    steps = [step(100.0, p50=bounds(0.1, 0.1)), step(200.0, p50=bounds(0.2, 0.2))]

    assert find_knee(steps) == Knee(0.1, 200.0, None)
    assert find_knee([*steps, step(300.0, p50=bounds(0.2001, 0.2001))]) == Knee(0.1, 200.0, 300.0)


def test_a_flat_step_above_one_that_bent_is_no_flat_part() -> None:
    medians = {100.0: 0.1, 200.0: 0.3, 300.0: 0.1}

    assert find_knee([step(rate, p50=bounds(p50, p50)) for rate, p50 in medians.items()]) == Knee(0.1, 100.0, 200.0)


def test_an_unsound_or_empty_step_shows_no_knee() -> None:
    good = step(100.0, p50=bounds(0.1, 0.1))

    assert find_knee([step(90.0, p50=bounds(0.01, 0.01), is_sound=False), good]) == Knee(0.1, 100.0, None)
    assert find_knee([step(90.0, p50=bounds(0.01, 0.01, n=0)), good]) == Knee(0.1, 100.0, None)
    assert find_knee([step(90.0), step(95.0, p50=bounds(0.1, 0.1), is_sound=False)]) is None


@pytest.mark.parametrize(
    ("changed", "found"),
    [({}, 90.0), ({"is_sound": False}, 80.0), ({"is_lagging": False}, 80.0), ({"served": bounds(90, 90, n=0)}, 80.0)],
)
def test_saturation_is_the_highest_throughput_of_sound_steps_that_lag(changed: dict[str, Any], found: float) -> None:
    highest = {"is_lagging": True, "served": bounds(90.0, 90.0)} | changed
    steps = [step(100.0, is_lagging=True, served=bounds(80.0, 80.0)), step(200.0, **highest)]

    saturation = find_saturation(steps)

    assert saturation is not None
    assert saturation.value == found


def test_contention_and_crosstalk_are_as_uncertain_as_the_quotients_that_they_are() -> None:
    """The law is fitted in (a, b, c), α is b/a and β is c/a: each moves with both, and with what the two share."""
    a, b, c = 0.02, 0.0008, 0.00001
    covariance = (
        np.diag([2e-4, 1e-4, 4e-7]) @ [[1, -0.4, 0.3], [-0.4, 1, -0.6], [0.3, -0.6, 1]] @ np.diag([2e-4, 1e-4, 4e-7])
    )
    law = ScalabilityLaw(
        gamma=Projected(1 / a, 1 / a, 1 / a), contention=b / a, crosstalk=c / a, peak_at=Projected(40.0, 40.0, 40.0),
        points=8, residual=0.02, reach=100.0, covariance=tuple(map(tuple, covariance.tolist())), freedom=5,
    )  # fmt: skip
    slopes = {"α": np.array([-b / a**2, 1 / a, 0]), "β": np.array([-c / a**2, 0, 1 / a])}
    errors = [4.032143 * math.sqrt(slope @ covariance @ slope) for slope in slopes.values()]  # t(0.995) of 5

    for found, value, error in zip(shape_of(law), (b / a, c / a), errors, strict=True):
        assert found.value == pytest.approx(value)
        assert found.high == pytest.approx(value + error, rel=1e-5)
        assert found.low == pytest.approx(max(0.0, value - error), rel=1e-5)
