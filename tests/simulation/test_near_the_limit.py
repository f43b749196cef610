"""Near a limit a wrong verdict is rarer than one run in twenty, by a truth that no sample has a part in.

A failure is told in counts; each world follows from its seed and the kind of its limit.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from simulated_limit import FAILING, WAITING, NearLimit, left_waiting, load_that_leaves

from prakerja_load.judgement.verdict import RampJudgement, Verdict

SEEDS = 200
ERROR, CHANCE = 0.05, 0.001  # of a wrong verdict, and that a right judgement is accused by chance
GREEN, _, RED = Verdict


def world(seed: int, kind: str) -> NearLimit:
    """Return a world within a third of the limit of failures, or of arrivals within a tenth of what is carried."""
    draws = Random(f"{seed} near {kind}")
    if kind == "failing":
        return NearLimit(seed, doomed=draws.uniform(0.005, 0.01))
    return NearLimit(seed, load=load_that_leaves(WAITING) * draws.uniform(0.9, 1.1))


def is_seen_inside(ramp: RampJudgement, kind: str) -> bool:
    """Tell what a judge would say who goes by what was seen and asks no bounds."""
    name = {"failing": "success of journeys meant to finish", "waiting": "backlog growth"}[kind]
    (objective,) = (each for each in ramp.objectives if each.name == name)
    assert objective.estimate is not None
    seen = objective.estimate.value
    return seen >= 1 - FAILING if kind == "failing" else seen <= WAITING


def most(runs: int) -> int:
    """Return how many wrong verdicts so many runs may have: fewer than `CHANCE` of right judgements have more."""
    so_far, count = 0.0, -1
    while so_far < 1 - CHANCE:
        count += 1
        so_far += math.comb(runs, count) * ERROR**count * (1 - ERROR) ** (runs - count)
    return count


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["failing", "waiting"])
def test_a_wrong_verdict_near_the_limit_is_rare(kind: str, tmp_path: Path) -> None:
    verdicts: Counter[tuple[bool, Verdict]] = Counter()
    naive_greens = 0
    for seed in range(SEEDS):
        near = world(seed, kind)
        (ramp,) = near.run(tmp_path / str(seed)).ramps
        verdicts[near.is_beyond, ramp.verdict] += 1
        naive_greens += near.is_beyond and is_seen_inside(ramp, kind)
    beyond = sum(count for (is_beyond, _), count in verdicts.items() if is_beyond)

    assert verdicts[True, GREEN] <= most(beyond), verdicts
    assert verdicts[False, RED] <= most(SEEDS - beyond), verdicts
    assert min(beyond, SEEDS - beyond) > SEEDS / 3  # both sides of the limit are there
    assert naive_greens > most(beyond)  # and the worlds are hard: without bounds a judge would be wrong too often


def test_the_doomed_fail_and_nobody_else(tmp_path: Path) -> None:
    near = NearLimit(3, doomed=0.05)
    (ramp,) = near.run(tmp_path / "run").ramps
    doomed = [key for key in near.model.asked if near.model.is_doomed(key)]  # type: ignore[attr-defined]

    assert len(doomed) > 10
    assert ramp.counts.offered - ramp.counts.acknowledged == len(doomed)
    assert ramp.integrity.lost == ramp.integrity.unexpected == 0


def test_what_is_left_waiting_follows_from_the_load() -> None:
    assert left_waiting(0.9) == left_waiting(1.0) == 0.0
    assert left_waiting(1.1) == pytest.approx(0.1427, abs=1e-4)
    assert left_waiting(load_that_leaves(WAITING)) == pytest.approx(WAITING)
    for load in (1.05, 1.5, 3.0):
        x = (1 - left_waiting(load)) ** 0.25
        assert (x + x**2 + x**3 + x**4) * load == pytest.approx(4)  # the servers are never idle


@pytest.mark.parametrize(("runs", "allowed"), [(1, 1), (20, 5), (100, 13)])
def test_so_many_wrong_verdicts_are_chance(runs: int, allowed: int) -> None:
    assert most(runs) == allowed
