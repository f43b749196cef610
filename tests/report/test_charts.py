from __future__ import annotations

import dataclasses
import math
import xml.etree.ElementTree as ET

import example_run
import matplotlib as mpl
import pytest

from prakerja_load.judgement.verdict import RampJudgement, Series
from prakerja_load.report import charts, curves
from prakerja_load.report.document import Bar, BarChart, Curve, CurveChart

NAN, INF = math.nan, math.inf


@pytest.fixture(scope="module")
def failed() -> RampJudgement:
    return example_run.run().ramps[3]


def chart_of(**curve_values: tuple[float, ...]) -> CurveChart:
    length = max(map(len, curve_values.values()), default=0)
    second = tuple(float(place) for place in range(length))
    lines = tuple(Curve(role, values, role) for role, values in curve_values.items())
    return CurveChart("t", "d", second, lines, is_time=True, limit=8.0, judged=(1.0, 4.0))


def test_a_chart_is_an_xml_element_that_scales(failed: RampJudgement) -> None:
    root = ET.fromstring(charts.draw_curves(curves.curve_charts(failed)[1], "k"))

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["viewBox"] == "0 0 288 158.4"
    assert "width" not in root.attrib


def test_text_is_drawn_as_paths_so_that_no_font_is_needed(failed: RampJudgement) -> None:
    root = ET.fromstring(charts.draw_curves(curves.curve_charts(failed)[0], "k"))

    assert not root.findall(".//{*}text")
    assert not root.findall(".//{*}style")
    assert root.findall(".//{*}use")


def test_the_same_numbers_give_the_same_picture_whatever_the_user_prefers(failed: RampJudgement) -> None:
    chart = curves.curve_charts(failed)[1]
    before = charts.draw_curves(chart, "k")
    with mpl.rc_context({"lines.linewidth": 9.0, "axes.facecolor": "black", "font.size": 30, "svg.hashsalt": "x"}):
        after = charts.draw_curves(chart, "k")

    assert after == before


def test_drawing_leaves_the_users_preferences_alone(failed: RampJudgement) -> None:
    before = dict(mpl.rcParams)
    charts.draw_curves(curves.curve_charts(failed)[0], "k")

    assert dict(mpl.rcParams) == before


def test_all_pictures_of_a_ramp_stay_under_60_kilobytes() -> None:
    second = tuple(float(place) for place in range(20_000))  # five and a half hours
    wave = tuple(100 + 50 * math.sin(place * 1.7) for place in range(20_000))
    series = Series(second, wave, wave, wave, wave, wave, wave, wave)
    ramp = dataclasses.replace(example_run.run().ramps[0], series=series)

    assert sum(len(charts.draw_curves(chart, "k").encode()) for chart in curves.curve_charts(ramp)) < 60_000


def test_seconds_without_a_finite_p99_are_drawn_and_named() -> None:
    finite = chart_of(tail=(1.0, 2.0, 3.0, 2.0, 1.0))
    broken = chart_of(tail=(1.0, 2.0, INF, INF, 1.0))

    assert [label for label, _, _ in charts.legend(finite)] == ["tail"]
    assert charts.legend(broken)[-1] == ("p99 is ∞: failures reach it", charts.TONES["bad"], "triangle")
    assert charts.draw_curves(broken, "k").count("#c4460a") > charts.draw_curves(finite, "k").count("#c4460a")


def test_the_legend_names_only_what_is_drawn_with_its_stroke() -> None:
    chart = chart_of(tail=(1.0, 2.0), service=(0.5, 0.6), median=(NAN, NAN))

    assert [(label, kind) for label, _, kind in charts.legend(chart)] == [("tail", "line"), ("service", "dashes")]


@pytest.mark.parametrize("values", [(), (NAN,), (0.0, 0.0), (INF, INF), (1e-9, 1e9), (5.0,)])
def test_odd_curves_are_drawn_without_a_warning(values: tuple[float, ...]) -> None:
    chart = chart_of(tail=values)

    assert charts.draw_curves(chart, "k").startswith("<svg")
    assert charts.draw_curves(dataclasses.replace(chart, is_time=False, limit=None), "k").startswith("<svg")


@pytest.mark.parametrize("length", [0.0, NAN, INF, 0.5, 40.0])
@pytest.mark.parametrize("is_share", [True, False])
def test_odd_bars_are_drawn_without_a_warning(length: float, is_share: bool) -> None:
    bars = (Bar("? 1", "open", length, "told", 1.0), Bar("✗ 2", "bad", length, "told", None))

    assert charts.draw_bars(BarChart("t", "d", bars, is_share), "k").startswith("<svg")


def test_every_verdict_has_its_color_in_the_overview() -> None:
    drawn = "".join(charts.draw_bars(chart, "k") for chart in curves.overview_charts(example_run.run().ramps))

    assert all(color in drawn for color in charts.TONES.values())
