"""The backlog: it stands still where everybody is served, and grows by the share that is not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from synthetic import OPTIONS, Ramp, parse

from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement.backlog import drain_time, growth, owed, waiting
from prakerja_load.judgement.case import Case, open_case


def case_of(ramp: Ramp, folder: Path) -> Case:
    return open_case(ramp.evidence(folder), ramp.scenario, ramp.plan, make_journey(OPTIONS).steps)


def test_think_time_is_no_backlog(tmp_path: Path) -> None:
    ramp = Ramp()
    case = case_of(ramp, tmp_path)
    instants = np.arange(20.0, 60.0)

    mean = float(waiting(case.history, instants).mean())

    # Little: 100 arrivals/s, 4 requests of 25 ms each, and 0.4 ms of lateness before the first
    assert mean == pytest.approx(100 * 4 * 0.025, rel=0.1)


def test_what_the_system_owes_is_the_rate_times_the_time_it_takes(tmp_path: Path) -> None:
    ramp = Ramp()
    assert owed(case_of(ramp, tmp_path / "whole")) == pytest.approx(100 * 4 * 0.025, rel=0.1)

    ramp.fail(2, np.arange(0, ramp.plan.count, 10), Outcome.ERROR, 0.001)
    # who left after a failure waits no more: two requests of every tenth, and the failing one took 1 ms
    assert owed(case_of(ramp, tmp_path / "failing")) == pytest.approx(100 * (0.9 * 4 * 0.025 + 0.1 * 0.026), rel=0.1)


def test_a_steady_system_has_no_growth(tmp_path: Path) -> None:
    estimate = growth(case_of(Ramp(), tmp_path))

    assert abs(estimate.value) < 0.002
    assert estimate.high < 0.01


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_a_system_that_serves_too_few_falls_behind_by_just_that_share(tmp_path: Path, share: float) -> None:
    ramp = Ramp()
    ramp.service[:, 0] = ramp.due * share / (1 - share)  # departures at (1 − share) of the rate of arrivals

    estimate = growth(case_of(ramp, tmp_path))

    assert estimate.value == pytest.approx(share, rel=0.03)
    assert 0.01 < estimate.low < estimate.high


def test_failing_fast_does_not_shorten_the_backlog(tmp_path: Path) -> None:
    ramp = Ramp()
    failing = np.arange(0, ramp.plan.count, 10)
    ramp.fail(2, failing, Outcome.ERROR, 0.001)

    assert growth(case_of(ramp, tmp_path)).value == pytest.approx(0.1, rel=0.05)


def test_arrivals_that_were_never_served_are_owed_for_good(tmp_path: Path) -> None:
    ramp = Ramp(dropped=slice(0, 100))
    ramp.fail(1, slice(100, 110), Outcome.IN_FLIGHT)

    last = waiting(case_of(ramp, tmp_path).history, np.array([1e6]))

    assert last.tolist() == [110]


def test_no_arrival_has_no_growth(tmp_path: Path) -> None:
    estimate = growth(case_of(Ramp(unrecorded=slice(0, None)), tmp_path))

    assert estimate.n == 0


def test_a_drain_ends_with_the_last_journey(tmp_path: Path) -> None:
    ramp = Ramp()
    ramp.service[:] = 0.1
    history = case_of(ramp, tmp_path).history

    assert drain_time(history) == pytest.approx(0.4 + 3 * 0.2 + 0.0004, abs=1e-6)


def test_a_journey_that_never_ended_never_drains(tmp_path: Path) -> None:
    ramp = Ramp(scenario=parse()).fail(4, slice(5, 6), Outcome.IN_FLIGHT)

    assert drain_time(case_of(ramp, tmp_path).history) == math.inf
