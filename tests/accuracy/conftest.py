"""Fixtures of the accuracy tests: where target and generator run."""

from __future__ import annotations

import os

import pytest

from prakerja_load.calibration.trials import Cores
from prakerja_load.trial.process import split_cores


@pytest.fixture(scope="session")
def cores() -> Cores:
    """Return half of the cores for the target and half for the generator."""
    return Cores(*split_cores(sorted(os.sched_getaffinity(0))))
