"""The doctor's limits follow from what was measured, and say what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from prakerja_load.calibration.diagnosis import Diagnosis, Limits, Reading, conclusion, fit, labels, line
from prakerja_load.judgement.plan import plan
from prakerja_load.scenario import load

GOOD = Reading("clock", "tsc", "any", True, "buy one")
BAD = Reading("lateness", "p99 50 ms", "p99 ≤ 5 ms", False, "Be quiet")
CALM = Limits(5_000.0, 0.002, 0.0)
TIGHT = ("objectives.elapsed_base=5ms", "objectives.elapsed_per_step=0s")
SMOKE = Path(__file__).resolve().parents[2] / "scenarios" / "smoke.toml"


def diagnosis(*readings: Reading, limits: Limits = CALM) -> Diagnosis:
    return Diagnosis("2026-01-01T00:00:00Z", {"processor": "x"}, readings, limits)


def test_a_calm_machine_is_refused_what_two_milliseconds_would_decide() -> None:
    said = conclusion(diagnosis(GOOD))

    assert CALM.tightest_objective == pytest.approx(0.1)
    assert "measures: objectives of 100 ms or more" in said
    assert "refused: objectives below 100 ms, of which 2 ms are more than 2 %" in said
    assert not any(reading.is_met for reading in fit(plan(load(SMOKE, TIGHT)), CALM, cores=1))


@pytest.mark.parametrize(
    ("limits", "tightest"),
    [
        (Limits(1.0, 0.05, 0.0), 0.5),  # lateness stays within a tenth of the objective
        (Limits(1.0, 0.01, 0.0), 0.1),  # 10 ms late are sound whatever the objective, 2 ms of error pass for none
        (Limits(1.0, 0.002, 0.01), 0.5),  # errors stay within 2 % of it
        (Limits(1.0, 0.05, 0.02), 1.0),
    ],
)
def test_the_tightest_objective_follows_from_lateness_and_error(limits: Limits, tightest: float) -> None:
    assert limits.tightest_objective == pytest.approx(tightest)


def test_what_is_not_met_is_said_with_what_to_do() -> None:
    found = diagnosis(GOOD, BAD, limits=Limits(800.0, 0.05, 0.0))

    assert not found.is_sound
    assert line(BAD).startswith("NOT MET  lateness: p99 50 ms; allowed: p99 ≤ 5 ms. Be quiet")
    assert "buy" not in line(GOOD)
    said = conclusion(found)
    assert "refused: objectives below 500 ms, for want of a quieter machine" in said
    assert "refused: more than 800 requests/s from one worker" in said
    assert said[-1] == "expect INCONCLUSIVE where it matters: lateness not met"


def test_labels_keep_every_reading_for_the_environment_of_a_run() -> None:
    said = labels(diagnosis(GOOD, BAD))

    assert said["doctor"] == "2026-01-01T00:00:00Z: 1 of 2 known lengths met"
    assert said["doctor: clock"] == "tsc"
    assert said["doctor: lateness"] == "p99 50 ms (NOT MET, allowed: p99 ≤ 5 ms)"


def test_more_workers_than_cores_offer_no_more() -> None:
    smoke, crowd = (plan(load(SMOKE, [f"load.workers={workers}"])) for workers in (1, 8))
    needed = max(outlook.request_rate for outlook in smoke.ramps)
    limits = Limits(needed / 4, 0.002, 0.0)

    assert not any(reading.is_met for reading in fit(crowd, limits, cores=1))
    assert all(reading.is_met for reading in fit(crowd, limits, cores=8))
    assert not any(reading.is_met for reading in fit(smoke, limits, cores=8))


def test_a_scenario_beyond_the_limits_does_not_fit() -> None:
    smoke = plan(load(SMOKE))

    assert all(reading.is_met for reading in fit(smoke, CALM, cores=1))
    assert not any(
        reading.is_met for reading in fit(smoke, Limits(10.0, 0.002, 0.0), cores=1)
    )  # 10 requests/s are too few
    refused = fit(smoke, Limits(5_000.0, 1.0, 0.0), cores=1)  # 1 s late
    assert not any(reading.is_met for reading in refused)
    found = Diagnosis("2026-01-01T00:00:00Z", {}, (GOOD,), CALM, refused)
    assert not found.is_sound
    assert f"refused: {refused[0].name}" in conclusion(found)
