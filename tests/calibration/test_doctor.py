"""The doctor as its users ask it: within two minutes, with limits, and kept for later runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from command import SCENARIOS, command

from prakerja_load.calibration import doctor
from prakerja_load.calibration.diagnosis import Diagnosis, Limits, Reading
from prakerja_load.calibration.playing import Offered, Played
from prakerja_load.calibration.trials import Cores
from prakerja_load.errors import HarnessError
from prakerja_load.trial import environment

READINGS = (Reading("clock", "tsc", "any", True), Reading("known queue", "p99 9 s", "0 s", False))


def found(**machine: str) -> Diagnosis:
    return Diagnosis("2026-01-01T00:00:00Z", {**environment.identity(), **machine}, READINGS, Limits(900.0, 0.05, 0.0))


def test_what_it_found_stands_in_the_environment_of_later_runs(tmp_path: Path) -> None:
    doctor.keep(found(), tmp_path / "reports")

    said = environment.describe(tmp_path / "reports")

    assert said["doctor"] == "2026-01-01T00:00:00Z: 1 of 2 known lengths met"
    assert said["doctor: known queue"] == "p99 9 s (NOT MET, allowed: 0 s)"
    assert all(isinstance(text, str) for text in said.values())


def test_what_it_found_on_another_machine_says_nothing_of_this_one(tmp_path: Path) -> None:
    doctor.keep(found(processor="another"), tmp_path)

    said = environment.describe(tmp_path)

    assert said["doctor"] == "asked on another machine only: prakerja-load doctor"
    assert "doctor: clock" not in said


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"machine": 3, "labels": 4}', b"no json"])
def test_a_file_that_is_no_diagnosis_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / environment.DOCTOR).write_bytes(content)

    said = environment.describe(tmp_path)

    assert "prakerja-load doctor" in said["doctor"]


def test_its_record_holds_limits_readings_and_a_schema(tmp_path: Path) -> None:
    said = json.loads(doctor.keep(found(), tmp_path).read_text())

    assert said["schema"] == 1
    assert said["is_sound"] is False
    assert said["limits"]["arrivals_rate"] == 900.0
    assert said["tightest_objective"] == pytest.approx(0.5)
    assert [reading["name"] for reading in said["readings"]] == ["clock", "known queue"]


def test_a_generator_that_breaks_down_under_a_rate_was_offered_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Offered] = []

    def breaks(folder: Path, load: Offered, cores: object) -> Played:
        asked.append(load)
        raise HarnessError("the worker died")

    monkeypatch.setattr(doctor, "null_target", breaks)
    core = frozenset({0})

    (reading,) = doctor.Examination(tmp_path, Cores(core, core))._generator()

    assert not reading.is_met
    assert reading.observed.startswith("0 arrivals/s")
    assert [load.rate for load in asked] == sorted((load.rate for load in asked), reverse=True)
    assert {load.patience for load in asked} == {5.0}


def test_a_scenario_that_is_wrong_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('name = "Wrong Name"')

    said = command("doctor", tmp_path / "wrong.toml", "--reports", tmp_path)

    assert said.code == 2
    assert "ramps" in said.err
    assert not (tmp_path / "doctor.json").exists()


@pytest.mark.slow
def test_it_measures_every_known_length_within_two_minutes(tmp_path: Path) -> None:
    began = time.perf_counter()
    said = command("doctor", SCENARIOS / "smoke.toml", "--json", "--reports", tmp_path)
    took = time.perf_counter() - began

    assert took <= 120
    assert said.code in (0, 3), said.err
    result = json.loads(said.out)
    names = [reading["name"] for reading in result["readings"]]
    assert names == ["clock", "timer", "processor", "generator ceiling", "lateness", "known queue", "known stall"]
    assert [ramp["name"].split()[1] for ramp in result["ramps"]] == ["1"]
    assert (said.code == 0) == all(reading["is_met"] for reading in (*result["readings"], *result["ramps"]))
    assert result["limits"]["arrivals_rate"] > 0
    assert json.loads((tmp_path / "doctor.json").read_text()) == result
