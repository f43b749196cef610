"""The command line as its users run it: in a process of its own, from the checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "scenarios"


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would change how commands talk."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PRAKERJA_")}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "200", **more}


def command(*arguments: str | Path, timeout: float = 240, **more: str) -> Said:
    """Run `prakerja-load` with these arguments to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "prakerja_load", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env=environment(**more),
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def begin(*arguments: str | Path, **more: str) -> subprocess.Popen[str]:
    """Start `prakerja-load` with these arguments; whoever calls ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "prakerja_load", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment(**more),
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], *words: str) -> str:
    """Read lines of a running command until one holds all these words; return that line."""
    assert process.stdout is not None
    heard: list[str] = []
    for line in process.stdout:
        heard.append(line)
        if all(word in line for word in words):
            return line
    raise AssertionError(f"the command ended without saying {words}:\n{''.join(heard)}")


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> str:
    """End a command that may still run, with all it started, and return what it had left to say."""
    if process.poll() is None:
        os.killpg(process.pid, number)
    return process.communicate(timeout=60)[0]


def the_run(reports: Path) -> Path:
    """Return the only run directory under a folder of reports."""
    (found,) = [path for path in reports.iterdir() if path.is_dir()]
    return found


def verdict_of(run: Path) -> dict[str, Any]:
    """Return what verdict.json says."""
    said = json.loads((run / "verdict.json").read_text())
    assert isinstance(said, dict)
    return said
