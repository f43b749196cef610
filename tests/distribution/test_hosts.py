"""Separate hosts: two workers lead from a third against a registrar on a fourth, over a line that is not good."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import hosts
import pytest
from command import ROOT, read_until, the_run, verdict_of
from hosts import CONTROLLER, REGISTRAR, Host, Site

from prakerja_load.driver.guard import token_of
from prakerja_load.evidence.ramp import load_ramp

SCENARIO = Path(__file__).parent / "hosts.toml"
PORT, KEY, TOKEN = 8020, "a-key-of-this-test", "a-token-of-this-test"
ADDRESS = f"{CONTROLLER}:9777"
AHEAD = 5_000  # seconds by which the clock of the second worker's host is ahead

WHY_NOT = hosts.reason_against()
pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT),
]


def start(host: Host, *arguments: str | Path, monotonic: int = 0, log: Path | None = None) -> subprocess.Popen[str]:
    """Start a module of ours on a host."""
    command = host.command(sys.executable, "-m", *map(str, arguments), monotonic=monotonic)
    environment = {**os.environ, "PRAKERJA_LAB_TOKEN": TOKEN, "PRAKERJA_PROJECT_KEY": KEY, "NO_COLOR": "1"}
    with log.open("w") if log is not None else nullcontext(subprocess.PIPE) as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment)


@contextmanager
def running(*processes: subprocess.Popen[str]) -> Iterator[None]:
    """Leave none of these processes behind."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@contextmanager
def registrar(site: Site, folder: Path) -> Iterator[None]:
    """Serve from a new store, and allow load from elsewhere."""
    consent = folder / "consent.json"
    allowed = {"max_rps": 5000, "contact": "ops@example.com", "token": token_of(KEY, REGISTRAR, PORT)}
    period = {"not_before": "2020-01-01T00:00:00+07:00", "not_after": "2999-01-01T00:00:00+07:00"}
    consent.write_text(json.dumps({**allowed, **period}))
    where = ("--host", REGISTRAR, "--port", str(PORT), "--database", f"sqlite:{folder / 'store.db'}")
    process = start(site.registrar, "prakerja_load.registrar", *where, "--lab", "--consent", consent)
    with running(process):
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        yield


def ordered(reports: Path, *more: str) -> tuple[str | Path, ...]:
    """Return the command line of a run against the registrar's host."""
    target = ("--target", f"http://{REGISTRAR}:{PORT}", "--set", 'target.authorized_by="Ibu Sari, PMO"')
    return ("prakerja_load", "run", SCENARIO, *target, "--reports", reports, *more)


class Apart:
    """One run led from its own host; `cut` says after how many seconds of the hold the second worker's line ends."""

    def __init__(self, folder: Path, *more: str, cut_after: float | None = None) -> None:
        folder.mkdir()
        self.kept, reports = folder / "w1", folder / "runs"
        with hosts.site() as site, registrar(site, folder):
            workers = [
                start(
                    host,
                    *("prakerja_load", "worker", "--controller", ADDRESS, "--reports", folder / f"w{number}"),
                    monotonic=number * AHEAD,
                    log=folder / f"w{number}.log",
                )
                for number, host in enumerate(site.workers)
            ]
            run = start(site.controller, *ordered(reports, "--controller", ADDRESS, "--workers", "2", *more))
            with running(run, *workers):
                if cut_after is not None:
                    read_until(run, "holding")
                    time.sleep(cut_after)  # somewhere in the hold
                    self.cut_at = time.monotonic_ns()
                    site.lines[1].cut()
                self.out = run.communicate(timeout=240)[0]
                self.code = run.returncode
                survivors = workers[:1] if cut_after is not None else workers
                self.worker_codes = [worker.wait(30) for worker in survivors]
                self._wait_for_keeping(cut_after)
        self.said = [(folder / f"w{number}.log").read_text() for number in (0, 1)]
        self.run = the_run(reports)
        (self.ramp,) = verdict_of(self.run)["ramps"]
        (self.folder,) = (self.run / "ramps").iterdir()
        self.record: dict[str, Any] = json.loads((self.folder / "controller.json").read_text())
        self.evidence = load_ramp(self.folder)

    def _wait_for_keeping(self, cut_after: float | None) -> None:
        """Wait until the worker that was cut off has written the last of what it keeps."""
        end = time.monotonic() + 60
        while cut_after is not None and time.monotonic() < end:
            if "is kept" in (self.kept.parent / "w1.log").read_text():
                return
            time.sleep(0.2)

    @property
    def findings(self) -> dict[str, dict[str, Any]]:
        return {finding["rule"]: finding for finding in self.ramp["findings"]}


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Apart:
    return Apart(tmp_path_factory.mktemp("apart") / "run")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the verdict on the same ramp, run by one worker on one host."""
    folder = tmp_path_factory.mktemp("together")
    with hosts.site() as site, registrar(site, folder):
        run = start(site.workers[0], *ordered(folder / "runs", "--workers", "1"))
        with running(run):
            out = run.communicate(timeout=240)[0]
    assert run.returncode == 0, out
    (ramp,) = verdict_of(the_run(folder / "runs"))["ramps"]
    assert isinstance(ramp, dict)
    return ramp


def test_hosts_apart_reach_the_verdict_of_one_process(apart: Apart, together: dict[str, Any]) -> None:
    assert (apart.code, apart.ramp["verdict"]) == (0, "SUSTAINED"), apart.out
    assert apart.ramp["counts"] == together["counts"]
    integrity = apart.ramp["integrity"]
    assert integrity["acknowledged"] == integrity["verified"] == together["integrity"]["verified"] > 5_000
    assert integrity["unexpected"] == integrity["lost"] == 0


def rows(ramp: dict[str, Any]) -> list[dict[str, Any]]:
    return [*ramp["steps"], ramp["journey"]]


def test_hosts_apart_measure_the_times_of_one_process_within_two_percent(
    apart: Apart, together: dict[str, Any]
) -> None:
    for here, there in zip(rows(together), rows(apart.ramp), strict=True):
        assert here["requests"] == there["requests"], here["name"]
        for quantile in ("p50", "p95") if here["is_gated"] else ():  # a look into the outbox has no times
            one, two = (row["elapsed"][quantile]["value"] for row in (here, there))
            assert two == pytest.approx(one, rel=0.02), (here["name"], quantile)


def test_all_evidence_is_on_the_controllers_host_and_none_is_left_on_the_workers(apart: Apart) -> None:
    made = sum(worker["samples"] for worker in apart.record["workers"])

    assert apart.evidence.samples.size == made == apart.record["merged_samples"] > 5_000
    assert sum(worker["arrivals"] for worker in apart.record["workers"]) == apart.evidence.arrivals.size
    assert sum(worker["ledger"] for worker in apart.record["workers"]) == apart.evidence.ledger.size
    assert apart.record["foreign_messages"] == apart.record["damaged_parcels"] == 0
    assert not list(apart.kept.rglob("*.seg"))
    assert apart.worker_codes == [0, 0]
    assert all("the controller has the evidence" in said and "no ramp follows" in said for said in apart.said)


def test_clocks_that_differ_are_aligned_as_well_as_the_line_allows(apart: Apart) -> None:
    offsets = [worker["clock_offset"] for worker in apart.record["workers"]]
    errors = [worker["clock_error"] for worker in apart.record["workers"]]

    assert abs(max(offsets) - min(offsets)) == pytest.approx(AHEAD, abs=0.05)
    assert max(errors) < 0.05
    # whichever worker got the controller's own clock needed no exchange
    assert {error == 0 for error in errors} == {True, False}
    assert apart.findings["clock offset"]["holds"]


def test_arrivals_of_both_hosts_start_when_they_are_due(apart: Apart) -> None:
    assert apart.findings["lateness"]["holds"], apart.findings["lateness"]
    assert (apart.evidence.arrivals["started"] >= apart.evidence.arrivals["intended"]).all()


@pytest.fixture(scope="module")
def severed(tmp_path_factory: pytest.TempPathFactory) -> Apart:
    return Apart(tmp_path_factory.mktemp("severed") / "run", cut_after=5.0)


@pytest.fixture(scope="module")
def tolerated(tmp_path_factory: pytest.TempPathFactory) -> Apart:
    return Apart(tmp_path_factory.mktemp("tolerated") / "run", "--tolerate-worker-loss", cut_after=5.0)


def test_a_worker_that_is_cut_off_is_seen_within_five_seconds_and_forbids_green(severed: Apart) -> None:
    lost = next(worker for worker in severed.record["workers"] if worker["state"] == "lost")
    silent = re.fullmatch(r"no word for ([\d.]+) s", lost["reason"])

    assert silent is not None
    assert float(silent[1]) <= 5.0
    assert (severed.code, severed.ramp["verdict"]) == (3, "INCONCLUSIVE"), severed.out
    assert not severed.findings["workers"]["holds"]
    assert severed.record["not_started"] > 0
    assert f"{severed.record['not_started']:,}".replace(",", " ") in severed.findings["arrivals issued"]["observed"]


def test_a_worker_that_is_cut_off_offers_nothing_more_after_five_seconds(severed: Apart) -> None:
    # the controller, like this test, lives by the machine's own clock
    cut = severed.cut_at - severed.record["epoch_ns"]
    lost = next(worker for worker in severed.record["workers"] if worker["state"] == "lost")
    ours = severed.folder / f"worker-{lost['worker']}"
    (kept,) = {path.parent for path in severed.kept.rglob("*.seg")}
    sent, whole = (arrivals_of(path) for path in (ours, kept))

    assert "is kept" in severed.said[1]
    assert set(sent["index"].tolist()) <= set(whole["index"].tolist())
    assert cut < whole["started"].max() <= cut + 5 * 10**9


def arrivals_of(folder: Path) -> Any:
    from prakerja_load.evidence.journal import Kind, read_segment

    return read_segment(folder / "arrivals.seg", Kind.ARRIVALS).records


def test_nothing_that_a_lost_worker_stored_is_called_unexpected(severed: Apart, tolerated: Apart) -> None:
    for run in (severed, tolerated):
        integrity = run.ramp["integrity"]
        assert {name: integrity[name] for name in ("lost", "unexpected", "duplicate", "contradicted")} == {
            "lost": 0,
            "unexpected": 0,
            "duplicate": 0,
            "contradicted": 0,
        }


def test_with_tolerance_the_others_take_over_and_the_report_says_so(severed: Apart, tolerated: Apart) -> None:
    record = tolerated.record

    assert tolerated.ramp["verdict"] == "INCONCLUSIVE"
    assert record["taken_over"] > 0
    assert severed.record["taken_over"] == 0
    assert record["not_issued"] == 0
    assert record["issued"] == tolerated.ramp["counts"]["offered"]
    assert sum(worker["started"] for worker in record["workers"]) + record["not_started"] == record["issued"]
    assert f"{record['taken_over']} taken over" in tolerated.findings["workers"]["observed"]
    assert tolerated.evidence.arrivals["index"].size == len(set(tolerated.evidence.arrivals["index"].tolist()))
