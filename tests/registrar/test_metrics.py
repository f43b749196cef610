"""What operators read: counters that count, in text that parsers of OpenMetrics take."""

from __future__ import annotations

import re

from asgi import Laboratory, in_loop
from people import Person, Visit

from prakerja_load.registrar.metrics import Histogram, Metrics

SAMPLE = re.compile(r"^[a-z_]+(\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\})? -?[0-9.e+]+$")


def test_a_histogram_counts_each_value_in_every_bucket_from_its_own_on() -> None:
    histogram = Histogram((1.0, 2.0, 4.0))
    for value in (0.5, 1.0, 1.5, 4.0, 100.0):
        histogram.observe(value)
    assert list(histogram.lines("h", 'step="x"')) == [
        'h_bucket{step="x",le="1.0"} 2',
        'h_bucket{step="x",le="2.0"} 3',
        'h_bucket{step="x",le="4.0"} 4',
        'h_bucket{step="x",le="+Inf"} 5',
        'h_count{step="x"} 5',
        'h_sum{step="x"} 107.000000',
    ]


@in_loop
async def test_requests_are_counted_by_step_and_status(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await Visit(lab, Person(1)).create()
        await lab.send("POST", "/api/v1/accounts", Person(1).account, key="other")
        await lab.send("GET", "/nowhere")
        lines = (await lab.send("GET", "/metrics")).body.decode().splitlines()
    assert 'registrar_requests_total{step="create-account",status="201"} 1' in lines
    assert 'registrar_requests_total{step="create-account",status="409"} 1' in lines
    assert 'registrar_requests_total{step="none",status="404"} 1' in lines
    assert 'registrar_request_seconds_count{step="create-account"} 2' in lines
    assert "registrar_in_flight 0.0" in lines


def test_every_line_is_openmetrics_and_the_last_says_so() -> None:
    metrics = Metrics()
    metrics.observe("log-in", 201, 0.003)
    metrics.group_committed(5, 0.001)
    *lines, last, empty = (
        metrics.render([("a_gauge", "What.", 1.0)], [("a_counter", "What.", 2.0)]).decode().split("\n")
    )
    assert (last, empty) == ("# EOF", "")
    assert all(line.startswith(("# TYPE ", "# HELP ")) or SAMPLE.match(line) for line in lines)
    families = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(families) == len(set(families))
    assert "a_counter_total 2.0" in lines
