"""The stock locust command on a scenario made for it."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ramp_rig import ROOT, TOKEN

SCENARIO = """
name = "tiny"
claim = "peak"

[demand]
peak_minute_share = 0.9

[[ramps]]
name = "tiny"
registrants = {registrants}
hold = "{hold}"

[journey]
funnel = "none"
think_time_scale = 0.00001
photo_size = 256
behavior = {{ nik_typo = 0, under_age = 0, someone_elses_nik = 0, double_click = 0, refresh = 0 }}

[load]
warm_up = "0s"
drain = "3s"
patience = "5s"
"""


def locust(
    folder: Path, *arguments: str, registrants: int = 2000, hold: str = "1s", more: str = "", under: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start `locust` on a scenario of registrants · 0.9 / 60 arrivals/s (30 by default), with `more` at its end.

    `under` is a command that runs it.
    """
    scenario = folder / "tiny.toml"
    scenario.write_text(SCENARIO.format(registrants=registrants, hold=hold) + more)
    command = [*under, str(Path(sys.executable).with_name("locust")), "--csv", str(folder / "out"), *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PRAKERJA_SCENARIO": str(scenario), "PRAKERJA_LAB_TOKEN": TOKEN},
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 30.0) -> tuple[int, str]:
    """Wait for a command to end, or end it; return its exit code and what it said."""
    try:
        said, _ = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, said


def counts(folder: Path) -> dict[str, int]:
    """Return Locust's own counts of requests by name, from its CSV."""
    with (folder / "out_stats.csv").open() as file:
        return {row["Name"]: int(row["Request Count"]) for row in csv.DictReader(file)}


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
