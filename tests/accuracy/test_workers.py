"""A15: four workers and one play the same plan alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prakerja_load.calibration.playing import Offered
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.trials import Cores, KnownQueue, known_queue

QUEUE = KnownQueue(ServiceLaw("exponential", 0.1, 1), 8, Offered(40, 20))  # 2 % of the median are 1.4 ms


@pytest.mark.slow
def test_four_workers_and_one_see_the_same(tmp_path: Path, cores: Cores) -> None:
    """Counts equal, p50 and p95 ±2 %."""
    alone = known_queue(tmp_path / "one", QUEUE, cores).played
    together = known_queue(tmp_path / "four", replace(QUEUE, load=replace(QUEUE.load, workers=4)), cores).played

    assert len(together.evidence.vitals) == 4
    assert alone.elapsed.size == together.elapsed.size == QUEUE.load.count
    for name in ("index", "intended", "outcome"):
        assert (alone.history.samples[name] == together.history.samples[name]).all()
    for share in (0.5, 0.95):
        one, four = (float(np.quantile(side.elapsed, share)) for side in (alone, together))
        assert four == pytest.approx(one, rel=0.02), share
