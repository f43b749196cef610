"""The stock locust command: its own counts are those of the system under test."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ramp_rig import ROOT
from stock_rig import counts, finish, free_port, locust
from tiny_system import TinySystem

Opener = Callable[..., TinySystem]


class Command:
    """One locust command under way against a system of its own."""

    def __init__(self, folder: Path, system: TinySystem, *arguments: str, hold: str = "1s") -> None:
        self.folder, self.system = folder, system
        self.process = locust(folder, "--headless", "--host", system.url, *arguments, hold=hold)

    def stop_after(self, served: int) -> Command:
        """Stop it by hand as soon as so much was served."""
        deadline = time.monotonic() + 40
        while self.system.served < served and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self.process.send_signal(signal.SIGINT)
        return self

    def end(self) -> Command:
        self.code, self.said = finish(self.process)
        return self


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory, tiny_system: Opener) -> dict[str, Command]:
    """Return four commands that ran at once."""
    ours = ("-f", "locustfiles/registration.py")
    number = str(free_port())  # Locust's own may belong to somebody else's master
    port = ("--master-port", number, "--master-bind-port", number)
    json_file = tmp_path_factory.mktemp("json") / "out"
    html_file = tmp_path_factory.mktemp("alone") / "out.html"
    begun = {
        "alone": Command(html_file.parent, tiny_system(), *ours, "--html", str(html_file), "--csv-full-history"),
        "with processes": Command(tmp_path_factory.mktemp("two"), tiny_system(0.05), *ours, "--processes", "2", *port),
        "with run time": Command(tmp_path_factory.mktemp("time"), tiny_system(0.05), *ours, "-t", "10s", hold="60s"),
        "exploratory": Command(
            json_file.parent,
            tiny_system(),
            *("-f", "locustfiles/exploratory.py", "-u", "2", "--json-file", str(json_file)),
        ),
    }
    begun["exploratory"].stop_after(4 * 16)
    return {name: command.end() for name, command in begun.items()}


@pytest.mark.parametrize("name", ["alone", "with processes"])
def test_it_plays_the_scenario_to_its_end_and_counts_what_was_served(commands: dict[str, Command], name: str) -> None:
    command = commands[name]
    found = counts(command.folder)

    assert command.code == 0, command.said
    assert found["Aggregated"] == command.system.served - 1 == 16 * 30  # one more made the people known
    assert found["01 wave-page"] == found["14 read-status"] == 30


def test_its_html_report_and_its_history_hold_the_same_counts(commands: dict[str, Command]) -> None:
    command = commands["alone"]
    page = (command.folder / "out.html").read_text()
    (told,) = re.findall(r"window\.templateArgs = (\{.*\})", page)
    by_name = {row["name"]: row["num_requests"] for row in json.loads(told)["requests_statistics"]}
    history = (command.folder / "out_stats_history.csv").read_text().splitlines()

    assert by_name == counts(command.folder)
    assert len(history) > 2


def test_stopped_by_its_run_time_it_counts_what_was_served(commands: dict[str, Command]) -> None:
    command = commands["with run time"]

    assert command.code == 0, command.said
    assert counts(command.folder)["Aggregated"] == command.system.served - 1
    assert 30 < command.system.served < 16 * 1800


def test_the_exploratory_file_plays_the_same_journey_closed(commands: dict[str, Command]) -> None:
    command = commands["exploratory"]
    entries = json.loads((command.folder / "out.json").read_text())
    found = {entry["name"]: entry["num_requests"] for entry in entries}

    assert command.code == 0, command.said
    assert found["01 wave-page"] >= found["14 read-status"] > 0
    assert 0 <= command.system.served - 1 - sum(found.values()) <= 2  # Locust never counts what it kills


def test_it_refuses_what_it_may_not_load(tmp_path: Path) -> None:
    process = locust(
        tmp_path, "--headless", "-f", "locustfiles/registration.py", "--host", "https://dashboard.prakerja.go.id"
    )
    code, said = finish(process)

    assert code == 2, said
    assert "never puts under load" in said


@pytest.mark.parametrize("number", ["0", "two"])
def test_it_refuses_a_ramp_that_is_not_there(tmp_path: Path, number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRAKERJA_RAMP", number)
    code, said = finish(
        locust(tmp_path, "--headless", "-f", "locustfiles/registration.py", "--host", "http://127.0.0.1:1")
    )

    assert code == 2, said
    assert f"PRAKERJA_RAMP: got '{number}', allowed: 1 to 1" in said


FEED = """
    import json, numpy as np
    from locust.stats import RequestStats
    from prakerja_load.driver.feed import Feed
    from prakerja_load.evidence.sample import SAMPLE
    from prakerja_load.journey.step import Step

    def batch(start, outcomes, statuses, service):
        samples = np.zeros(len(outcomes), SAMPLE)
        samples["step"], samples["outcome"], samples["status"] = 5, outcomes, statuses
        samples["started"] = start
        samples["finished"] = samples["started"] + service
        return samples

    mine, theirs = RequestStats(), RequestStats()
    feed = Feed(mine, [Step(5, "identity")], {5: "POST"}, lambda: 1000.0)
    rng = np.random.default_rng(1)
    milliseconds = rng.integers(0, 9000, 500)
    for part in np.split(milliseconds, 5):
        feed.add(batch(2_000_000_000, [0] * len(part), [200] * len(part), part * 1_000_000))
    feed.add(batch(7_000_000_000, [1, 3, 3, 4, 7], [409, 500, 500, 0, 0], [1_000_000] * 5))
    for value in [*milliseconds.tolist(), 1, 1, 1, 1, 1]:
        theirs.log_request("POST", "05 identity", value, 0)
    for error in ("error (HTTP 500)", "error (HTTP 500)", "timeout", "in flight"):
        theirs.log_error("POST", "05 identity", error)

    def facts(stats):
        entry = stats.entries[("05 identity", "POST")]
        names = ("num_requests", "num_failures", "response_times", "total_response_time", "min_response_time",
                 "max_response_time", "fail_ratio", "median_response_time")
        plain = lambda value: sorted(value.items()) if isinstance(value, dict) else value
        return [[plain(getattr(one, name)) for name in names] for one in (entry, stats.total)] + [
            sorted((error.error, error.occurrences) for error in stats.errors.values())]

    per_second = mine.total.num_reqs_per_sec
    print(json.dumps([facts(mine) == facts(theirs), facts(mine), sum(per_second.values()), min(per_second)]))
"""


def test_what_is_fed_in_batches_is_what_locust_would_have_counted_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FEED)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    is_equal, facts, total, first_second = json.loads(done.stdout)

    assert is_equal, facts
    assert total == 505
    assert first_second == 1002


def test_importing_the_driver_s_loop_does_not_replace_anything_in_this_process() -> None:
    statement = "import sys, prakerja_load.driver.offering; print('gevent' in sys.modules, 'locust' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.split() == ["False", "False"]
    assert time.sleep.__module__ == "time"
