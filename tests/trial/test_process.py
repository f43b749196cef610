"""Whoever runs a run directory holds it, and so does every process that was started meanwhile."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from prakerja_load.errors import HarnessError, UsageError
from prakerja_load.trial import process
from prakerja_load.trial.process import Child, hold


def test_a_run_whose_processes_live_is_held_by_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "NOTICED", 0.3)
    with hold(tmp_path):
        child = Child(["http.server", "0", "--bind", "127.0.0.1"], tmp_path / "child.log", frozenset())
    with pytest.raises(HarnessError, match="still being run"), hold(tmp_path):
        pass
    os.kill(child.pid, signal.SIGKILL)
    child.join(10)
    with hold(tmp_path):
        pass


def test_two_runs_do_not_hold_one_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "NOTICED", 0.3)
    with hold(tmp_path), pytest.raises(HarnessError, match="still being run"), hold(tmp_path):
        pass


def child(folder: Path, program: str) -> Child:
    """Start a module that is this program."""
    (folder / "spoken.py").write_text(program)
    return Child(["spoken"], folder / "child.log", frozenset(), {"PYTHONPATH": str(folder)})


def test_a_process_that_dies_before_it_is_ready_is_told_from_one_that_keeps_silent(tmp_path: Path) -> None:
    dying = child(tmp_path, "import sys; sys.stdout.close(); print('no port', file=sys.stderr); sys.exit(7)")

    with pytest.raises(HarnessError, match=r"(?s)spoken ended with exit code 7 before it was ready.*no port"):
        dying.wait_for("ready", 30.0)


def test_one_whose_output_ends_long_before_it_does_is_not_called_silent(tmp_path: Path) -> None:
    dying = child(tmp_path, "import os, time; os.close(1); time.sleep(1); os._exit(7)")

    with pytest.raises(HarnessError, match="ended with exit code 7"):
        dying.wait_for("ready", 30.0)


def test_one_that_keeps_silent_is_called_so(tmp_path: Path) -> None:
    silent = child(tmp_path, "import time; time.sleep(60)")

    with pytest.raises(HarnessError, match=r"said nothing for 0\.3 s before it was ready"):
        silent.wait_for("ready", 0.3)
    silent.stop(5.0)


@pytest.mark.parametrize(("code", "kind"), [(4, HarnessError), (2, UsageError)])
def test_what_a_process_says_of_its_failure_is_what_is_said(
    code: int, kind: type[HarnessError | UsageError], tmp_path: Path
) -> None:
    said = json.dumps({"event": "failed", "reason": "could not connect", "exit_code": code})
    failing = child(tmp_path, f"import sys; print({said!r}); sys.exit({code})")

    with pytest.raises(kind, match=r"^could not connect$"):
        failing.wait_for("listening", 30.0)
    assert failing.join(5.0) == code
