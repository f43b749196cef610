"""Lateness of one generator core that offers the opening minute, 80 000 arrivals in 60 s, by both connection policies.

    python benchmarks/opening_minute.py [--rounds 5] [--hold 60s] [--only POLICY …]

A null target is pinned to one core; the whole harness, its controller and one worker, to another. What is offered is
`scenarios/opening-minute.toml` as it stands, its warm-up included, but for people who go wrong: the target says yes to
everybody. Lateness is started − intended arrival, from the evidence of each run. The table shows medians over the
rounds, for both policies, because a connection each may be too much for one core. The limits: no arrival is dropped or
missing in any round, and lateness is at most 5 ms (p99) and 20 ms (p99.9). The exit code is 1 when none of the
policies keeps all of them, and what each misses is named; it is 2 where there are fewer than two cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from generators import ROOT, target
from servers.cores import two_cores
from servers.judged import Goal, judge

from prakerja_load import scenario
from prakerja_load.evidence.ramp import load_ramp
from prakerja_load.judgement.plan import plan_ramp

SCENARIO = ROOT / "scenarios" / "opening-minute.toml"
POLICIES = ("per-registrant", "reuse")
LIMITS = {"p99": 0.005, "p99.9": 0.020}  # seconds
GOES_WRONG = ("nik_typo", "under_age", "someone_elses_nik", "double_click", "refresh")


@dataclass(frozen=True)
class Round:
    """What one run left: counts, lateness in seconds, requests/s and the worker's highest CPU share of any second."""

    planned: int
    recorded: int
    dropped: int
    late: dict[str, float]
    requests: float
    cpu: float

    @property
    def lost(self) -> int:
        """Return the arrivals that were dropped, are missing or are too many."""
        return self.dropped + abs(self.planned - self.recorded)


def overrides(policy: str, hold: str) -> list[str]:
    """Return how the scenario differs from what stands in its file."""
    nobody = [f"journey.behavior.{name}=0" for name in GOES_WRONG]
    return [f'load.connection="{policy}"', f'ramps.1.hold="{hold}"', "ramps.1.prefill=0", *nobody]


def measure(policy: str, hold: str, cores: tuple[int, int]) -> Round:
    """Offer the minute once to a fresh target and read what came of it."""
    chosen = overrides(policy, hold)
    with tempfile.TemporaryDirectory() as place, target(cores[0]) as url:
        words = [word for setting in chosen for word in ("--set", setting)]
        command = ["run", str(SCENARIO), "--target", url, "--reports", place, "--undecidable", *words]
        run = subprocess.run(
            [sys.executable, "-m", "prakerja_load", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {cores[1]}),
        )
        found = sorted(Path(place).glob("*/ramps/*"))
        if not found:
            raise SystemExit(f"no ramp was run: {run.stdout[-2000:]}{run.stderr[-2000:]}")
        evidence = load_ramp(found[0])
        planned = plan_ramp(scenario.load(SCENARIO, chosen), 1).count
    arrivals, vitals = evidence.arrivals, np.concatenate(list(evidence.vitals.values()))
    late = (arrivals["started"] - arrivals["intended"]) / 1e9
    span = np.ptp(evidence.samples["finished"]) / 1e9
    quantiles = {name: float(np.quantile(late, float(name[1:]) / 100)) for name in LIMITS}
    counts = evidence.controller or {}
    dropped = sum(worker["dropped"] for worker in counts.get("workers", ()))
    return Round(planned, len(arrivals), dropped, quantiles, evidence.samples.size / span, float(vitals["cpu"].max()))


def limits_of(found: list[Round]) -> list[Goal]:
    """Set the rounds of one policy beside the limits."""
    return [
        Goal("arrivals dropped or missing", max(one.lost for one in found), 0),
        *(
            Goal(f"lateness {name}", statistics.median(one.late[name] for one in found) * 1e3, limit * 1e3, " ms")
            for name, limit in LIMITS.items()
        ),
    ]


def row(policy: str, found: list[Round]) -> str:
    """Return the line of the table of one policy."""
    lost, *late = limits_of(found)
    is_kept = all(goal.is_met for goal in (lost, *late))
    counts = f"{min(one.recorded for one in found)} of {found[0].planned} | {max(one.dropped for one in found)}"
    times = " | ".join(f"{goal.measured:.2f} ms" for goal in late)
    busy = f"{statistics.median(one.requests for one in found):.0f} | {max(one.cpu for one in found):.0%}"
    return f"| {policy} | {counts} | {times} | {busy} | {'kept' if is_kept else 'not kept'} |"


def compare(rounds: Mapping[str, list[Round]]) -> list[Goal]:
    """Print the line of every policy and what it misses; return the one goal that they have together."""
    print("| connection | arrivals recorded | dropped | late p99 | late p99.9 | requests/s | CPU at most | |")
    print("|---|---|---|---|---|---|---|---|")
    for policy, found in rounds.items():
        print(row(policy, found))
    missed = {policy: [goal.name for goal in limits_of(found) if not goal.is_met] for policy, found in rounds.items()}
    for policy, names in missed.items():
        if names:
            print(f"{policy} does not keep: {'; '.join(names)}")
    kept = sum(not names for names in missed.values())
    return [Goal(f"policies that keep every limit, of {len(rounds)}", kept, 1, is_floor=True)]


def main() -> int:
    """Print the table; return 1 when no policy keeps the limits."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--hold", default="60s")
    options.add_argument("--only", nargs="+", choices=POLICIES, default=list(POLICIES))
    chosen = options.parse_args()
    cores = two_cores()
    rounds: dict[str, list[Round]] = {policy: [] for policy in chosen.only}
    for _ in range(chosen.rounds):
        for policy, found in rounds.items():
            found.append(measure(policy, chosen.hold, cores))
    print(f"{chosen.rounds} rounds of {chosen.hold} and the warm-up, target on one core, the harness on another")
    return judge(compare(rounds))


if __name__ == "__main__":
    sys.exit(main())
