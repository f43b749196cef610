from __future__ import annotations

import dataclasses
import math

import example_run
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.verdict import ObjectiveResult, Series, Verdict
from prakerja_load.report import content, curves

INF, NAN = math.inf, math.nan
EMPTY = example_run.empty_ramp()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 1e6) | st.just(INF), max_size=2000))
def test_a_long_curve_keeps_its_peak_and_its_infinities(values: list[float]) -> None:
    thin = curves.thin_out(values, max)

    assert len(thin) <= curves.POINTS
    assert max(thin, default=0.0) == max(values, default=0.0)
    assert (INF in thin) == (INF in values)


def test_a_short_curve_is_left_alone() -> None:
    assert curves.thin_out([3.0, 1.0, 2.0], curves.mean) == [3.0, 1.0, 2.0]


def test_a_run_without_a_number_stays_a_hole() -> None:
    thin = curves.thin_out([NAN, NAN, 1.0, NAN], max, points=2)

    assert math.isnan(thin[0])
    assert thin[1] == 1.0


def test_the_completed_rate_counts_the_judged_seconds_only() -> None:
    second = tuple(float(place) for place in range(6))
    series = Series(second=second, finished=(9.0, 9.0, 4.0, 6.0, 9.0, 9.0))
    ramp = dataclasses.replace(EMPTY, warm_up=2.0, hold=2.0, series=series)

    assert curves.completed_rate(ramp) == 5.0


def test_an_estimate_of_the_throughput_stands_before_the_curves() -> None:
    ramp = dataclasses.replace(example_run.run().ramps[0], throughput=Estimate(44.5, 44.1, 44.9, 60, 60.0))

    assert curves.completed_rate(ramp) == 44.5


def test_nothing_recorded_is_no_rate() -> None:
    assert math.isnan(curves.completed_rate(EMPTY))


def test_the_journey_is_found_over_the_hold_before_its_windows() -> None:
    windows = ObjectiveResult("journey time, p99, every 10 s window", "window", 8.0, "s", None, Verdict.SUSTAINED, "")
    hold = dataclasses.replace(windows, name="journey time, p99", kind="timing")
    success = dataclasses.replace(windows, name="success of journeys meant to finish", kind="success", unit="ratio")

    assert curves.journey_objective(dataclasses.replace(EMPTY, objectives=(success, windows, hold))) == hold
    assert curves.journey_objective(dataclasses.replace(EMPTY, objectives=(success, windows))) == windows
    assert curves.journey_objective(dataclasses.replace(EMPTY, objectives=(success,))) is None


@pytest.mark.parametrize(
    ("share", "window", "quantile", "told"),
    [
        (0.99, None, "p99", "99 % of registrants stay under;"),
        (0.999, None, "p99.9", "99.9 % of registrants stay under;"),
        (0.95, 60.0, "p95 in the worst 60 s window", "95 % of registrants stay under in the worst 60 s window;"),
    ],
)
def test_the_quantile_that_is_told_is_the_one_that_was_judged(
    share: float, window: float | None, quantile: str, told: str
) -> None:
    judged = ObjectiveResult(
        "journey time, p42, every 7 s window",  # words that nobody may read it out of
        "timing" if window is None else "window",
        8.0,
        "s",
        Estimate(1.0, 0.9, 1.1, 9, 9.0),
        Verdict.SUSTAINED,
        "",
        quantile=share,
        window=window,
    )
    ramp = dataclasses.replace(EMPTY, objectives=(judged,))

    assert curves.quantile_text(judged) == quantile
    assert told in curves.overview_charts((ramp,))[1].description
    assert (
        f"journey {quantile} 1 s, limit 8 s"
        in content.build(dataclasses.replace(example_run.run(), ramps=(ramp,))).ladder[0].lines
    )


def test_a_ramp_has_three_pictures_with_its_judged_part_and_limit() -> None:
    rate, time, flight = curves.curve_charts(example_run.run().ramps[0])

    assert [curve.label for curve in rate.curves] == ["offered", "started", "finished"]
    assert [curve.label for curve in time.curves] == ["journey p50", "journey p99", "service p99"]
    assert (time.limit, time.judged) == (8.0, (20.0, 140.0))
    assert "Most at once: 1 128" in flight.description


def test_the_overview_tells_what_was_asked_and_what_was_allowed() -> None:
    rate, time = curves.overview_charts(example_run.run().ramps)

    assert [bar.label for bar in rate.bars] == ["✓ 200 000", "✓ 300 000", "? 600 000", "✗ 2 000 000"]
    assert [bar.mark for bar in rate.bars] == [44.67, 67.0, 134.0, 446.67]
    assert [bar.text for bar in time.bars] == ["620 ms (8 %)", "806 ms (10 %)", "6.82 s (85 %)", "∞"]
    assert time.bars[3].length == INF


def test_a_curve_is_measured_by_what_it_offered_not_by_its_peak() -> None:
    ramp = dataclasses.replace(example_run.run().ramps[0], claim="volume", offered_rate=12.0)
    chart = curves.overview_charts((ramp,))[0]

    assert chart.bars[0].mark == 12.0
    assert "of a curve" in chart.description


@pytest.mark.parametrize("chart", [0, 1])
def test_a_ramp_without_data_has_an_empty_bar(chart: int) -> None:
    (bar,) = curves.overview_charts((EMPTY,))[chart].bars

    assert math.isnan(bar.length)
    assert bar.text in {"–", "no data"}


def test_no_ramps_make_no_pictures() -> None:
    assert curves.overview_charts(()) == ()
