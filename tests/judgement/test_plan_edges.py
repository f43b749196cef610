"""The figures of a forecast, counted from the journey step by step."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from prakerja_load import scenario
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.registration import NewApplicant
from prakerja_load.judgement.plan import journey_figures

BOX = Path(__file__).resolve().parents[2] / "scenarios"


def test_both_photos_are_forecast_by_how_many_reach_each() -> None:
    figures = journey_figures(scenario.load(BOX / "ministry-ramp.toml"))
    journey = make_journey(JourneyOptions(seed=2020, today=datetime.date(2020, 4, 11), think_time_scale=0.01))
    assert isinstance(journey, NewApplicant)
    reach = {step.name: journey.habits.reach(step.number) for step in journey.steps if step.is_gated}

    assert 0 < reach["selfie"] <= reach["ktp-photo"] < 1
    assert figures.photos == pytest.approx(reach["ktp-photo"] + reach["selfie"])
