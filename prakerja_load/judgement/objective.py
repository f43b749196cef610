"""Objectives: each limit of a scenario judged on the bounds of its estimate, never on the estimate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prakerja_load.journey.step import Outcome, Step
from prakerja_load.judgement.backlog import BATCHES, drain_time, growth
from prakerja_load.judgement.case import Case
from prakerja_load.judgement.estimate import Estimate, drift_bound, quantile, ratio
from prakerja_load.judgement.history import UNTIMED
from prakerja_load.judgement.resources import MEMORY_RULE
from prakerja_load.judgement.rule import Rule, crash_text
from prakerja_load.judgement.verdict import ObjectiveResult, Verdict, at_least, at_most
from prakerja_load.judgement.window import Window, groups
from prakerja_load.units import Seconds, format_count, format_duration, format_share


def judge_objectives(case: Case) -> tuple[ObjectiveResult, ...]:
    """Return the result of every rule; a rule that crashes is INCONCLUSIVE and says so."""
    results: list[ObjectiveResult] = []
    for rule in RULES:
        try:
            results.extend(replace(result, rule=rule.name) for result in rule.check(case))
        except Exception as crash:
            results.append(
                ObjectiveResult(
                    rule.name, rule.kind, math.nan, "", None, Verdict.INCONCLUSIVE, crash_text(crash), rule=rule.name
                )
            )
    return tuple(results)


def judge_sample(case: Case) -> Iterator[ObjectiveResult]:
    """Judge whether enough arrivals were judged for long enough."""
    judged = int(np.count_nonzero(case.judged & case.history.is_recorded))
    yield _enough("arrivals judged", case.objectives.arrivals, "arrivals", judged, format_count)
    yield _enough("time judged", case.objectives.judged, "s", case.window.length, format_duration)


def _enough(name: str, limit: float, unit: str, found: float, text: Callable[[float], str]) -> ObjectiveResult:
    is_enough = found >= limit
    exact = Estimate(found, found, found, max(1, int(found)), found)
    reason = f"{text(found)}, {'at least' if is_enough else 'fewer than the'} {text(limit)}"
    return ObjectiveResult(name, "sample", limit, unit, exact, Verdict(not is_enough), reason)


def judge_elapsed(case: Case) -> Iterator[ObjectiveResult]:
    """Judge the elapsed time to every gated step and of the whole journey over the whole hold."""
    if case.is_curve:  # no steady state: `judge_windows` judges each window
        return
    for step in case.gated:
        limit = case.elapsed_limit(step.number)
        estimate = case.elapsed_estimates[step.number][case.objectives.quantile]
        verdict, reason = at_most(estimate, limit), _time_reason(estimate, limit)
        if verdict is Verdict.INCONCLUSIVE and estimate.high == math.inf:
            verdict, reason = _far_inside(case, case.elapsed[step.number].seconds, limit, reason)
        yield ObjectiveResult(
            elapsed_name(case, step),
            "timing",
            limit,
            "s",
            estimate,
            verdict,
            reason,
            quantile=case.objectives.quantile,
        )


def _far_inside(
    case: Case, seconds: NDArray[np.float64], limit: Seconds, reason: str, share: float | None = None
) -> tuple[Verdict, str]:
    """Return what can be said of a limit where the window is too short for a distribution-free upper bound.

    SUSTAINED where two things hold at once. None of at least −ln α / −ln quantile registrants took even half the
    limit: none of n bounds the share of the late ones at 3/n, within what was seen. And the drift bound is inside the
    limit: the system would have to drift further than it was seen to.
    """
    share = share or case.objectives.quantile
    fewest = _fewest(share, case.alpha) // 2
    if seconds.size < fewest or float(seconds.max()) > limit / 2:
        return Verdict.INCONCLUSIVE, reason
    bound = drift_bound(seconds, share, case.alpha)
    if bound > limit:
        return Verdict.INCONCLUSIVE, f"{reason}, and drifts like those seen may reach {format_duration(bound)}"
    worst = format_duration(float(seconds.max()))
    return Verdict.SUSTAINED, (
        f"{reason}; but nobody took more than {worst}, and drifts like those seen stay below {format_duration(bound)}"
    )


P99_LIMITS: tuple[Seconds, ...] = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
"""What a capacity is published for (method.md §5)."""


def kept_limits(case: Case) -> tuple[Seconds, ...]:
    """Return which of the published limits the p99 of the journey time is proven to keep, by the rule of objectives."""
    estimate, seconds = case.elapsed_estimates[case.last_step.number][0.99], case.elapsed[case.last_step.number].seconds

    def is_kept(limit: Seconds) -> bool:
        verdict = at_most(estimate, limit)
        if verdict is Verdict.INCONCLUSIVE and estimate.high == math.inf:
            verdict, _ = _far_inside(case, seconds, limit, "", 0.99)
        return verdict is Verdict.SUSTAINED

    return tuple(limit for limit in P99_LIMITS if is_kept(limit))


def elapsed_name(case: Case, step: Step) -> str:
    """Return the name of a gated time; the last step's is the journey time."""
    share = f"p{100 * case.objectives.quantile:g}"
    if step is case.last_step:
        return f"journey time (elapsed to step {step.number} {step.name}), {share}"
    return f"elapsed to step {step.number} {step.name}, {share}"


def judge_step_success(case: Case) -> Iterator[ObjectiveResult]:
    """Judge the success ratio of every gated step, the last attempt of each registrant."""
    for step in case.gated:
        outcomes = case.history.outcomes_at(step.number, case.judged)[1]
        untimed = case.success_of(np.isin(outcomes, UNTIMED))
        yield _success(
            f"success of step {step.number} {step.name}",
            case.objectives.step_success,
            case.step_success[step.number],
            untimed,
        )


def judge_journey_success(case: Case) -> Iterator[ObjectiveResult]:
    """Judge the success ratio of the journeys that were meant to finish."""
    indices, failed = case.finishers
    untimed = failed & case.history.untimed_failures()[indices]
    limit = case.objectives.journey_success
    yield _success("success of journeys meant to finish", limit, case.success_of(failed), case.success_of(untimed))


def _success(name: str, limit: float, estimate: Estimate, untimed: Estimate) -> ObjectiveResult:
    """Return a success judged; failures that a starved generator can cause are a timing judgement."""
    verdict = at_least(estimate, limit)
    stands = verdict is Verdict.SUSTAINED or at_least(untimed, limit) is Verdict.NOT_SUSTAINED
    standing = verdict if stands else Verdict.INCONCLUSIVE
    return ObjectiveResult(name, "success", limit, "ratio", estimate, verdict, _ratio_reason(estimate, limit), standing)


def judge_backlog(case: Case) -> Iterator[ObjectiveResult]:
    """Judge the growth of the backlog over a steady hold, or the drain time after a curve."""
    if case.is_curve:
        yield _judge_drain(case)
        return
    limit = 1 - case.objectives.completed_share
    estimate = growth(case)
    verdict = at_most(estimate, limit)
    reason = (
        f"{_bounds(estimate, format_share)} of the offered arrivals over {BATCHES} batches, limit {format_share(limit)}"
    )
    yield ObjectiveResult(
        "backlog growth", "backlog", limit, "ratio", estimate, verdict, reason if estimate.n else "no arrivals"
    )


def _judge_drain(case: Case) -> ObjectiveResult:
    limit, name = case.scenario.load.drain, "drain time after the last arrival"
    if not case.history.is_recorded.any():
        return ObjectiveResult(name, "backlog", limit, "s", None, Verdict.INCONCLUSIVE, "no arrivals")
    seconds = drain_time(case.history)
    exact = Estimate(seconds, seconds, seconds, 1, 1.0)
    reason = f"the last journey ended {format_duration(seconds)} after the last arrival, limit {format_duration(limit)}"
    return ObjectiveResult(name, "backlog", limit, "s", exact, at_most(exact, limit), reason)


def judge_windows(case: Case) -> Iterator[ObjectiveResult]:
    """Judge elapsed times and step success in each window, where the scenario or a curve asks for it."""
    length = case.window_length
    if length is None:
        return
    suffix = f", every {format_duration(length)} window"
    for step in case.gated:
        yield _judge_windows(case, length, _watched_time(case, step, suffix))
        yield _judge_windows(case, length, _watched_success(case, step, suffix))


@dataclass(frozen=True)
class _Watched:
    """One indicator that is judged window by window; `estimate` takes a part of the arrivals and an error."""

    name: str
    limit: float
    unit: str
    indices: NDArray[np.int64]
    fewest: int  # arrivals that a window needs before a good system can be told from a bad one
    estimate: Callable[[slice, float], Estimate]
    judge: Callable[[Estimate, float], Verdict]
    quantile: float | None = None


def _watched_time(case: Case, step: Step, suffix: str) -> _Watched:
    elapsed, share = case.elapsed[step.number], case.objectives.quantile
    return _Watched(
        name=elapsed_name(case, step) + suffix,
        limit=case.elapsed_limit(step.number),
        unit="s",
        indices=elapsed.indices,
        fewest=_fewest(share, case.alpha),
        estimate=lambda part, alpha: quantile(elapsed.seconds[part], share, alpha, is_whole=True),
        judge=at_most,
        quantile=share,
    )


def _watched_success(case: Case, step: Step, suffix: str) -> _Watched:
    indices, outcomes = case.history.outcomes_at(step.number, case.judged)
    limit = case.objectives.step_success
    return _Watched(
        name=f"success of step {step.number} {step.name}{suffix}",
        limit=limit,
        unit="ratio",
        indices=indices,
        fewest=_fewest(limit, case.alpha),
        estimate=lambda part, alpha: ratio(outcomes[part] > Outcome.REJECTED, alpha, is_whole=True),
        judge=at_least,
    )


def _fewest(share: float, alpha: float) -> int:
    """Return twice the sample at which not one exceedance would prove the share: 2·ln α ÷ ln share."""
    return 2 * math.ceil(math.log(alpha) / math.log(max(share, 0.5)))


def _judge_windows(case: Case, length: Seconds, watched: _Watched) -> ObjectiveResult:
    """Return the verdict on all windows together.

    One window outside is enough for NOT_SUSTAINED, at an error shared by all of them; they slide by half their length,
    so that no border cuts what is shorter in two. SUSTAINED needs every window inside; windows too poor in arrivals to
    show that are joined with their neighbors. A window speaks for itself alone, so its bounds answer for the chance of
    who arrived in it, not for other windows.
    """
    times = case.history.intended[watched.indices]
    windows = case.window.split(length)
    sliding = dict.fromkeys((*windows, *case.window.slide(length)))  # the plain ones first: they are what is shown
    for window in sliding:
        estimate = watched.estimate(_part(times, window), case.alpha / len(sliding))
        if watched.judge(estimate, watched.limit) is Verdict.NOT_SUSTAINED:
            return _window_result(watched, length, window, estimate, Verdict.NOT_SUSTAINED)
    joined = groups(times, windows, watched.fewest)
    judged = [(window, watched.estimate(_part(times, window), case.alpha)) for window in joined]
    verdicts = [min(watched.judge(estimate, watched.limit), Verdict.INCONCLUSIVE) for _, estimate in judged]
    worst_place = max(range(len(joined)), key=lambda place: (verdicts[place], _badness(watched, judged[place][1])))
    return _window_result(watched, length, *judged[worst_place], verdicts[worst_place])


def _part(times: NDArray[np.float64], window: Window) -> slice:
    return slice(int(np.searchsorted(times, window.start)), int(np.searchsorted(times, window.stop)))


def _badness(watched: _Watched, estimate: Estimate) -> float:
    if not estimate.n:
        return math.inf
    return estimate.value if watched.unit == "s" else -estimate.value


def _window_result(
    watched: _Watched, length: Seconds, window: Window, estimate: Estimate, verdict: Verdict
) -> ObjectiveResult:
    reason = _time_reason if watched.unit == "s" else _ratio_reason
    where = f"worst from {window.start:.0f} s to {window.stop:.0f} s: {reason(estimate, watched.limit)}"
    return ObjectiveResult(
        watched.name,
        "window",
        watched.limit,
        watched.unit,
        estimate,
        verdict,
        where,
        quantile=watched.quantile,
        window=length,
    )


def _time_reason(estimate: Estimate, limit: float) -> str:
    return _reason(estimate, format_duration, f"limit {format_duration(limit)}")


def _ratio_reason(estimate: Estimate, limit: float) -> str:
    return _reason(estimate, format_share, f"limit {format_share(limit)}")


def _reason(estimate: Estimate, text: Callable[[float], str], limit: str) -> str:
    if not estimate.n:
        return f"nobody came this far, {limit}"
    if estimate.low == math.inf:
        return f"failures reach this quantile, {limit}"
    if estimate.high == math.inf and estimate.value < math.inf:
        size = f"{format_count(estimate.n)} count as {format_count(estimate.n_effective)} independent ones"
        return f"{text(estimate.value)}, {limit}; {size}, too few for an upper bound"
    return f"{_bounds(estimate, text)}, {limit}"


def _bounds(estimate: Estimate, text: Callable[[float], str]) -> str:
    low = text(estimate.low) if estimate.low > -math.inf else "unknown"
    return f"{text(estimate.value)} (from {low} to {text(estimate.high)})"


RULES: tuple[Rule[Case, Iterable[ObjectiveResult]], ...] = (
    Rule(
        "sample",
        "sample",
        "at least `objectives.arrivals` arrivals and `objectives.judged` of time",
        "a short look cannot tell a good system from a lucky one",
        judge_sample,
    ),
    Rule(
        "elapsed",
        "timing",
        "quantile of elapsed to step k ≤ base + per_step · k, the journey likewise",
        "counted from the intended arrival, it shows a stall anywhere before the step; a failure counts as +∞",
        judge_elapsed,
    ),
    Rule(
        "step success",
        "success",
        "ok or expected “no” of the last attempts ≥ `objectives.step_success`; sent again too often is a failure",
        "a quantile forgives one registrant in a hundred; this does not",
        judge_step_success,
    ),
    Rule(
        "journey success",
        "success",
        "completed journeys of those meant to finish ≥ `objectives.journey_success`",
        "small losses at every step add up over a journey",
        judge_journey_success,
    ),
    Rule(
        "backlog",
        "backlog",
        "unserved grow by ≤ 1 − `objectives.completed_share` of what is offered; a curve drains within `load.drain`",
        "a system that falls behind looks quick until its queue is full",
        judge_backlog,
    ),
    Rule(
        "windows",
        "window",
        "the same limits in every window of `objectives.every_window`; of 60 s along a curve",
        "a bad minute must not hide in a good hour",
        judge_windows,
    ),
    MEMORY_RULE,
)
