"""What the tables and charts of a ramp show: rows by step, and curves by second."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from prakerja_load.journey.step import Ending, Outcome, Step
from prakerja_load.judgement.case import SHOWN, Case
from prakerja_load.judgement.estimate import NOTHING, Array, Estimate, quantiles, rate
from prakerja_load.judgement.history import History
from prakerja_load.judgement.verdict import Series, StepRow
from prakerja_load.units import SECOND_NS

THROUGHPUT_BATCHES = 20


def step_rows(case: Case) -> tuple[StepRow, ...]:
    """Return one row a step of the journey, looks into the laboratory's outbox last."""
    return tuple(_step_row(case, step) for step in sorted(case.steps, key=lambda step: step.number))


def _step_row(case: Case, step: Step) -> StepRow:
    history = case.history
    part = history.of_step(step.number)
    judged = case.judged_requests[part]
    requests = history.samples[part][judged]
    started, finished, due = (requests[name] / SECOND_NS for name in ("started", "finished", "due"))
    response = np.where(history.is_expected[part][judged], finished - due, np.inf)
    return StepRow(
        number=step.number,
        name=step.name,
        is_gated=step.is_gated,
        requests=requests.size,
        outcomes=_counts(requests["outcome"], Outcome),
        elapsed=_labeled(case.elapsed_estimates[step.number]) if step.is_gated else {},
        service=_labeled(quantiles(finished - started, SHOWN, case.alpha, is_whole=case.is_curve)),
        response=_labeled(
            quantiles(response[history.is_last[part][judged]], SHOWN, case.alpha, is_whole=case.is_curve)
        ),
        success=case.step_success[step.number] if step.is_gated else None,
    )


def journey_row(case: Case) -> StepRow:
    """Return the row of the whole journey, of those who mean to finish it."""
    indices, failed = case.finishers
    return StepRow(
        number=0,
        name="journey",
        is_gated=True,
        requests=indices.size,
        outcomes=_counts(case.history.arrivals["ending"][indices], Ending),
        elapsed=_labeled(case.elapsed_estimates[case.last_step.number]),
        service={},
        response={},
        success=case.success_of(failed),
    )


def _counts(values: NDArray[np.uint8], names: type[Outcome] | type[Ending]) -> dict[str, int]:
    counts = np.bincount(values, minlength=len(names))
    return {name.name.lower(): int(counts[name]) for name in names if counts[name]}


def _labeled(estimates: Mapping[float, Estimate]) -> dict[str, Estimate]:
    return {f"p{100 * share:g}": estimate for share, estimate in estimates.items()}


def throughput(case: Case) -> Estimate:
    """Return the journeys completed per second over the judged window, with bounds from batch means."""
    done = case.history.has_ended(Ending.COMPLETED)
    finished = case.history.arrivals["finished"][done] / SECOND_NS
    if not finished.size:
        return NOTHING
    edges = np.linspace(case.window.start, case.window.stop, THROUGHPUT_BATCHES + 1)
    return rate(np.histogram(finished, edges)[0], case.window.length / THROUGHPUT_BATCHES, case.alpha)


def series(case: Case) -> Series:
    """Return the curves per second, from the epoch to the end of the last journey."""
    history = case.history
    started = history.arrivals["started"][history.is_started] / SECOND_NS
    is_over = history.is_started & (history.arrivals["finished"] >= 0)
    left = history.arrivals["finished"][is_over] / SECOND_NS
    done = history.arrivals["finished"][is_over & history.has_ended(Ending.COMPLETED)] / SECOND_NS
    seconds = int(max(history.intended.max(initial=0.0), left.max(initial=0.0))) + 1
    journey = history.elapsed_to(case.last_step.number, np.ones(history.count, np.bool_))
    due = history.intended[journey.indices]
    asked = history.seconds("started")
    inside = _by_second(started, seconds).cumsum() - _by_second(left, seconds).cumsum()
    return Series(
        second=tuple(map(float, range(seconds))),
        offered=_floats(_by_second(history.intended, seconds)),
        started=_floats(_by_second(started, seconds)),
        finished=_floats(_by_second(done, seconds)),
        elapsed_p50=_floats(_quantile_by_second(due, journey.seconds, 0.5, seconds)),
        elapsed_p99=_floats(_quantile_by_second(due, journey.seconds, 0.99, seconds)),
        service_p99=_floats(_quantile_by_second(asked, history.seconds("finished") - asked, 0.99, seconds)),
        in_flight=_floats(inside),
    )


def _floats(values: NDArray[np.float64] | NDArray[np.int64]) -> tuple[float, ...]:
    return tuple(np.asarray(values, np.float64).tolist())


def _by_second(times: Array, seconds: int) -> NDArray[np.int64]:
    return np.bincount(np.clip(times.astype(np.int64), 0, seconds - 1), minlength=seconds)


def _quantile_by_second(times: Array, values: Array, share: float, seconds: int) -> Array:
    """Return the quantile by nearest rank of the values of each second, NaN where there are none."""
    second = np.clip(times.astype(np.int64), 0, seconds - 1)
    ordered = values[np.lexsort((values, second))]
    counts = np.bincount(second, minlength=seconds)
    starts = np.cumsum(counts) - counts
    rank = np.maximum(np.ceil(share * counts - 1e-9).astype(np.int64), 1) - 1
    picked = np.full(seconds, np.nan)
    has_any = counts > 0
    picked[has_any] = ordered[(starts + rank)[has_any]]
    return picked


def lateness(history: History, judged: NDArray[np.bool_]) -> Array:
    """Return started − intended of every judged arrival that started."""
    started = judged & history.is_started
    late: Array = history.arrivals["started"][started] / SECOND_NS - history.intended[started]
    return late
