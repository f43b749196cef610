"""A mutant meets its tests in a fork: who fails is named, what hangs is stopped, and this process stays as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import time
import pytest
from prakerja_load.judgement.verdict import Verdict, worst

@pytest.fixture(scope="module")
def verdicts():
    return [worst([]), worst([Verdict.SUSTAINED])]

def test_shared(verdicts):
    assert verdicts[1] is Verdict.SUSTAINED

def test_nothing():
    pass

def test_empty(verdicts):
    assert verdicts[0] is Verdict.INCONCLUSIVE

def test_wrong():
    assert worst([]) is None
"""
PROGRAM = """
import json, sys
import pytest
import forks
from mutants import Mutant
from pathlib import Path

ROOT, FOLDER = map(Path, sys.argv[1:])
PATH = ROOT / "prakerja_load/judgement/verdict.py"
said = {}

def work(runner):
    from prakerja_load.judgement.verdict import Verdict, worst
    first, second, third, wrong = runner.items
    line = worst.__code__.co_firstlineno
    def swapped(source):
        mutant = Mutant("judgement.verdict", "worst", "", "def worst(verdicts):\\n    " + source, line)
        return lambda: forks.swap_in(mutant, PATH, runner.functions)
    sound = [first, second, third]
    said["unchanged"] = runner.run(sound, lambda: None, 1.0)
    said["changed"] = runner.run(sound, swapped("return max(verdicts, default=Verdict.NOT_SUSTAINED)"), 1.0)
    said["equal"] = runner.run(sound, swapped("return max(verdicts or [Verdict(1)])"), 1.0)
    said["undefined"] = runner.run(sound, swapped("return ("), 1.0)
    forks.LEAST = 1
    said["endless"] = runner.run(sound, swapped("while True: pass"), 0.0)
    said["here"] = worst([]) is Verdict.INCONCLUSIVE
    found = runner.measure([*sound, wrong], [PATH.parent], ROOT)
    said["needs"] = [found["needs"][test] for test in (*sound, wrong)]
    body = ("prakerja_load/judgement/verdict.py", line + 2)
    said["runs"] = {name.rpartition("::")[2]: body in lines for name, (_, lines) in found["reach"].items()}
    said["failed"] = found["failed"]

pytest.main(["-p", "no:cacheprovider", "-p", "no:terminal", "--rootdir", str(FOLDER), str(FOLDER)],
            [forks.Runner(work)])
print("\\n" + json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what became of the mutants of one function whose tests lie in a folder of their own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "test_worst.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_a_change_is_killed_by_the_test_that_fails_and_by_no_other(said: dict[str, Any]) -> None:
    assert said["changed"] == "test_worst.py::test_empty"
    assert (said["unchanged"], said["equal"]) == ("passed", "passed")


def test_a_change_that_is_no_code_is_told_from_one_that_fails(said: dict[str, Any]) -> None:
    assert said["undefined"] == "invalid"


def test_a_change_that_never_ends_is_stopped(said: dict[str, Any]) -> None:
    assert said["endless"] == "stopped"


def test_the_process_that_forks_is_not_changed(said: dict[str, Any]) -> None:
    assert said["here"] is True


def test_a_test_is_charged_with_what_it_runs_and_a_shared_fixture_with_its_own(said: dict[str, Any]) -> None:
    assert said["needs"] == [["test_worst.py::verdicts"], [], ["test_worst.py::verdicts"], []]
    assert said["runs"] == {
        "verdicts": True, "test_shared": False, "test_nothing": False, "test_empty": False, "test_wrong": True,
    }  # fmt: skip


def test_a_test_that_fails_without_a_mutant_is_told(said: dict[str, Any]) -> None:
    assert said["failed"] == ["test_worst.py::test_wrong"]
