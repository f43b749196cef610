"""A generator that runs out of ports accuses itself and never the system (fault F18), in a namespace with few ports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hosts
import pytest
from command import ROOT, SCENARIOS, environment, the_run, verdict_of

FEW_PORTS = """
echo 32768 32967 > /proc/sys/net/ipv4/ip_local_port_range
echo 0 > /proc/sys/net/ipv4/tcp_tw_reuse
exec "$@"
"""


@pytest.fixture
def namespace() -> Iterator[str]:
    """Yield the name of a network namespace of our own with loopback up; skip where none can be made."""
    if reason := hosts.reason_against():
        pytest.skip(reason)
    name = f"few-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "netns", "exec", name, "ip", "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def run(namespace: str, reports: Path, *more: str) -> tuple[int, str]:
    settings = ('load.source_addresses=["127.0.0.1"]', "ramps.1.hold=12s", "load.drain=20s", "load.patience=5s")
    command = [sys.executable, "-m", "prakerja_load", "run", str(SCENARIOS / "smoke.toml"), "--reports", str(reports)]
    command += [part for setting in settings for part in ("--set", setting)]
    inside = ["ip", "netns", "exec", namespace, "sh", "-c", FEW_PORTS, "sh", *command, *more]
    done = subprocess.run(inside, capture_output=True, text=True, timeout=280, cwd=ROOT, env=environment(), check=False)
    return done.returncode, done.stdout + done.stderr


def findings(reports: Path) -> dict[str, Any]:
    (ramp,) = verdict_of(the_run(reports))["ramps"]
    return {finding["rule"]: finding for finding in ramp["findings"]}


@pytest.mark.slow
@pytest.mark.namespaces
def test_too_few_ports_are_refused_beforehand_and_make_a_run_unsound(namespace: str, tmp_path: Path) -> None:
    code, said = run(namespace, tmp_path / "refused")
    assert code == 2
    assert "load.source_addresses: got 1" in said
    assert "of 200 × 1 address: NOT ENOUGH" in said

    code, said = run(namespace, tmp_path / "run", "--undecidable")
    assert code == 3, said
    finding = findings(tmp_path / "run")["connections to spare"]
    assert (finding["holds"], finding["kind"]) == (False, "accusing")
    controller = json.loads(next((tmp_path / "run").rglob("controller.json")).read_text())
    assert sum(worker["exhausted"] for worker in controller["workers"]) > 0
    assert "this machine: cannot assign requested address" in next((tmp_path / "run").rglob("worker-0.log")).read_text()
