"""What the ramp cost the target, where the target tells: growth of its memory over the judged time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from prakerja_load.judgement.case import Case
from prakerja_load.judgement.estimate import NOTHING, Estimate, trend
from prakerja_load.judgement.rule import Rule, Seen
from prakerja_load.judgement.verdict import ObjectiveResult, at_most
from prakerja_load.units import SECOND_NS, format_duration

MIB = 2.0**20
FEWEST = 20  # samples, one a second, before a growth can be told from noise
SHARE = 0.25  # of the memory at the beginning, that it may grow by without being pointed at
SPARE = 64.0  # MiB, likewise


def memory_growth(case: Case) -> tuple[Estimate, float]:
    """Return the growth over the judged window in MiB, a line through the samples, and the memory at its beginning."""
    memory = case.evidence.memory
    times = memory[:, 0] / SECOND_NS
    inside = case.window.contains(times)
    if np.count_nonzero(inside) < FEWEST:
        return NOTHING, math.nan
    times, rss = times[inside], memory[inside, 1] / MIB
    slope = trend(times, rss)
    length = case.window.length
    growth = Estimate(slope.value * length, slope.low * length, slope.high * length, slope.n, slope.n_effective)
    return growth, float(rss.mean()) + slope.value * (case.window.start - float(times.mean()))


def judge_memory(case: Case) -> Iterator[ObjectiveResult]:
    """Judge the growth of the target's memory where the scenario limits it; the generator's state is of no account."""
    limit = case.objectives.memory_growth
    if limit is None:
        return
    growth, _ = memory_growth(case)
    verdict = at_most(growth, limit / MIB)
    said = (
        f"{_growth_text(growth)} over {format_duration(case.window.length)}"
        if growth.n
        else "the target told too little"
    )
    reason = f"{said}, limit {limit / MIB:.4g} MiB"
    yield ObjectiveResult(
        "memory growth of the target", "resource", limit / MIB, "MiB", growth, verdict, reason, verdict
    )


def keeps_memory(case: Case) -> Seen:
    """Look whether the target's memory grew by more than caches usually do, beyond doubt."""
    growth, before = memory_growth(case)
    if not growth.n:
        return Seen(True, "the target told nothing of its memory")
    allowed = max(SHARE * before, SPARE)
    return Seen(growth.low <= allowed, f"{_growth_text(growth)} from {before:.4g} MiB", f"growth ≤ {allowed:.4g} MiB")


def _growth_text(growth: Estimate) -> str:
    return f"{growth.value:+.3g} MiB (from {growth.low:+.3g} to {growth.high:+.3g})"


MEMORY_RULE: Rule[Case, Iterable[ObjectiveResult]] = Rule(
    "memory growth",
    "resource",
    "growth of the target's memory over the judged time ≤ `objectives.memory_growth`",
    "a leak carries the wave of today and not that of the third day",
    judge_memory,
)
