"""Gauges and vitals."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.driver.gauge import Gauge, VitalLog, Vitals, resident
from prakerja_load.evidence.journal import Kind, read_segment
from prakerja_load.units import SECOND_NS


def test_the_mean_is_weighted_by_time() -> None:
    gauge = Gauge(0)
    gauge.change(2, 10)
    gauge.change(-1, 30)

    assert gauge.mean(40) == pytest.approx((0 * 10 + 2 * 20 + 1 * 10) / 40)
    assert gauge.level == 1


def test_each_mean_begins_where_the_last_one_ended() -> None:
    gauge = Gauge(0)
    gauge.change(4, 0)
    assert gauge.mean(100) == 4
    gauge.change(-4, 150)

    assert gauge.mean(200) == 2


def test_no_time_at_all_has_the_level_as_its_mean() -> None:
    gauge = Gauge(5)
    gauge.change(3, 5)

    assert gauge.mean(5) == 3


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 1000)), max_size=50))
def test_means_of_parts_add_up_to_the_mean_of_the_whole(changes: list[tuple[int, int]]) -> None:
    parts, whole = Gauge(0), Gauge(0)
    now, area = 0, 0.0
    for by, wait in changes:
        area += parts.mean(now + wait) * wait if wait else 0
        now += wait
        parts.change(by, now)
        whole.change(by, now)

    assert whole.mean(now) * now == pytest.approx(area, abs=1e-6)


def test_vitals_see_the_processor_memory_and_the_longest_pause() -> None:
    now = [0]
    vitals = Vitals(lambda: now[0])
    vitals._collected("start", {})
    now[0] = 3_000_000
    vitals._collected("stop", {})
    now[0] = 1_000_000_000

    cpu, pause, rss = vitals.read()

    assert cpu >= 0
    assert pause == pytest.approx(0.003)
    assert rss > 10_000_000
    now[0] = 2_000_000_000
    assert vitals.read()[1] == 0


def test_pauses_are_watched_only_while_asked_for() -> None:
    vitals = Vitals()
    before = len(gc.callbacks)
    vitals.watch_garbage()
    gc.collect(0)
    vitals.unwatch_garbage()

    assert vitals.read()[1] > 0
    assert len(gc.callbacks) == before


def test_memory_is_told_in_bytes() -> None:
    assert 10_000_000 < resident() < 10_000_000_000


def test_a_log_of_vitals_has_each_second_on_disk_as_soon_as_it_is_over(tmp_path: Path) -> None:
    log = VitalLog(tmp_path)
    for second in range(7_200):
        log.add(second * SECOND_NS + 7, 0.12345, 0.0012345 if second % 2 else 2.5, 0.0, 50_000_000)
    segment = read_segment(tmp_path / "vitals.seg", Kind.VITALS)  # of a log that is not closed yet
    records = log.records()
    log.close()

    assert (segment.frames, segment.is_torn) == (7_200, False)
    assert segment.records["at"].tolist() == [record["at"] for record in records]
    assert segment.records["at"].tolist() == list(range(7, 7_200 * SECOND_NS, SECOND_NS))
    assert np.isnan(segment.records["in_flight"]).all(), "a process that plays nobody has no such gauge"
    assert records[1] == {"at": SECOND_NS + 7, "cpu": 0.1235, "loop_lag": 0.001234, "gc_pause": 0.0, "rss": 50_000_000}
    assert sum(record["loop_lag"] == 2.5 for record in records) == 3_600
