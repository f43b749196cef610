"""A run that is cut off and resumed: the rest is played, nobody twice without their key, and the verdict says so."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import begin, command, end, read_until, the_run, verdict_of

from prakerja_load.evidence.journal import Kind, read_segment
from prakerja_load.evidence.part import part_paths
from prakerja_load.evidence.ramp import load_ramp
from prakerja_load.evidence.stored import StoredExport

VOLUME = Path(__file__).parent / "volume.toml"
COUNT = 1_100
ENOUGH = 250  # arrivals that have ended before the cut

pytestmark = pytest.mark.slow


def pid_of(module: str, reports: Path) -> int:
    """Return the process of this module that works under a folder of reports."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if module.encode() in words and any(str(reports).encode() in word for word in words):
                found.append(int(folder.name))
    (pid,) = found
    return pid


def wait_for_arrivals(reports: Path) -> None:
    """Wait until enough arrivals have ended and are on disk."""
    end_at = time.monotonic() + 60
    while time.monotonic() < end_at:
        for path in reports.glob("*/ramps/*/worker-0/arrivals.seg"):
            if read_segment(path, Kind.ARRIVALS).records.size >= ENOUGH:
                return
        time.sleep(0.05)
    raise AssertionError("too few arrivals ended within a minute")


class Resumed:
    """A volume ramp cut off by `cut`, and then resumed."""

    def __init__(self, reports: Path, cut: Callable[[Any, Path], None]) -> None:
        process = begin("run", VOLUME, "--reports", reports)
        read_until(process, "holding")
        wait_for_arrivals(reports)
        cut(process, reports)
        self.first_code = process.returncode
        self.run = the_run(reports)
        self.judged_before = command("judge", self.run)
        self.resumed = command("run", "--resume", self.run)
        (self.ramp,) = verdict_of(self.run)["ramps"]
        (self.folder,) = (self.run / "ramps").iterdir()
        self.evidence = load_ramp(self.folder)
        (self.part,) = part_paths(self.folder)

    @property
    def findings(self) -> dict[str, dict[str, Any]]:
        return {finding["rule"]: finding for finding in self.ramp["findings"]}


def kill_the_run(process: Any, _: Path) -> None:
    """Kill `prakerja-load run` itself; its processes notice by themselves."""
    end(process, signal.SIGKILL)


def kill_all_that_lead(process: Any, reports: Path) -> None:
    """Kill the run and its controller, so that workers on other hosts are left alone."""
    os.kill(pid_of("prakerja_load.driver.controller", reports), signal.SIGKILL)
    end(process, signal.SIGKILL)


def kill_all_of_it(process: Any, reports: Path) -> None:
    """Kill everything but the registrar, so that nothing has the time to write anything down."""
    pids = [pid_of(f"prakerja_load.driver.{name}", reports) for name in ("controller", "worker")]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    end(process, signal.SIGKILL)


def kill_the_controller(process: Any, reports: Path) -> None:
    os.kill(pid_of("prakerja_load.driver.controller", reports), signal.SIGKILL)
    process.communicate(timeout=120)


def press_ctrl_c(process: Any, reports: Path) -> None:
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=120)[0]
    assert f"run --resume {the_run(reports)} finishes it; until then the store stays in" in out


CUTS = [kill_the_run, kill_all_of_it, kill_the_controller, press_ctrl_c]


@pytest.fixture(scope="module", params=CUTS, ids=lambda cut: cut.__name__)
def resumed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Resumed:
    return Resumed(tmp_path_factory.mktemp("resumed"), request.param)


def test_what_was_cut_off_is_inconclusive_until_it_is_resumed(resumed: Resumed) -> None:
    assert resumed.first_code in {3, 4, -signal.SIGKILL}
    assert resumed.judged_before.code == 3
    assert resumed.resumed.code == 0, resumed.resumed.out + resumed.resumed.err
    assert resumed.ramp["verdict"] == "SUSTAINED"


def test_exactly_the_remaining_arrivals_are_played(resumed: Resumed) -> None:
    before = set(load_ramp(resumed.part).arrivals["index"].tolist())
    only = json.loads((resumed.folder / "ramp.json").read_text())["only"]
    after = {index for start, stop in only for index in range(start, stop)}

    assert 100 < resumed.evidence.carried["arrivals"] < COUNT - 100
    assert len(after) == COUNT - resumed.evidence.carried["arrivals"]
    assert resumed.evidence.carried["arrivals"] <= len(before)
    assert np.array_equal(np.sort(resumed.evidence.arrivals["index"]), np.arange(COUNT))
    counts = resumed.ramp["counts"]
    assert counts["offered"] == counts["started"] == COUNT


def test_nobody_is_stored_twice_and_nothing_that_landed_late_is_unexpected(resumed: Resumed) -> None:
    integrity = resumed.ramp["integrity"]

    assert {name: integrity[name] for name in ("lost", "duplicate", "unexpected", "contradicted", "unverified")} == {
        "lost": 0,
        "duplicate": 0,
        "unexpected": 0,
        "contradicted": 0,
        "unverified": 0,
    }
    assert integrity["acknowledged"] == integrity["verified"] > 9_000


def test_a_step_that_was_sent_twice_had_its_first_key(resumed: Resumed) -> None:
    export = StoredExport(resumed.folder / "stored.ndjson.gz")
    keys = [row["key"] for rows in export.chunks() for row in rows]
    run = json.loads((resumed.part / "ramp.json").read_text())["run"]

    assert len(keys) == len(set(keys))
    assert {key.partition("-")[0] for key in keys} == {run}


def test_the_verdict_says_that_the_ramp_was_resumed_and_how_much_later(resumed: Resumed) -> None:
    said = resumed.findings["uninterrupted"]["observed"]

    assert "cut off" in said
    assert "after its time" in said
    assert "cut off" in resumed.ramp["sentence"]
    assert resumed.evidence.offsets[0] > 0
    (cut,) = resumed.evidence.cut_at
    assert 0 < cut < 30


def test_judging_again_what_was_resumed_gives_the_same_bytes(resumed: Resumed) -> None:
    before = (resumed.run / "verdict.json").read_bytes()

    assert command("judge", resumed.run).code == 0
    assert (resumed.run / "verdict.json").read_bytes() == before


def test_the_store_goes_with_the_last_ramp(resumed: Resumed) -> None:
    assert not (resumed.run / "registrar").exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_run_with_workers_from_elsewhere_is_resumed_with_workers_from_elsewhere(tmp_path: Path) -> None:
    token, reports = {"PRAKERJA_LAB_TOKEN": "a-token-of-this-test"}, tmp_path / "runs"
    port, apart = free_port(), ("--controller", f"127.0.0.1:{free_port()}")
    system = begin("serve", "--lab", "--port", str(port), "--database", f"sqlite:{tmp_path / 'store.db'}", **token)
    worker = begin("worker", *apart, "--reports", tmp_path / "worker", **token)
    try:
        read_until(system, str(port))
        target = ("--target", f"http://127.0.0.1:{port}", "--reports", reports)
        process = begin("run", VOLUME, *target, *apart, "--workers", "1", **token)
        read_until(process, "holding")
        wait_for_arrivals(reports)
        kill_all_that_lead(process, reports)
        read_until(worker, "it is kept in")  # it notices by itself, and waits for whatever is led there next
        resumed = command("run", "--resume", the_run(reports), *apart, **token)
        assert worker.wait(60) == 4  # of the ramp that was cut off
    finally:
        end(worker)
        end(system)

    (ramp,) = verdict_of(the_run(reports))["ramps"]
    (folder,) = (the_run(reports) / "ramps").iterdir()
    evidence, integrity = load_ramp(folder), ramp["integrity"]
    found = {finding["rule"]: finding for finding in ramp["findings"]}
    assert (resumed.code, ramp["verdict"]) == (0, "SUSTAINED"), resumed.out + resumed.err
    assert 100 < evidence.carried["arrivals"] < COUNT - 100
    assert np.array_equal(np.sort(evidence.arrivals["index"]), np.arange(COUNT))
    assert found["records of this ramp only"]["holds"]
    assert found["records complete"]["holds"]
    kept = [path.name for path in (tmp_path / "worker").glob("*/*") if path.is_dir()]
    assert kept == ["worker-0.kept-1"]  # what the first controller did not have, apart from what the second one has
    assert "cut off" in found["uninterrupted"]["observed"]
    assert found["arrivals accounted for"]["holds"]
    assert {integrity[name] for name in ("lost", "duplicate", "corrupted", "unexpected")} == {0}
    assert integrity["acknowledged"] == integrity["verified"] > 9_000
    assert [worker["state"] for worker in json.loads((folder / "controller.json").read_text())["workers"]] == [
        "finished"
    ]


def test_the_rest_of_a_peak_is_played_and_proves_nothing_about_the_peak(tmp_path: Path) -> None:
    gate = Path(__file__).parent / "gate.toml"
    process = begin("run", gate, "--reports", tmp_path)
    read_until(process, "holding")
    wait_for_arrivals(tmp_path)
    end(process, signal.SIGKILL)
    said = command("run", "--resume", the_run(tmp_path))
    (ramp,) = verdict_of(the_run(tmp_path))["ramps"]

    assert (said.code, ramp["verdict"]) == (3, "INCONCLUSIVE"), said.out + said.err
    assert "cut off" in ramp["reasons"][0]
    assert ramp["counts"]["started"] == ramp["counts"]["offered"]
    assert ramp["integrity"]["lost"] == ramp["integrity"]["unexpected"] == 0

    # as the report advises: even what was played to its end in parts is offered anew
    redone = command("run", "--resume", the_run(tmp_path), "--redo")
    (ramp,) = verdict_of(the_run(tmp_path))["ramps"]
    assert "cut off" not in ramp["sentence"], redone.out
    assert ramp["counts"]["started"] == ramp["counts"]["offered"]
    assert len(list((the_run(tmp_path) / "ramps").glob("*.cut-off-1"))) == 1
