"""The throughput of a ramp is that of who was served to the end, in the time that is judged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from prakerja_load.evidence.sample import ARRIVAL, SAMPLE
from prakerja_load.journey.step import Ending
from prakerja_load.judgement.case import Case
from prakerja_load.judgement.estimate import NOTHING, Estimate
from prakerja_load.judgement.history import lay_out
from prakerja_load.judgement.table import throughput
from prakerja_load.judgement.window import Window
from prakerja_load.units import SECOND_NS


def served(endings: dict[int, Ending]) -> Estimate:
    """Return the throughput of ten arrivals a second, each over at once, but for how the ones given ended."""
    due = np.arange(1_000) / 10.0 + 0.05
    arrivals = np.zeros(1_000, ARRIVAL)
    arrivals["index"], arrivals["ending"] = np.arange(1_000), Ending.COMPLETED
    arrivals["finished"] = np.rint(due * SECOND_NS)
    for index, ending in endings.items():
        arrivals["ending"][index] = ending
    history = lay_out(due, arrivals, np.zeros(0, SAMPLE))
    return throughput(cast(Case, SimpleNamespace(history=history, window=Window(20.0, 80.0), alpha=0.05)))


def test_everybody_who_is_served_counts() -> None:
    estimate = served({})

    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((10.0, 10.0, 10.0))
    assert estimate.n == 20  # batches of 3 s


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.GAVE_UP, Ending.IN_FLIGHT])
def test_who_was_turned_away_or_left_is_no_throughput(ending: Ending) -> None:
    assert served(dict.fromkeys(range(300, 600, 2), ending)).value == pytest.approx(10 - 150 / 60)


def test_who_was_served_beside_the_judged_time_is_no_throughput_of_it() -> None:
    assert served(dict.fromkeys((*range(200), *range(800, 1_000)), Ending.FAILED)).value == pytest.approx(10.0)


def test_where_nobody_was_served_there_is_none_to_tell() -> None:
    assert served(dict.fromkeys(range(1_000), Ending.FAILED)) is NOTHING
