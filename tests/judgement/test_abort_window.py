"""A ramp that abort_on ended is judged as far as it was offered: red where it was red, never green."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import Ramp

from prakerja_load.evidence.run_directory import ABORTED, write_json
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement.verdict import Verdict

CUT = 3_500  # arrivals of 100/s that were offered when the ramp ended, 5 s of warm-up among them


def aborted(folder: Path, ramp: Ramp) -> Ramp:
    """End a ramp after 35 s: later arrivals were never started, and nobody's health is told any more."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / ABORTED, {"reason": "abort_on", "elapsed": CUT / 100})
    ramp.unrecorded = slice(CUT, None)
    return ramp


def test_failures_before_the_end_are_red(tmp_path: Path) -> None:
    ramp = aborted(tmp_path, Ramp().fail(2, slice(0, None, 2), Outcome.ERROR, 0.01))

    judged = ramp.judge(tmp_path)

    assert judged.verdict is Verdict.NOT_SUSTAINED
    assert "uninterrupted: abort_on, allowed: the whole schedule was offered" in judged.reasons
    assert judged.offered_rate == pytest.approx(100)


def test_a_good_system_that_was_aborted_is_not_green(tmp_path: Path) -> None:
    judged = aborted(tmp_path, Ramp()).judge(tmp_path)

    assert judged.verdict is Verdict.INCONCLUSIVE
    broken = {finding.rule for finding in judged.findings if not finding.holds}
    assert broken >= {"uninterrupted", "arrivals accounted for"}
    assert not [finding for finding in judged.findings if not finding.holds and finding.kind == "accusing"]
