"""Setting up: a Python too old is told so in one sentence, and pip alone is enough where uv is not to be had."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT, environment

OLD = """#!/bin/sh
[ "$1" = --version ] && echo "Python 3.9.2"
exit 1
"""


@pytest.mark.parametrize("command", [["sh", ".ci/install", "ramp"], ["make", "--always-make", "ramp"]])
def test_a_python_too_old_is_told_so_and_nothing_is_touched(tmp_path: Path, command: list[str]) -> None:
    old = tmp_path / "python3"
    old.write_text(OLD)
    old.chmod(0o755)
    if command[0] == "make":
        command = [*command, f"PYTHON={old}"]

    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, cwd=ROOT, env=environment(PYTHON=str(old)), check=False
    )

    assert done.returncode == 2
    assert f"prakerja-load needs Python 3.11 or newer; '{old}' is Python 3.9.2" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pip_alone_sets_up_what_make_ramp_needs(tmp_path: Path) -> None:
    for name in (".ci", "prakerja_load"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "uv.lock", "requirements.lock", "requirements-dev.lock", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    python = Path(sys.base_prefix) / "bin" / "python3"

    done = subprocess.run(
        ["sh", ".ci/install", "ramp"],
        capture_output=True,
        text=True,
        timeout=500,
        cwd=tmp_path,
        env=environment(PYTHON=str(python), WITHOUT_UV="1"),
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "installing with pip instead" in done.stdout
    for arguments in (["applicants", "--count", "1"], ["plan", str(ROOT / "scenarios" / "smoke.toml")]):
        ours = [str(tmp_path / ".venv/bin/prakerja-load"), *arguments]
        assert subprocess.run(ours, capture_output=True, timeout=60, env=environment(), check=False).returncode == 0
