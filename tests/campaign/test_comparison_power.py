"""How often a comparison of five runs each is right: a step ten per cent slower is caught, the same system not accused.

The runs are whole ones in virtual time (`calibrated_run`), and what compares them is what the command calls. The
bootstrap draws other fives from the recorded ones; the long test plays every five anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from calibrated_run import SERVICE, WAY, record

from prakerja_load.judgement import repeats
from prakerja_load.judgement.compared import CompareOrder, compare_runs
from prakerja_load.judgement.comparison import TOLERANCE, Comparison, Outcome, compare
from prakerja_load.judgement.repeats import Repeat

REPEATS = 5
SLOWER = 1.1
RECORDED = 12
DRAWN = 300


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Return runs of a system, and of the same with one step ten per cent slower."""
    folder = tmp_path_factory.mktemp("recorded")
    return {
        name: [record(folder / f"{name}-{number}", number, slow) for number in range(RECORDED)]
        for name, slow in (("base", 1.0), ("slow", SLOWER))
    }


def compared(base: Sequence[Repeat], new: Sequence[Repeat]) -> Comparison:
    return compare(repeats.indicators(base, new, TOLERANCE), repeats.harm(base, new))


def test_the_step_that_is_slower_is_found_and_named(recorded: dict[str, list[Path]]) -> None:
    base, slow = (tuple(recorded[name][:REPEATS]) for name in ("base", "slow"))

    found = compare_runs(CompareOrder(base, slow)).comparison

    assert found.outcome is Outcome.WORSE
    assert found.changes[0].indicator.name == "service time of step 2 wave-page, p50"
    # a client sees the network's way there and back as well, which is no slower
    assert found.changes[0].change == pytest.approx((SLOWER - 1) * SERVICE / (SERVICE + 2 * WAY), abs=0.015)
    assert found.changes[0].seen < SLOWER - 1


def test_the_same_system_on_other_days_is_the_same(recorded: dict[str, list[Path]]) -> None:
    base, other = tuple(recorded["base"][:REPEATS]), tuple(recorded["base"][REPEATS : 2 * REPEATS])

    assert compare_runs(CompareOrder(base, other)).comparison.outcome is Outcome.SAME


def test_bootstrapped_from_recorded_runs_it_is_caught_and_hardly_ever_accused(
    recorded: dict[str, list[Path]],
) -> None:
    random = np.random.default_rng(23)
    read = {name: [repeats.read(path) for path in paths] for name, paths in recorded.items()}

    def drawn(name: str) -> list[Repeat]:
        return [read[name][place] for place in random.integers(RECORDED, size=REPEATS)]

    caught = [compared(drawn("base"), drawn("slow")).outcome for _ in range(DRAWN)].count(Outcome.WORSE)
    accused = [compared(drawn("base"), drawn("base")).outcome for _ in range(DRAWN)].count(Outcome.WORSE)

    assert caught >= 0.95 * DRAWN, caught
    assert accused <= 0.05 * DRAWN, accused


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_played_anew_each_time_it_is_caught_and_hardly_ever_accused(tmp_path: Path) -> None:
    """60 trials of 15 whole runs: five of the system, five of the same again, five of the slower one."""
    trials, number = 60, 1_000
    outcomes: dict[str, list[Outcome]] = {"same": [], "slow": []}

    def played(slow: float) -> Repeat:
        nonlocal number
        number += 1
        folder = record(tmp_path / "run", number, slow)
        try:
            return repeats.read(folder)
        finally:
            shutil.rmtree(folder)

    for _ in range(trials):
        base, same, slow = ([played(factor) for _ in range(REPEATS)] for factor in (1.0, 1.0, SLOWER))
        outcomes["same"].append(compared(base, same).outcome)
        outcomes["slow"].append(compared(base, slow).outcome)

    assert outcomes["slow"].count(Outcome.WORSE) >= 0.95 * trials, outcomes["slow"]
    assert outcomes["same"].count(Outcome.WORSE) <= 0.05 * trials, outcomes["same"]
