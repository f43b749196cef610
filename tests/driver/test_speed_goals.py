"""The goals that the speed tables are held to: what is met, what is missed, what was not measured, and who says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import generators
import goals
import opening_minute
import truth
from goals import OURS
from opening_minute import Round
from servers.judged import judge

ROOT = Path(__file__).parents[2]
COSTS = {
    OURS: 20.0,
    "Locust FastHttpUser": 300.0,
    "Locust HttpUser": 900.0,
    "k6": 120.0,
    "wrk, one POST with Lua": 10.0,
}


def test_costs_that_lie_on_the_goals_meet_them() -> None:
    found = goals.compare(COSTS)

    assert [(one.goal.other, one.goal.text) for one in found] == [
        ("Locust FastHttpUser", "1/15"),
        ("Locust HttpUser", "1/45"),
        ("k6", "1/6"),
        ("wrk, one POST with Lua", "2×"),
    ]
    assert all(one.is_met for one in found)


@pytest.mark.parametrize("other", [name for name in COSTS if name != OURS])
def test_another_generator_that_is_a_little_cheaper_makes_its_goal_a_missed_one(other: str) -> None:
    found = goals.compare({**COSTS, other: COSTS[other] * 0.99})

    assert [one.goal.other for one in found if not one.is_met] == [other]


def test_the_line_of_a_goal_tells_the_ratio_and_the_journeys_of_a_core() -> None:
    fast, http, _, wrk = goals.compare({**COSTS, "Locust FastHttpUser": 250.0, "wrk, one POST with Lua": 8.0})

    assert fast.row == "| Locust FastHttpUser | 1/15 | 1/12.5 | 3125 against 250 | missed |"
    assert http.row == "| Locust HttpUser | 1/45 | 1/45 | 3125 against 69 | met |"
    assert wrk.row == "| wrk, one POST with Lua | 2× | 2.5× | 3125 | missed |"


@pytest.mark.parametrize("absent", [OURS, "k6"])
def test_what_was_not_measured_is_not_met(absent: str) -> None:
    found = goals.compare({name: cost for name, cost in COSTS.items() if name != absent})
    missing = [one for one in found if absent in (OURS, one.goal.other)]

    assert missing
    assert not any(one.is_met for one in missing)
    assert all("not measured" in one.row for one in missing)


@pytest.fixture
def run_generators(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a way to run the program with costs instead of generators."""

    def run(costs: dict[str, float], *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["generators.py", *arguments])
        monkeypatch.setattr(generators, "two_cores", lambda: (0, 1))
        monkeypatch.setattr(generators, "find_k6", lambda _: "k6")
        monkeypatch.setattr(generators, "compare", lambda *_: costs)
        return generators.main()

    return run


def test_the_table_of_generators_fails_unless_every_goal_is_met_or_nobody_asks(
    run_generators: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    missed = {**COSTS, "k6": 119.0}
    assert run_generators(COSTS) == 0
    assert "missed" not in capsys.readouterr().out

    assert run_generators(missed) == 1
    assert capsys.readouterr().out.endswith("missed, beside: k6\n")

    assert run_generators({name: cost for name, cost in COSTS.items() if name != "k6"}) == 1
    assert run_generators(missed, "--no-goals") == 0


def rounds_of(*, lost: int = 0, p99: float = 0.005, thousandth: float = 0.020) -> list[Round]:
    late = {"p99": p99, "p99.9": thousandth}
    return [Round(100, 100, 0, late, 8_000.0, 0.6)] * 4 + [Round(100, 100 - lost, 0, late, 8_000.0, 0.6)]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"lost": 1}, "arrivals dropped or missing"),
        ({"p99": 0.0051}, "lateness p99"),
        ({"thousandth": 0.0201}, "lateness p99.9"),
    ],
)
def test_the_opening_minute_is_offered_when_one_policy_keeps_every_limit(
    change: dict[str, Any], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, broken = rounds_of(), rounds_of(**change)
    assert judge(opening_minute.compare({"per-registrant": kept, "reuse": kept})) == 0
    assert "does not keep" not in capsys.readouterr().out

    assert judge(opening_minute.compare({"per-registrant": broken, "reuse": kept})) == 0
    assert f"per-registrant does not keep: {named}\n" in capsys.readouterr().out

    assert judge(opening_minute.compare({"per-registrant": broken, "reuse": broken})) == 1
    said = capsys.readouterr().out
    assert f"reuse does not keep: {named}\n" in said
    assert said.endswith("missed: policies that keep every limit, of 2\n")


@pytest.mark.parametrize("program", [generators, opening_minute])
def test_a_table_is_refused_where_both_sides_would_share_a_core(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program"])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said == "cores: got 3, allowed: two or more, one for the server and one for the generator\n"


@pytest.mark.parametrize(("reported", "k6", "code"), [(1.0, "k6", 0), (1.0, "", 4), (1.03, "k6", 1), (1.03, "", 1)])
def test_the_table_of_the_truth_does_not_end_well_without_k6(
    reported: float, k6: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = truth.Row("", truth.Reported(reported, reported), truth.Reported(1.0, 1.0), 10_000)
    monkeypatch.setattr(sys, "argv", ["truth.py"])
    monkeypatch.setattr(truth, "find_k6", lambda _: k6)
    monkeypatch.setattr(truth, "measure", lambda name, *_: truth.Row(name, row.reported, row.truth, row.sent))

    assert truth.main() == code
    said = capsys.readouterr()
    assert ("| k6 constant-arrival-rate, 50 VUs |" in said.out) == bool(k6)
    assert said.err.startswith("k6 was not measured: ") == (code == 4)


def tables() -> list[str]:
    found = re.search(r"^BENCHMARKS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found
    return found[1].split()


def test_make_bench_knows_every_table() -> None:
    programs = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "def main() -> int:" in path.read_text()}
    assert set(tables()) == programs


@pytest.mark.parametrize("missed", [[], ["generators"], ["overload", "truth"]])
def test_make_bench_runs_every_table_as_it_comes_and_names_those_that_fail(missed: list[str], tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    fails = "".join(f"benchmarks/{table}.py) exit 1;; " for table in missed)
    python.write_text(f'#!/bin/sh\necho "$@" >> ran\ncase "$1" in {fails}esac\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / ".dev").touch()
    bench = subprocess.run(
        ["make", "-C", str(tmp_path), "-f", str(ROOT / "Makefile"), "-o", ".venv/.dev", "bench"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tmp_path / "ran").read_text().splitlines() == [f"benchmarks/{table}.py" for table in tables()]
    assert (bench.returncode == 0) == (not missed)
    said = f"a goal is missed, or could not be measured: {' '.join(missed)}\n"
    assert (said in bench.stderr) == bool(missed)
