"""The gate is tested against every defect that the laboratory offers: the right verdict, for the right reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import command, the_run, verdict_of

from prakerja_load.registrar import defect_catalog as laboratory

HERE = Path(__file__).parent
GATE = HERE / "gate.toml"
SOUND = {"lost": 0, "duplicate": 0, "corrupted": 0, "unexpected": 0, "contradicted": 0, "oversold": 0, "unverified": 0}


@dataclass(frozen=True)
class Case:
    """A defect, the verdict on a system that has it, and the word that its reasons hold."""

    defect: str
    verdict: str
    reason: str
    integrity: str  # the count that is above zero, "" for none
    settings: tuple[str, ...] = ()
    most: int = 0  # the count may be, where the defect does not tell how often it strikes

    def __str__(self) -> str:
        return self.defect


# a quarter of the gate's rate: what is asked of time is asked of a machine that has time for it
CALM = (
    "ramps.1.registrants=1200",
    "ramps.1.hold=40s",
    "objectives.every_window=20s",
    "objectives.arrivals=500",
    "load.drain=60s",
)
# One failure of 800 leaves a step between its bounds (0.592 % at most, limit 0.5 %), so 3 200 are judged, of which
# nine may fail a step. Whoever fails counts as +∞ in the times of every later step, and of 3 200 a p99 can bear 22:
# of some 17 requests each, one in 5 000 fails 11 of them. Windows of 20 s would be as poor as the 800. With a +∞ among
# them only hundreds of independent times bound a p99, so every answer takes a random time of its own.
ENOUGH_TO_FORGIVE = ("ramps.1.hold=160s", "objectives.every_window=160s", "load.warm_up=6s")
OF_ITS_OWN = '{name="known-queue", slots=1000, seconds=0.15, service="exponential"}'
# Nobody comes back sooner than 0.1 s after a write (5 s to 30 s of thought), when it has long been committed; a
# registration in which so much is thought would last longer than the warm-up.
THOUGHTFUL = ("journey.name=returning-applicant", "journey.think_time_scale=0.02")
# and these come back as soon as they are answered
THOUGHTLESS = ("journey.think_time_scale=0.00001",)

CASES = (
    Case('{name="lose-write", every=997}', "NOT_SUSTAINED", "(lost)", "lost"),
    Case('{name="lose-write", every=300, step="selfie"}', "NOT_SUSTAINED", "(lost)", "lost"),
    Case('{name="duplicate-write", every=400}', "NOT_SUSTAINED", "(duplicate)", "duplicate"),
    Case('{name="corrupt-field", every=997}', "NOT_SUSTAINED", "(corrupted)", "corrupted"),
    Case('{name="slow", seconds=2}', "NOT_SUSTAINED", "elapsed to step 1", ""),
    Case('{name="error", share=0.02}', "NOT_SUSTAINED", "success of step", ""),
    Case('{name="error-as-200", share=0.02}', "NOT_SUSTAINED", "success of step", ""),
    Case('{name="drop-connection", share=0.02}', "NOT_SUSTAINED", "success of step", ""),
    Case('{name="drop-connection", share=0.02, moment="before"}', "NOT_SUSTAINED", "success of step", ""),
    Case('{name="truncate-body", share=0.02}', "NOT_SUSTAINED", "success of step", ""),
    Case('{name="slow-above", rate=50, seconds=2}', "NOT_SUSTAINED", "elapsed to step 1", ""),
    Case('{name="known-queue", slots=1, seconds=0.05}', "NOT_SUSTAINED", "elapsed to step 1", ""),
    Case(
        '{name="leak-memory", bytes=65_536}', "NOT_SUSTAINED", "memory growth", "", ("objectives.memory_growth=64MiB",)
    ),
    Case('{name="oversell", places=3}', "NOT_SUSTAINED", "(oversold)", "oversold", ("registrar.wave_quota=700",), 3),
    # what is not committed is not there for who looks at once; later only a crash could show it, and a run has none:
    # see the kills of tests/registrar/contract
    Case('{name="acknowledge-early", every=1}', "NOT_SUSTAINED", "success of step 4 log-in", "", THOUGHTLESS),
    Case('{name="acknowledge-early", every=10}', "SUSTAINED", "every objective holds", "", THOUGHTFUL),
    # what stays inside every limit is disclosed, and is no reason to accuse
    Case('{name="slow", seconds=0.05}', "SUSTAINED", "every objective holds", ""),
    Case(f'{{name="error", share=0.0002}}, {OF_ITS_OWN}', "SUSTAINED", "every objective holds", "", ENOUGH_TO_FORGIVE),
)
ELSEWHERE = "test_verdicts.py"  # beside this file: the other defects


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_defect_gets_its_verdict_for_its_reason(case: Case, tmp_path: Path) -> None:
    chosen = [f"registrar.defects=[{case.defect}]", *(() if case.integrity else CALM), *case.settings]
    settings = [word for setting in chosen for word in ("--set", setting)]
    said = command("run", GATE, "--reports", tmp_path, *settings)
    (ramp,) = verdict_of(the_run(tmp_path))["ramps"]

    reasons = "\n".join(ramp["reasons"])
    assert ramp["verdict"] == case.verdict, f"{reasons}\n{said.out}{said.err}"
    assert said.code == {"SUSTAINED": 0, "NOT_SUSTAINED": 1}[case.verdict]
    assert case.reason in reasons
    assert _name(case) in "\n".join(ramp["disclosures"])
    _check_integrity(case, ramp["integrity"])


def _name(case: Case) -> str:
    return case.defect.split('"')[1]


def _check_integrity(case: Case, integrity: dict[str, Any]) -> None:
    """What was done to the store is found, that and nothing else; what is slow or fails is not called loss."""
    found = {name: integrity[name] for name in SOUND}
    if not case.integrity:
        assert found == SOUND
        return
    assert {**found, case.integrity: 0} == SOUND
    assert 1 <= found[case.integrity] <= (case.most or integrity["acknowledged"] / _every(case) + 1)


def _every(case: Case) -> int:
    return int(case.defect.split("every=")[1].split(",")[0].rstrip("}"))


def test_no_defect_of_the_laboratory_is_without_a_verdict() -> None:
    """A new defect needs a case here or beside."""
    offered = {str(defect.__struct_config__.tag) for defect in laboratory.Defect.__subclasses__()}
    beside = (HERE / ELSEWHERE).read_text()
    judged = {_name(case) for case in CASES} | {name for name in offered if f'name="{name}"' in beside}

    assert offered - judged == set()
    assert judged - offered == set()
