"""The search for a generator's ceiling ends, ends high, and never above a rate that was too much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.calibration.ceiling import FIRST, LATEST, MOST_CPU, Trial, ceiling, next_rate


def search(cost: float, latest: float = 1e9) -> list[Trial]:
    """Return the trials of a generator that takes `cost` seconds of CPU an arrival and is late above a rate."""
    trials: list[Trial] = []
    while (rate := next_rate(trials)) is not None:
        late = 0.001 if rate <= latest else 1.0
        trials.append(Trial(rate, min(1.0, 0.02 + cost * rate), late, 0))
    return trials


def test_it_begins_calmly() -> None:
    assert next_rate([]) == FIRST


@given(st.floats(5e-6, 1e-3))
def test_a_generator_bound_by_its_processor_is_found_within_a_fifth(cost: float) -> None:
    trials = search(cost)
    true = (MOST_CPU - 0.02) / cost

    assert len(trials) <= 6
    assert 0.6 * true <= ceiling(trials) <= true


@given(st.floats(40, 20_000))
def test_a_generator_bound_by_lateness_is_never_said_to_do_more_than_it_does(latest: float) -> None:
    trials = search(1e-5, latest)

    assert len(trials) <= 6
    assert 0.2 * latest <= ceiling(trials) <= latest


def test_a_sound_rate_above_one_that_was_too_much_does_not_count() -> None:
    trials = [Trial(500, 0.1, 0.001, 0), Trial(4_000, 0.5, 0.5, 0), Trial(8_000, 0.6, 0.001, 0)]

    assert ceiling(trials) == 500


def test_nothing_sound_is_a_ceiling_of_nothing() -> None:
    assert ceiling([Trial(500, 0.1, 1.0, 0)]) == 0
    assert ceiling([]) == 0


@pytest.mark.parametrize(
    "trial", [Trial(1, MOST_CPU + 0.01, 0, 0), Trial(1, 0.1, LATEST + 0.001, 0), Trial(1, 0.1, 0.001, 1)]
)
def test_a_busy_a_late_and_a_failing_generator_are_unsound(trial: Trial) -> None:
    assert not trial.is_sound
