"""A worker that first stands still for longer than it may and is then killed, while another one plays on."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import begin, end, read_until, the_run, verdict_of

from prakerja_load.driver import assignment
from prakerja_load.evidence.journal import Kind, read_segment
from prakerja_load.evidence.ramp import load_ramp

SCENARIO = Path(__file__).parent / "stalled.toml"
STALL = 11.0  # seconds
ENOUGH = 100  # arrivals that the victim has ended before

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def pid_of_worker(reports: Path, number: int) -> int:
    """Return the process of one worker of the run that writes its reports there."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            is_it = "prakerja_load.driver.worker" in words and words[words.index("--worker") + 1] == str(number)
            if is_it and any(str(reports) in word for word in words):
                found.append(int(folder.name))
    (pid,) = found
    return pid


class Bereaved:
    """One run whose second worker is stopped in the hold; `kill` and `finish` bring it to its end."""

    def __init__(self, reports: Path, *more: str) -> None:
        self.reports = reports
        self.process = begin("run", SCENARIO, "--reports", reports, "--workers", "2", *more)

    def stop(self) -> None:
        """Let the victim stand still, once it has played some."""
        read_until(self.process, "holding")
        until = time.monotonic() + 60
        while self._ended_by(1) < ENOUGH:
            assert time.monotonic() < until
            time.sleep(0.05)
        self.victim = pid_of_worker(self.reports, 1)
        os.kill(self.victim, signal.SIGSTOP)
        self.stopped = time.monotonic_ns()

    def _ended_by(self, worker: int) -> int:
        paths = list(self.reports.glob(f"*/ramps/*/worker-{worker}/arrivals.seg"))
        return sum(read_segment(path, Kind.ARRIVALS).records.size for path in paths)

    def finish(self) -> Bereaved:
        """Kill the victim after its stall, and wait for the verdict."""
        time.sleep(max(0.0, STALL - (time.monotonic_ns() - self.stopped) / 1e9))
        os.kill(self.victim, signal.SIGKILL)
        self.out = self.process.communicate(timeout=240)[0]
        (self.ramp,) = verdict_of(the_run(self.reports))["ramps"]
        (folder,) = (the_run(self.reports) / "ramps").iterdir()
        self.record: dict[str, Any] = json.loads((folder / "controller.json").read_text())
        self.count = int(json.loads((folder / "ramp.json").read_text())["count"])
        self.evidence = load_ramp(folder)
        self.played = [
            read_segment(folder / f"worker-{number}" / "arrivals.seg", Kind.ARRIVALS).records for number in (0, 1)
        ]
        return self

    @property
    def findings(self) -> dict[str, dict[str, Any]]:
        return {finding["rule"]: finding for finding in self.ramp["findings"]}

    @property
    def not_started(self) -> set[int]:
        return {index for start, stop in self.record["not_started_ranges"] for index in range(start, stop)}

    @property
    def stopped_at(self) -> int:
        """Return when the victim was stopped, in nanoseconds after the epoch."""
        return self.stopped - int(self.record["epoch_ns"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bereaved]]:
    """Return two runs that go on at once: one must not lose a worker, the other one may."""
    begun = {
        "strict": Bereaved(tmp_path_factory.mktemp("strict")),
        "tolerant": Bereaved(tmp_path_factory.mktemp("tolerant"), "--tolerate-worker-loss"),
    }
    try:
        for run in begun.values():
            run.stop()
        yield {name: run.finish() for name, run in begun.items()}
    finally:
        for run in begun.values():
            end(run.process)


@pytest.fixture(params=["strict", "tolerant"])
def run(request: pytest.FixtureRequest, runs: dict[str, Bereaved]) -> Bereaved:
    return runs[request.param]


def test_it_is_given_up_within_five_seconds_and_is_never_taken_back(run: Bereaved) -> None:
    survivor, victim = run.record["workers"]
    silent = re.fullmatch(r"no word for ([\d.]+) s", victim["reason"])

    assert silent is not None
    assert float(silent[1]) <= 5.0
    assert (survivor["state"], victim["state"]) == ("finished", "lost")


def test_sustained_is_forbidden_and_the_report_says_why(run: Bereaved) -> None:
    assert (run.process.returncode, run.ramp["verdict"]) == (3, "INCONCLUSIVE"), run.out
    assert not run.findings["workers"]["holds"]
    assert "lost" in "\n".join(run.ramp["reasons"])


def test_every_arrival_has_exactly_one_place(run: Bereaved) -> None:
    record = run.record
    started = sum(worker["started"] for worker in record["workers"])
    survivor, victim = (records["index"].tolist() for records in run.played)

    assert record["issued"] + record["not_issued"] == run.count == run.ramp["counts"]["offered"]
    assert started + record["not_started"] == record["issued"]
    assert len(run.not_started) == record["not_started"] > 0
    assert len({*survivor, *victim}) == len(survivor) + len(victim)  # nobody is played twice
    assert run.not_started.isdisjoint(survivor)
    assert record["not_issued"] == 0
    assert len(survivor) == record["workers"][0]["started"]


def test_the_victim_starts_nothing_once_it_stands_still(run: Bereaved) -> None:
    survivor, victim = run.played

    assert victim["started"].max() <= run.stopped_at
    assert survivor["started"].max() > run.stopped_at + STALL * 1e9


def test_where_a_loss_is_tolerated_the_other_plays_what_was_not_due_yet(runs: dict[str, Bereaved]) -> None:
    strict, tolerant = runs["strict"], runs["tolerant"]
    said = tolerant.findings["workers"]["observed"]

    assert tolerant.record["taken_over"] > 0 == strict.record["taken_over"]
    assert f"{tolerant.record['taken_over']} taken over" in said
    # what is due from a second after the loss on is nobody's loss
    due = load_due(tolerant, sorted(tolerant.not_started))
    assert due.max() < tolerant.stopped_at / 1e9 + 5.0 + 1.0


def load_due(run: Bereaved, indices: list[int]) -> Any:
    """Return when arrivals were due, in seconds after the epoch."""
    (folder,) = (the_run(run.reports) / "ramps").iterdir()
    return assignment.load(folder).schedule().times(0, run.count)[np.array(indices)]


def test_what_the_victim_left_in_the_store_is_nobodys_fault(run: Bereaved) -> None:
    integrity = run.ramp["integrity"]
    names = ("lost", "duplicate", "corrupted", "unexpected", "contradicted")

    assert {integrity[name] for name in names} == {0}
    assert integrity["acknowledged"] == integrity["verified"] > 5_000
