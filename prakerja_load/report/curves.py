"""What the pictures of a report show: which curves, how many points, which limit; drawing is another room's work."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from prakerja_load.judgement.verdict import ObjectiveResult, RampJudgement, Verdict
from prakerja_load.report.document import Bar, BarChart, Curve, CurveChart
from prakerja_load.report.tables import badge_of
from prakerja_load.report.wording import NOTHING, share_text, time_text
from prakerja_load.units import PerSecond, format_count, format_duration, format_number, format_rate

POINTS = 240
"""Most points a curve keeps: as many as a column of a page has pixels to show."""


def thin_out(values: Sequence[float], fold: Callable[[Sequence[float]], float], points: int = POINTS) -> list[float]:
    """Return at most `points` values, each folded from a run of neighbors; NaN where a run has no number."""
    width = max(1, math.ceil(len(values) / points))
    runs = (values[start : start + width] for start in range(0, len(values), width))
    return [_fold_numbers(run, fold) for run in runs]


def _fold_numbers(run: Sequence[float], fold: Callable[[Sequence[float]], float]) -> float:
    numbers = [value for value in run if not math.isnan(value)]
    return fold(numbers) if numbers else math.nan


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN of nothing."""
    return math.fsum(values) / len(values) if values else math.nan


def completed_rate(ramp: RampJudgement) -> PerSecond:
    """Return journeys completed per second over the judged window, from the curves where no estimate was made.

    NaN when no second of the window was recorded.
    """
    if ramp.throughput is not None and not math.isnan(ramp.throughput.value):
        return ramp.throughput.value
    start, stop = ramp.warm_up, ramp.warm_up + ramp.hold
    pairs = zip(ramp.series.second, ramp.series.finished, strict=False)
    return mean([count for second, count in pairs if start <= second < stop and math.isfinite(count)])


def timed_objectives(ramp: RampJudgement) -> list[ObjectiveResult]:
    """Return the objectives that limit a time people wait, judged over the hold or window by window."""
    return [
        objective for objective in ramp.objectives if objective.kind in {"timing", "window"} and objective.unit == "s"
    ]


def journey_objective(ramp: RampJudgement) -> ObjectiveResult | None:
    """Return the objective on the journey's time, the one number that says how long people wait."""
    found = [objective for objective in timed_objectives(ramp) if "journey" in objective.name.lower()]
    return min(found, key=lambda objective: objective.kind != "timing", default=None)


def quantile_text(objective: ObjectiveResult) -> str:
    """Return the quantile that an objective on a time limits, and of windows that it is the worst one's."""
    quantile = _quantile(objective)
    return f"p{quantile}{_worst_window(objective)}" if quantile else _worst_window(objective).strip()


def _quantile(objective: ObjectiveResult) -> str:
    """Return the per cent of an objective on a quantile; empty of another one."""
    return "" if objective.quantile is None else f"{100 * objective.quantile:g}"


def _worst_window(objective: ObjectiveResult) -> str:
    return "" if objective.window is None else f" in the worst {format_duration(objective.window)} window"


def curve_charts(ramp: RampJudgement) -> tuple[CurveChart, ...]:
    """Return the three pictures of a ramp, or none when nothing was measured."""
    if not ramp.series.second:
        return ()
    return (_rate_chart(ramp), _time_chart(ramp), _in_flight_chart(ramp))


def _rate_chart(ramp: RampJudgement) -> CurveChart:
    series = ramp.series
    curves = (
        _curve("offered", series.offered, "asked", mean),
        _curve("started", series.started, "achieved", mean),
        _curve("finished", series.finished, "finished", mean),
    )
    told = f"Arrivals per second that were due, started and finished; asked for: {format_rate(ramp.rate)}."
    return _chart(ramp, "Arrivals per second", told, curves)


def _time_chart(ramp: RampJudgement) -> CurveChart:
    series, objective = ramp.series, journey_objective(ramp)
    curves = (
        _curve("journey p50", series.elapsed_p50, "median", max),
        _curve("journey p99", series.elapsed_p99, "tail", max),
        _curve("service p99", series.service_p99, "service", max),
    )
    told = "Journey time by the second in which the arrival was due, beside the service time of single requests."
    if objective is not None:
        told += f" Limit of the journey: {time_text(objective.limit)}."
    limit = objective.limit if objective is not None else None
    return _chart(ramp, "Time", told, curves, is_time=True, limit=limit)


def _in_flight_chart(ramp: RampJudgement) -> CurveChart:
    highest = max((value for value in ramp.series.in_flight if math.isfinite(value)), default=math.nan)
    told = "Registrants started and unfinished."
    if not math.isnan(highest):
        told += f" Most at once: {format_count(highest)}."
    return _chart(ramp, "Registrants in flight", told, (_curve("in flight", ramp.series.in_flight, "level", max),))


def _curve(label: str, values: Sequence[float], role: str, fold: Callable[[Sequence[float]], float]) -> Curve:
    return Curve(label, tuple(thin_out(values, fold)), role)


def _chart(
    ramp: RampJudgement,
    title: str,
    told: str,
    curves: tuple[Curve, ...],
    *,
    is_time: bool = False,
    limit: float | None = None,
) -> CurveChart:
    second = tuple(thin_out(ramp.series.second, min))
    judged = (ramp.warm_up, ramp.warm_up + ramp.hold)
    return CurveChart(title, told, second, curves, is_time, limit, judged)


def overview_charts(ramps: tuple[RampJudgement, ...]) -> tuple[BarChart, ...]:
    """Return the two pictures that answer at a glance: was the rate carried, and did people wait too long?"""
    return (_rate_bars(ramps), _time_bars(ramps)) if ramps else ()


def _rate_bars(ramps: tuple[RampJudgement, ...]) -> BarChart:
    told = "Journeys completed per second; the upright line is the rate asked for"
    told += "." if all(ramp.claim == "peak" for ramp in ramps) else " (of a curve: what it offered on average)."
    return BarChart("Was the rate carried?", told, tuple(_rate_bar(ramp) for ramp in ramps))


def _rate_bar(ramp: RampJudgement) -> Bar:
    completed, tone = completed_rate(ramp), badge_of(ramp.verdict).tone
    asked = ramp.rate if ramp.claim == "peak" else ramp.offered_rate  # a curve stands at its peak for a moment only
    told = NOTHING if math.isnan(completed) else f"{format_number(completed)} of {format_number(asked)}"
    return Bar(_bar_label(ramp), tone, completed, told, asked)


def _time_bars(ramps: tuple[RampJudgement, ...]) -> BarChart:
    told = f"{_time_told(ramps)}; the upright line is the time allowed."
    bars = tuple(_time_bar(ramp) for ramp in ramps)
    return BarChart("Did people wait too long?", told, bars, is_share=True)


def _time_told(ramps: tuple[RampJudgement, ...]) -> str:
    """Return which time the bars show: that of the quantile which the scenario limits."""
    judged = [objective for ramp in ramps if (objective := journey_objective(ramp)) is not None]
    found = next(filter(None, map(_quantile, judged)), "")
    if not found:
        return "The journey time"
    return f"The journey time that {found} % of registrants stay under{_worst_window(judged[0])}"


def _time_bar(ramp: RampJudgement) -> Bar:
    objective, tone = journey_objective(ramp), badge_of(ramp.verdict).tone
    if objective is None or objective.estimate is None or objective.limit <= 0:
        return Bar(_bar_label(ramp), tone, math.nan, "no data", 1.0)
    value = objective.estimate.value
    share = value / objective.limit
    told = time_text(value) if not math.isfinite(share) else f"{time_text(value)} ({share_text(round(share, 2))})"
    return Bar(_bar_label(ramp), tone, share, told, 1.0)


def _bar_label(ramp: RampJudgement) -> str:
    marks = {verdict: badge_of(verdict).mark for verdict in Verdict}
    return f"{marks[ramp.verdict]} {format_count(ramp.registrants)}"
