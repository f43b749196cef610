"""A9: a target that stood still is seen as the closed form says, by an open load; a closed loop hides it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prakerja_load.calibration import replay
from prakerja_load.calibration.playing import Offered
from prakerja_load.calibration.service import ServiceLaw
from prakerja_load.calibration.trials import Cores, KnownStall, StallTrial, known_stall, nanoseconds
from prakerja_load.journey.step import Outcome

BRIEF = KnownStall(Offered(200, 8, "uniform"), at=2, length=1.5)
FULL = KnownStall(Offered(200, 60, "uniform"), at=20, length=6)
FAR = (0.95, 0.99)


@pytest.fixture(scope="module", params=[BRIEF, pytest.param(FULL, marks=pytest.mark.slow)], ids=["brief", "full"])
def trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cores: Cores) -> StallTrial:
    return known_stall(tmp_path_factory.mktemp("stall"), request.param, cores)


def test_everybody_due_is_sent_and_answered(trial: StallTrial) -> None:
    samples = trial.played.history.samples

    assert samples.size == trial.known.load.count
    assert (samples["outcome"] == Outcome.OK).all()


def test_far_quantiles_are_those_of_the_closed_form(trial: StallTrial) -> None:
    """x_p = T − (1 − p)·D·(1 − r), ± (50 ms + 1 %)."""
    for share in FAR:
        truth = trial.truth(share)

        assert abs(trial.measured(share) - truth) <= 0.050 + 0.01 * truth


def test_the_whole_distribution_is_that_of_the_replayed_path(trial: StallTrial) -> None:
    due = nanoseconds(trial.played.intended)
    stall = replay.Stall(trial.stall.begin - trial.played.epoch, trial.stall.end - trial.played.epoch)
    services = ServiceLaw("constant", trial.known.mean).array(due.size)

    path = (replay.departures(due, services, 1, stall) - due) / 1e9

    for share in (0.75, 0.9, *FAR):
        truth = float(np.quantile(path, share, method="inverted_cdf"))
        assert abs(trial.measured(share) - truth) <= 0.050 + 0.01 * truth


def test_a_closed_loop_reports_at_least_fifty_times_less(trial: StallTrial) -> None:
    assert trial.closed.max() >= 0.9 * trial.length  # it met the stall as well, a few times
    assert trial.measured(0.99) >= 50 * trial.unseen(0.99)


def test_a_stall_inside_the_target_is_as_good_as_a_signal(tmp_path: Path, cores: Cores) -> None:
    """The server's own stall, which other tools are held against, stands as still as SIGSTOP."""
    from prakerja_load.calibration import closed_loop
    from prakerja_load.calibration.target import serving

    options = ("--service", "constant", "--mean", "0.001", "--stall-at", "0.3", "--stall-for", "0.5")
    with serving(tmp_path, cores.target, *options) as target:
        seen = closed_loop.service_times(target.url, 50, 1.2, 1)
        said = target.child.wait_for("stalled", 5)

    length = (said["end"] - said["begin"]) / 1e9
    assert 0.5 <= length < 0.6
    assert seen.max() == pytest.approx(length, abs=0.05)
    assert np.median(seen) < 0.05
