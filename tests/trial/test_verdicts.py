"""Whole runs on real processes: each known defect gets the verdict it deserves, with its own reason."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from command import SCENARIOS, begin, command, end, read_until, the_run, verdict_of

GATE = Path(__file__).parent / "gate.toml"


def defect(text: str) -> tuple[str, str]:
    return ("--set", f"registrar.defects=[{text}]")


def the_ramp(reports: Path) -> dict[str, Any]:
    (ramp,) = verdict_of(the_run(reports))["ramps"]
    assert isinstance(ramp, dict)
    return ramp


def all_reasons(ramp: dict[str, Any]) -> str:
    return "\n".join(ramp["reasons"])


def test_a_healthy_system_is_sustained_and_every_write_is_verified(tmp_path: Path) -> None:
    said = command("run", GATE, "--reports", tmp_path)
    ramp = the_ramp(tmp_path)

    assert (said.code, ramp["verdict"]) == (0, "SUSTAINED"), said.out + said.err
    assert ramp["counts"]["offered"] == ramp["counts"]["started"] == 1840
    integrity = ramp["integrity"]
    assert integrity["acknowledged"] == integrity["verified"] > 10_000
    assert {integrity[name] for name in ("lost", "duplicate", "corrupted", "unexpected", "contradicted")} == {0}
    assert integrity["unverified"] == 0


def test_one_lost_acknowledged_write_is_not_sustained_whatever_the_speed(tmp_path: Path) -> None:
    said = command("run", GATE, "--reports", tmp_path, *defect('{name="lose-write", every=1000, step="join-wave"}'))
    ramp = the_ramp(tmp_path)

    assert (said.code, ramp["verdict"]) == (1, "NOT_SUSTAINED")
    assert ramp["integrity"]["lost"] == 1
    assert "lost" in all_reasons(ramp)
    assert "lose-write" in "\n".join(ramp["disclosures"])


def test_a_system_that_leaves_09_percent_of_requests_unanswered_is_not_sustained(tmp_path: Path) -> None:
    said = command("run", GATE, "--reports", tmp_path, *defect('{name="silence", share=0.009}'))
    ramp = the_ramp(tmp_path)

    assert (said.code, ramp["verdict"]) == (1, "NOT_SUSTAINED")
    timeouts = sum(step["outcomes"].get("timeout", 0) for step in ramp["steps"])
    requests = sum(step["requests"] for step in ramp["steps"])
    assert 0.004 < timeouts / requests < 0.016
    assert ramp["integrity"]["lost"] == 0


def test_a_stall_of_three_seconds_shows_in_what_is_gated(tmp_path: Path) -> None:
    said = command("run", GATE, "--reports", tmp_path, *defect('{name="stall", after=10, seconds=3}'))
    ramp = the_ramp(tmp_path)

    assert (said.code, ramp["verdict"]) == (1, "NOT_SUSTAINED")
    first = ramp["steps"][0]
    # a stall of T in a window of D: x_p = T − (1 − p)·D·(1 − r), r the small utilization
    assert 2.4 < first["elapsed"]["p99"]["value"] < 3.1
    assert ramp["integrity"]["verdict"] == "SUSTAINED"


def test_a_system_that_answers_nothing_is_not_sustained(tmp_path: Path) -> None:
    said = command("run", GATE, "--reports", tmp_path, *defect('{name="mute"}'))
    ramp = the_ramp(tmp_path)

    assert (said.code, ramp["verdict"]) == (1, "NOT_SUSTAINED")
    assert ramp["counts"]["acknowledged"] == 0
    assert ramp["steps"][0]["elapsed"]["p99"]["value"] == "inf"


def pids_of(*words: str) -> list[int]:
    """Return the processes whose command line holds all these words."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if all(word in line for word in words):
                found.append(int(folder.name))
    return found


def the_worker(reports: Path, number: int) -> int:
    (pid,) = pids_of("prakerja_load.driver.worker", str(reports), f"--worker {number}")
    return pid


def test_a_worker_killed_mid_run_forbids_a_green_verdict(tmp_path: Path) -> None:
    process = begin("run", GATE, "--reports", tmp_path, "--workers", "2")
    read_until(process, "holding")

    os.kill(the_worker(tmp_path, 1), signal.SIGKILL)
    out = process.communicate(timeout=120)[0]
    ramp = the_ramp(tmp_path)

    assert (process.returncode, ramp["verdict"]) == (3, "INCONCLUSIVE"), out
    assert "lost" in all_reasons(ramp)
    assert ramp["counts"]["started"] < ramp["counts"]["offered"]
    assert ramp["integrity"]["lost"] == 0


def test_a_generator_starved_of_processor_time_accuses_itself_not_the_system(tmp_path: Path) -> None:
    process = begin("run", GATE, "--reports", tmp_path)
    read_until(process, "holding")
    pid = the_worker(tmp_path, 0)
    over = threading.Event()

    def throttle() -> None:
        # what a container's processor quota does: 0.6 s of every 0.7 s taken away

        while not over.is_set():
            for number, seconds in ((signal.SIGSTOP, 0.6), (signal.SIGCONT, 0.1)):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    return
                time.sleep(seconds)

    thief = threading.Thread(target=throttle)
    thief.start()
    read_until(process, "draining")
    over.set()
    thief.join()
    out = process.communicate(timeout=120)[0]
    ramp = the_ramp(tmp_path)

    assert (process.returncode, ramp["verdict"]) == (3, "INCONCLUSIVE"), out
    assert "late" in all_reasons(ramp)
    assert ramp["integrity"]["verdict"] == "SUSTAINED"


def test_ctrl_c_drains_judges_and_reports(tmp_path: Path) -> None:
    process = begin("run", GATE, "--reports", tmp_path)
    read_until(process, "holding")
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=120)[0]
    run = the_run(tmp_path)

    assert process.returncode == 3, out
    assert verdict_of(run)["verdict"] == "INCONCLUSIVE"
    assert (run / "report.html").exists()
    assert the_ramp(tmp_path)["integrity"]["lost"] == 0
    assert the_ramp(tmp_path)["integrity"]["unverified"] == 0


def test_a_run_killed_at_once_can_be_judged_and_then_finished(tmp_path: Path) -> None:
    process = begin("run", SCENARIOS / "smoke.toml", "--reports", tmp_path)
    read_until(process, "holding")
    end(process, signal.SIGKILL)
    run = the_run(tmp_path)

    assert command("judge", run).code == 3
    assert verdict_of(run)["verdict"] == "INCONCLUSIVE"
    resumed = command("run", "--resume", run, "--redo")
    assert resumed.code == 0, resumed.out + resumed.err
    assert verdict_of(run)["verdict"] == "SUSTAINED"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = tmp_path_factory.mktemp("finished")
    assert command("run", SCENARIOS / "smoke.toml", "--reports", reports).code == 0
    return the_run(reports)


def test_judging_again_gives_the_same_bytes(finished: Path) -> None:
    before = (finished / "verdict.json").read_bytes()

    assert command("judge", finished).code == 0
    assert (finished / "verdict.json").read_bytes() == before


def test_reporting_again_gives_the_same_bytes(finished: Path) -> None:
    before = [(finished / name).read_bytes() for name in ("report.html", "report.md")]

    assert command("report", finished).code == 0
    assert [(finished / name).read_bytes() for name in ("report.html", "report.md")] == before


def test_reconciling_again_says_that_nothing_is_missing(finished: Path) -> None:
    said = command("reconcile", finished)

    assert said.code == 0
    assert "none lost" in said.out


def test_no_identity_number_stands_in_a_report(finished: Path) -> None:

    for name in ("report.html", "report.md", "verdict.json", "run.json"):
        text = (finished / name).read_text()
        assert not re.findall(r"(?<![\d.])\d{16}(?!\d)", text), name


def test_the_store_of_the_embedded_registrar_is_not_left_behind(finished: Path) -> None:
    assert not (finished / "registrar").exists()
