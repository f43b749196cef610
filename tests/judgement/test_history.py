"""What happened, laid out from records in any order, repeated, foreign or missing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.evidence.sample import ARRIVAL, SAMPLE
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.judgement.history import History, lay_out
from prakerja_load.units import SECOND_NS

DUE = np.arange(6) * 1.0
OK, TIMEOUT, ERROR = Outcome.OK, Outcome.TIMEOUT, Outcome.ERROR
ALL = np.ones(6, np.bool_)


def ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def sample(
    index: int, step: int, started: float, finished: float, outcome: Outcome = OK, **more: Any
) -> tuple[Any, ...]:
    think, attempt = ns(more.get("think", 0)), more.get("attempt", 0)
    return (index, step, attempt, outcome, 200, ns(index), think, ns(started), ns(started), ns(finished))


def arrival(index: int, ending: Ending, meant: int = 2, finished: float = 9) -> tuple[Any, ...]:
    started = -1 if ending == Ending.DROPPED else ns(index)
    return (index, ns(index), started, ns(finished), 0, meant, 0, ending)


SAMPLES = np.array(
    [
        sample(0, 1, 0.0, 0.25),
        sample(0, 2, 1.25, 1.5, think=1),  # 1 s of it is think time
        sample(1, 1, 1.0, 31.0, TIMEOUT),
        sample(2, 1, 2.0, 2.5, ERROR),
        sample(2, 1, 3.0, 3.5, attempt=1),  # made good by a repeat
        sample(2, 2, 3.5, 4.0),
        sample(3, 1, 3.0, 3.125),  # completed after one step, as a refused person does
        sample(4, 1, 4.0, 4.5),  # of a worker that was lost
    ],
    SAMPLE,
)
ARRIVALS = np.array(
    [
        arrival(0, Ending.COMPLETED),
        arrival(1, Ending.GAVE_UP),
        arrival(2, Ending.COMPLETED),
        arrival(3, Ending.COMPLETED),
        arrival(5, Ending.DROPPED),
    ],
    ARRIVAL,
)


def history(samples: NDArray[Any] = SAMPLES, arrivals: NDArray[Any] = ARRIVALS) -> History:
    return lay_out(DUE, arrivals, samples)


def test_elapsed_counts_from_the_intended_arrival_without_think_time() -> None:
    elapsed = history().elapsed_to(2, ALL)

    assert elapsed.indices.tolist() == [0, 1, 2, 5]
    assert elapsed.seconds.tolist() == [0.5, math.inf, 2.0, math.inf]


def test_the_last_attempt_counts_and_a_failure_is_infinite() -> None:
    assert history().elapsed_to(1, ALL).seconds.tolist() == [0.25, math.inf, 1.5, 0.125, math.inf]


def test_a_last_attempt_that_failed_is_infinite_even_where_the_journey_completed() -> None:
    broken = np.append(SAMPLES, np.array([sample(0, 2, 2, 3, ERROR, attempt=1)], SAMPLE))

    assert history(broken).elapsed_to(2, ALL).seconds.tolist()[0] == math.inf


def test_only_those_who_mean_to_come_this_far_are_asked() -> None:
    arrivals = ARRIVALS.copy()
    arrivals["meant"][1] = 1

    assert history(arrivals=arrivals).elapsed_to(2, ALL).indices.tolist() == [0, 2, 5]


def test_only_judged_arrivals_are_asked() -> None:
    assert history().elapsed_to(1, DUE < 1).indices.tolist() == [0]


def test_requests_without_a_closing_record_are_left_out() -> None:
    laid = history()

    assert laid.samples.size == 7
    assert laid.is_recorded.tolist() == [True, True, True, True, False, True]
    assert laid.is_started.tolist() == [True, True, True, True, False, False]


def test_the_order_of_records_is_of_no_account() -> None:
    one, other = history(), history(SAMPLES[::-1], ARRIVALS[::-1])

    assert one.samples.tobytes() == other.samples.tobytes()
    assert one.arrivals.tobytes() == other.arrivals.tobytes()


def test_repeated_and_foreign_records_are_counted_and_change_nothing() -> None:
    strangers = np.array([sample(6, 1, 6, 7), sample(-1, 1, 6, 7)], SAMPLE)
    doubled = history(np.concatenate([SAMPLES, SAMPLES[:2], strangers]), np.concatenate([ARRIVALS, ARRIVALS[:1]]))

    assert (doubled.strange, doubled.repeated) == (2, 3)
    assert doubled.samples.tobytes() == history().samples.tobytes()


def test_outcomes_are_those_of_the_last_attempts_in_the_order_of_arrival() -> None:
    indices, outcomes = history().outcomes_at(1, ALL)

    assert indices.tolist() == [0, 1, 2, 3]
    assert outcomes.tolist() == [OK, TIMEOUT, OK, OK]
    assert history().untimed_failures().tolist() == [False] * 6


def test_an_error_at_the_end_of_a_step_is_no_matter_of_time() -> None:
    broken = SAMPLES.copy()
    broken["outcome"][2] = ERROR

    assert history(broken).untimed_failures().tolist() == [False, True, False, False, False, False]


def test_a_ramp_without_records_has_a_history_of_nothing() -> None:
    empty = lay_out(DUE, np.empty(0, ARRIVAL), np.empty(0, SAMPLE))

    assert empty.elapsed_to(1, ALL).seconds.size == 0
    assert empty.is_last.size == 0
    assert (empty.count, empty.strange, empty.repeated) == (6, 0, 0)
