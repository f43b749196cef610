"""abort_on: a hopeless ramp ends early, for a reason that is kept; one bad second, or a quiet start, ends nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import command, the_run, verdict_of

from prakerja_load.evidence.progress import Progress
from prakerja_load.scenario import AbortOn
from prakerja_load.trial.abort import Abort

GATE = Path(__file__).parent / "gate.toml"


def second(
    elapsed: float, *, failed: float = 0.0, p99: float = 0.1, dropped: int = 0, phase: str = "holding"
) -> Progress:
    """Return one second of 100 requests, a share of which have failed all the time."""
    return Progress(
        ramp="r", phase=phase, elapsed=elapsed, remaining=0.0, errors=int(100 * failed * elapsed),
        request_rate=100.0, p99=p99, dropped=dropped,
    )  # fmt: skip


def ends(limits: AbortOn, seconds: list[Progress]) -> tuple[float, str] | None:
    abort = Abort(limits)
    said = [(progress.elapsed, reason) for progress in seconds if (reason := abort.see(progress))]
    assert len(said) <= 1, "it is said once"
    return said[0] if said else None


def test_nothing_ends_by_default() -> None:
    assert ends(AbortOn(), [second(at, failed=1.0, p99=99, dropped=999) for at in range(60)]) is None


@pytest.mark.parametrize(
    ("limits", "worse", "words"),
    [
        (AbortOn(failures=0.5), {"failed": 0.6}, "60 % of the requests failed for 10 s, abort_on 50 %"),
        (AbortOn(p99=2.0), {"p99": 2.5}, "p99 above 2.5 s for 10 s, abort_on 2 s"),
        (AbortOn(dropped=10), {"dropped": 11}, "11 arrivals dropped, abort_on 10"),
    ],
)
def test_a_limit_exceeded_for_ten_seconds_ends_the_ramp(limits: AbortOn, worse: dict[str, float], words: str) -> None:
    assert ends(limits, [second(at, **worse) for at in range(30)]) == (10, words)  # type: ignore[arg-type]
    assert ends(limits, [second(at) for at in range(30)]) is None
    for phase in ("warming-up", "draining"):
        assert ends(limits, [second(at, phase=phase, **worse) for at in range(30)]) is None  # type: ignore[arg-type]


def test_one_bad_second_ends_nothing() -> None:
    seconds = [second(at, p99=9.0 if at == 15 else 0.1) for at in range(40)]

    assert ends(AbortOn(p99=1.0), seconds) is None


def test_failures_are_those_of_the_last_seconds_not_of_the_whole_ramp() -> None:
    healthy = [second(at) for at in range(60)]
    broken = [Progress("r", "holding", 60.0 + at, 0.0, errors=90 * at, request_rate=100.0) for at in range(20)]

    end = ends(AbortOn(failures=0.5), healthy + broken)

    assert end is not None
    assert 60 < end[0] <= 70


def test_a_target_that_answers_nothing_at_all_fails_in_full() -> None:
    silent = [Progress("r", "holding", float(at), 0.0, errors=at, request_rate=0.0) for at in range(20)]

    assert ends(AbortOn(failures=0.5), silent) is not None


@pytest.mark.slow
def test_a_hopeless_ramp_ends_early_with_its_evidence_and_its_reason(tmp_path: Path) -> None:
    hold = ("--set", "ramps.1.hold=60s", "--set", "objectives.abort_on.failures=50%")
    said = command("run", GATE, "--reports", tmp_path, *hold, "--set", 'registrar.defects=[{name="error", share=0.9}]')

    run = the_run(tmp_path)
    (ramp,) = verdict_of(run)["ramps"]
    (folder,) = (run / "ramps").iterdir()
    assert (said.code, ramp["verdict"]) == (1, "NOT_SUSTAINED"), said.out + said.err
    assert "abort_on 50 %" in json.loads((folder / "aborted.json").read_text())["reason"]
    assert any("abort_on 50 %" in reason for reason in ramp["reasons"])
    assert 500 < ramp["counts"]["started"] < 3000
    memory = [json.loads(line) for line in (folder / "target-memory.ndjson").read_text().splitlines()]
    assert len(memory) >= 8
    assert all(sample["rss"] > 10 * 2**20 for sample in memory)
    assert command("judge", run).code == 1
