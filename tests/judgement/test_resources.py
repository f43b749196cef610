"""Memory of the target: a leak is found and told, noise is not, and only a scenario's limit makes it a verdict."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic import OPTIONS, Ramp, parse

from prakerja_load.evidence.memory import MEMORY, memory_line
from prakerja_load.journey.journeys import make_journey
from prakerja_load.judgement.case import Case, open_case
from prakerja_load.judgement.resources import judge_memory, keeps_memory, memory_growth
from prakerja_load.judgement.verdict import Finding, ObjectiveResult, Verdict, combine
from prakerja_load.judgement.window import Window
from prakerja_load.units import SECOND_NS

GREEN, OPEN, RED = Verdict
MIB = 2**20
SECONDS = np.arange(75.0)


def case_of(folder: Path, mib: NDArray[np.float64] | None, limit: str | None = None) -> Case:
    """Return a case whose target tells this memory each second from 5 s before its epoch."""
    ramp = Ramp(scenario=parse(*([f"objectives.memory_growth={limit}"] if limit else [])))
    ramp.write(folder)
    if mib is not None:
        lines = [
            memory_line(int((at - 5) * SECOND_NS), int(value * MIB)) for at, value in zip(SECONDS, mib, strict=True)
        ]
        (folder / MEMORY).write_text("".join(lines))
    from prakerja_load.evidence.ramp import load_ramp

    return open_case(load_ramp(folder), ramp.scenario, ramp.plan, make_journey(OPTIONS).steps)


def noise(size: float) -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(0, size, SECONDS.size)


LEAK = 300 + 2.0 * SECONDS  # 120 MiB in the judged minute
STEADY = 300 + 0 * SECONDS


def test_growth_is_that_of_the_judged_time(tmp_path: Path) -> None:
    growth, before = memory_growth(case_of(tmp_path, LEAK + noise(3)))

    assert growth.low < 120 < growth.high
    assert growth.value == pytest.approx(120, abs=5)
    assert before == pytest.approx(300 + 2 * 10, abs=3)  # 5 s of warm-up, and 5 s before the epoch


@pytest.mark.parametrize(
    ("mib", "holds"),
    [
        (LEAK + noise(3), False),
        (STEADY + noise(3), True),
        (STEADY + noise(200), True),
        (300 + SECONDS, True),
        (None, True),
    ],
)
def test_only_growth_beyond_doubt_is_pointed_at(mib: NDArray[np.float64] | None, holds: bool, tmp_path: Path) -> None:
    assert keeps_memory(case_of(tmp_path, mib)).holds is holds


@pytest.mark.parametrize(
    ("mib", "limit", "verdict"),
    [
        (LEAK + noise(3), "100MiB", RED),
        (LEAK + noise(3), "150MiB", GREEN),
        (LEAK + noise(30), "120MiB", OPEN),
        (STEADY + noise(3), "10MiB", GREEN),
        (None, "100MiB", OPEN),
    ],
)
def test_a_limit_of_the_scenario_is_judged_on_the_bounds(
    mib: NDArray[np.float64] | None, limit: str, verdict: Verdict, tmp_path: Path
) -> None:
    (result,) = judge_memory(case_of(tmp_path, mib, limit))

    assert result.verdict is verdict
    assert (result.kind, result.unit, result.limit) == ("resource", "MiB", float(limit[:-3]))
    assert f"limit {limit[:-3]} MiB" in result.reason


def test_without_a_limit_nothing_is_judged(tmp_path: Path) -> None:
    assert list(judge_memory(case_of(tmp_path, LEAK))) == []


def test_a_leak_beyond_the_limit_fails_the_ramp_and_is_named(tmp_path: Path) -> None:
    case_of(tmp_path, LEAK + noise(3))
    ramp = Ramp(scenario=parse("objectives.memory_growth=64MiB"))
    ramp.write(tmp_path)

    judged = ramp.judge(tmp_path)

    assert judged.verdict is RED
    assert any("memory growth of the target: +12" in reason for reason in judged.reasons)


def test_a_starved_generator_does_not_excuse_a_leak(tmp_path: Path) -> None:
    (leak,) = judge_memory(case_of(tmp_path, LEAK, "64MiB"))
    starved = Finding("generator CPU", "accusing", False, "97 %", "80 %")
    integrity = Ramp().judge(tmp_path / "other").integrity

    assert isinstance(leak, ObjectiveResult)
    assert combine([starved], [leak], integrity)[0] is RED


def test_a_target_that_told_too_little_is_called_so_where_its_memory_is_limited() -> None:
    memory = np.column_stack([SECONDS[:19] * SECOND_NS, np.full(19, 300 * MIB)])
    limits: Any = SimpleNamespace(memory_growth=64 * MIB)
    case: Any = SimpleNamespace(evidence=SimpleNamespace(memory=memory), window=Window(0.0, 60.0), objectives=limits)

    (result,) = judge_memory(case)

    assert result.verdict is OPEN
    assert result.reason == "the target told too little, limit 64 MiB"
