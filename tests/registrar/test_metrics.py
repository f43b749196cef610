"""What operators read: counters that count, in text that parsers of OpenMetrics take."""

from __future__ import annotations

import re
import timeit

import pytest
from asgi import Laboratory, in_loop
from people import STEPS, Person, Visit
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from prakerja_load.registrar.metrics import Histogram, Metrics

SAMPLE = re.compile(r"^[a-z_]+(\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\})? -?[0-9.e+]+$")

FAMILIES = {
    "registrar_requests",
    "registrar_request_seconds",
    "registrar_group_size",
    "registrar_commit_seconds",
    "registrar_in_flight",
    "registrar_write_queue",
    "registrar_shed",
    "registrar_civil_checks",
    "registrar_civil_refused",
    "registrar_civil_waiting",
    "registrar_civil_breaker",
    "registrar_store_bytes",
    "process_resident_memory_bytes",
    "process_cpu_seconds",
}


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


@in_loop
async def test_a_parser_of_openmetrics_reads_every_figure_that_an_operator_needs(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        await (await Visit(lab, Person(1)).complete()).join()
        await lab.send("GET", "/nowhere")
        await lab.lab("POST", "defects", {"defects": [{"name": "slow", "seconds": 0}]})
        answer = await lab.send("GET", "/metrics")
        size = lab.path.stat().st_size
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    assert families.keys() >= FAMILIES
    assert families["registrar_request_seconds"].type == "histogram"
    writes = {sample.labels["step"]: sample.value for sample in families["registrar_requests"].samples}
    assert {step: writes[step] for step in STEPS} == dict.fromkeys(STEPS, 1)
    sizes = {sample.labels["part"]: sample.value for sample in families["registrar_store_bytes"].samples}
    assert (sizes["database"], set(sizes)) == (size, {"database", "log", "photos"})
    assert sizes["photos"] > 0
    assert [sample.labels for sample in families["registrar_defects"].samples] == [{"defect": "slow"}]
    groups = {sample.name: sample.value for sample in families["registrar_group_size"].samples}
    commits = {sample.name: sample.value for sample in families["registrar_commit_seconds"].samples}
    assert groups["registrar_group_size_sum"] >= len(STEPS)
    assert groups["registrar_group_size_count"] == commits["registrar_commit_seconds_count"] > 0
    assert families["registrar_shed"].samples
    assert [sample.labels for sample in families["registrar_civil_breaker"].samples] == [{"state": "closed"}]


def test_the_buckets_of_a_step_hold_all_its_statuses() -> None:
    metrics = Metrics()
    for status, seconds in ((201, 0.002), (201, 0.02), (409, 0.02)):
        metrics.observe("log-in", status, seconds)
    families = {family.name: family for family in text_string_to_metric_families(metrics.render([], []).decode())}
    buckets = {
        sample.labels["le"]: sample.value
        for sample in families["registrar_request_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    assert (buckets["0.001"], buckets["0.0025"], buckets["0.025"], buckets["+Inf"]) == (0, 1, 3, 3)
    assert metrics.successes("log-in") == 2


@pytest.mark.slow  # a matter of microseconds: of an idle machine only
def test_to_count_a_request_costs_a_small_part_of_answering_it() -> None:
    observe = Metrics().observe
    best = min(timeit.repeat(lambda: observe("create-account", 201, 0.004), number=20_000, repeat=5)) / 20_000
    assert best < 5e-6, "4 % of the 125 µs that a request has at 8 000 a second"


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
