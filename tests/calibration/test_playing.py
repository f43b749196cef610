"""A calibration run says what it offers, and what kept it from coming to its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prakerja_load.calibration.playing import Offered, Played, play
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.target import serving
from prakerja_load.calibration.trials import KnownQueue, KnownStall, nanoseconds, worst_gap
from prakerja_load.errors import HarnessError
from prakerja_load.evidence.journal import DTYPES, Kind
from prakerja_load.evidence.ramp import RampEvidence, RampRecord

ANYWHERE: frozenset[int] = frozenset()


def test_an_offered_load_is_exact_in_count_and_plays_the_one_step_journey() -> None:
    task = Offered(200, 10.5, "uniform").assignment("http://127.0.0.1:1")

    assert task.count == len(task.schedule()) == 2_100
    assert [step.name for step in task.make_journey(task.population()).steps] == ["serve"]
    assert np.diff(task.schedule().times(0, 2_100)) == pytest.approx(0.005)


def test_a_server_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="--slots"), serving(tmp_path, ANYWHERE, "--slots", "many"):
        pass


@pytest.mark.slow
def test_a_load_without_a_target_is_the_harness_that_failed(tmp_path: Path) -> None:
    with pytest.raises(HarnessError):
        play(tmp_path, Offered(10, 0.5), "http://127.0.0.1:9", ANYWHERE)


def test_stamps_that_are_not_there_are_not_made_up() -> None:
    records = {kind: np.empty(0, DTYPES[kind]) for kind in Kind}
    evidence = RampEvidence(Path(), RampRecord(), records[Kind.SAMPLES], records[Kind.ARRIVALS], records[Kind.LEDGER])

    with pytest.raises(HarnessError, match="keeps no stamps"):
        _ = Played(evidence, np.empty(0), 0).by_index


def test_a_known_queue_says_how_it_is_served_and_a_known_stall_how_busy_it_is() -> None:
    queue = KnownQueue(ServiceLaw("constant", 0.02), 8, Offered(200, 1), has_queue=False)

    assert queue.options[-3:] == ["--slots", "8", "--no-queue"]
    assert KnownStall(Offered(200, 10), at=1, length=1).utilization == pytest.approx(0.2)


def test_the_worst_gap_is_counted_in_tolerances() -> None:
    truth = np.arange(1, 101) / 100.0

    assert worst_gap(truth, truth, (0.5, 0.99), 0.002, 0.02)[0] == 0
    assert worst_gap(truth + 0.01, truth, (0.5,), 0.002, 0.02)[0] == pytest.approx(1.0)
    gap, words = worst_gap(truth / 1000 + 0.004, truth / 1000, (0.5,), 0.002, 0.02)
    assert gap == pytest.approx(2.0)
    assert words == "p50 4.5 ms for 0.5 ms"


def test_seconds_become_the_nearest_nanosecond() -> None:
    assert nanoseconds(np.array([0.1, 1e-9, 2.5])).tolist() == [100_000_000, 1, 2_500_000_000]
