"""The calibrated server as a process: its answers, its stamps, its refusals, its null form."""

from __future__ import annotations

import http.client
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic_ns, perf_counter
from urllib.parse import urlsplit

import pytest

from prakerja_load.calibration import closed_loop
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.stamps import load_stamps
from prakerja_load.calibration.target import serving
from prakerja_load.errors import EvidenceError, HarnessError

ANYWHERE: frozenset[int] = frozenset()


def ask(url: str, path: str) -> tuple[int, dict[str, int], http.client.HTTPResponse]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer
    finally:
        connection.close()


def test_an_answer_tells_its_times_and_takes_what_the_law_says(tmp_path: Path) -> None:
    law = ServiceLaw("exponential", 0.02, 5)
    options = ("--service", "exponential", "--mean", "0.02", "--seed", "5", "--slots", "2")
    with serving(tmp_path, ANYWHERE, *options) as target:
        before = monotonic_ns()
        status, said, _ = ask(target.url, "/serve/12")
        after = monotonic_ns()
        stamps = target.stop()

    assert status == 200
    assert said["end"] - said["start"] == law.of(12)
    assert before < said["arrival"] == said["start"] < said["end"] < after
    assert stamps is not None
    assert [int(stamps[0][name]) for name in ("index", "arrival", "start", "end")] == list(said.values())
    assert said["end"] <= stamps[0]["sent"] <= after


def test_requests_without_an_index_are_served_in_line(tmp_path: Path) -> None:
    with serving(tmp_path, ANYWHERE, "--mean", "0.001") as target:
        assert [ask(target.url, "/serve")[1]["index"] for _ in range(3)] == [0, 1, 2]


def test_other_pages_are_not_there(tmp_path: Path) -> None:
    with serving(tmp_path, ANYWHERE) as target:
        assert ask(target.url, "/healthz")[0] == 404


def test_without_a_queue_whoever_finds_no_slot_is_asked_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path, ANYWHERE, "--mean", "0.5", "--slots", "1", "--no-queue") as target:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: ask(target.url, "/serve"), range(4)))
        stamps = target.stop()

    assert sorted(status for status, *_ in answers) == [200, 503, 503, 503]
    assert {answer.getheader("Retry-After") for status, _, answer in answers if status == 503} == {"1"}
    assert stamps is not None
    assert (stamps["start"] < 0).sum() == 3


def test_with_a_queue_one_slot_serves_one_after_another(tmp_path: Path) -> None:
    with serving(tmp_path, ANYWHERE, "--mean", "0.05", "--slots", "1") as target, ThreadPoolExecutor(4) as pool:
        said = [answer for _, answer, _ in pool.map(lambda _: ask(target.url, "/serve"), range(4))]

    said.sort(key=lambda one: one["start"])
    assert all(later["start"] >= former["end"] for former, later in itertools.pairwise(said))


def test_the_null_target_answers_everything_at_once_and_keeps_no_stamps(tmp_path: Path) -> None:
    with serving(tmp_path, ANYWHERE, "--null") as target:
        assert ask(target.url, "/anything")[:2] == (200, {})
        assert target.stop() is None


def test_a_client_that_leaves_does_not_disturb_the_others(tmp_path: Path) -> None:
    with serving(tmp_path, ANYWHERE, "--mean", "0.2", "--slots", "4") as target:
        parts = urlsplit(target.url)
        leaver = http.client.HTTPConnection(parts.hostname or "", parts.port)
        leaver.request("GET", "/serve/1")
        leaver.close()
        assert ask(target.url, "/serve/2")[0] == 200


def test_a_closed_loop_keeps_its_pace_and_sees_the_service_time(tmp_path: Path) -> None:
    with serving(tmp_path, ANYWHERE, "--mean", "0.01", "--slots", "4") as target:
        began = perf_counter()
        seen = closed_loop.service_times(target.url, 40, 0.5, 2)
        took = perf_counter() - began

    assert 5 <= seen.size <= 20
    assert seen.min() >= 0.01
    assert took >= 0.4


def test_a_closed_loop_without_a_target_says_so() -> None:
    with pytest.raises(HarnessError, match="lost its target"):
        closed_loop.service_times("http://127.0.0.1:9", 10, 0.1, 1)


def test_stamps_that_are_cut_off_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"x" * 41)

    with pytest.raises(EvidenceError, match="cut off"):
        load_stamps(tmp_path / "s")
    with pytest.raises(EvidenceError, match="cannot read"):
        load_stamps(tmp_path / "none")
