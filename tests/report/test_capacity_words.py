"""What a capacity search shows in sentences: never better than it is."""

from __future__ import annotations

import dataclasses

import example_capacity
import numpy as np
import pytest

from prakerja_load.judgement import projection
from prakerja_load.judgement.capacity import CapacityInterval, Purpose
from prakerja_load.judgement.carrying import Knee, RampHeadroom, Registrants
from prakerja_load.judgement.projection import Point, Unidentified
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.report import capacity_words as words


@pytest.mark.parametrize(
    ("passed", "failed", "text"),
    [
        (632.04, 664.0, "[632, 664) arrivals/s"),
        (632.0, None, "at least 632 arrivals/s; no higher rate failed"),
        (None, 12.5, "below 12.5 arrivals/s; no rate passed"),
        (None, None, "no rate passed, none failed"),
        (12_345.6, 12_960.1, "[12345, 12961) arrivals/s"),  # never more than passed, never less than failed
        (632.06, 664.01, "[632, 664.1) arrivals/s"),
        (0.012345, 0.1, "[0.01234, 0.1) arrivals/s"),
    ],
)
def test_an_interval_in_words(passed: float | None, failed: float | None, text: str) -> None:
    assert words.interval_text(CapacityInterval(passed, failed, is_confirmed=True)) == text


def headroom(proven: float | None, refuted: float | None) -> str:
    return words.headroom_text(RampHeadroom("a", 1, 1.0, Verdict.SUSTAINED, proven, refuted))


def test_headroom_is_rounded_so_that_its_ends_stay_true() -> None:
    assert headroom(0.41489, 0.48711) == "at least 41.4 %, less than 48.8 %"
    assert headroom(0.0, None) == "at least 0 %"
    assert headroom(-0.5, -0.25) == "proven to 50 % of it, failed at 75 % of it"
    assert headroom(-0.50049, -0.24951) == "proven to 49.9 % of it, failed at 75.1 % of it"
    assert headroom(None, None) == "not shown"


def test_an_unconfirmed_end_and_a_search_on_speed_alone_say_so() -> None:
    judged = dataclasses.replace(
        example_capacity.judged(example_capacity.steps()[:13], "interrupted"), on_speed_alone=True
    )
    text = words.sentence(judged)

    assert "its lower end NOT confirmed" in text
    assert "what the system stored was NOT looked up" in text
    assert "claim `peak` on a store of 2 000 000" in text
    assert words.headline(judged).endswith(", on speed alone")
    assert words.headline_indonesian(judged).startswith("BELUM TERBUKTI: sampai 626.6 pendaftar per detik")


def test_a_rate_that_was_not_repeated_is_told() -> None:
    judged = example_capacity.judged(example_capacity.steps()[:4], "interrupted")

    assert "1200 arrivals/s did not pass once and was not repeated" in words.doubts(judged)


def test_a_rate_undecided_for_want_of_data_is_not_blamed_on_the_generator() -> None:
    made = list(example_capacity.steps())
    for place in (7, 8):
        made[place] = dataclasses.replace(made[place], is_timed=True, doubts=(), reasons=("too few for a bound",))

    assert "713.5 arrivals/s: undecided twice: too few for a bound" in words.doubts(
        example_capacity.judged(tuple(made))
    )


def test_knee_and_saturation_that_were_not_reached_say_so() -> None:
    assert words.knee_text(Knee(0.11, 300.0, None)).startswith("not reached up to 300 arrivals/s")
    assert words.knee_text(Knee(0.11, 300.0, 600.0)).startswith("between 300 and 600 arrivals/s")
    assert words.knee_text(None) == "not measured"
    good = example_capacity.judged(example_capacity.steps()[:3], "interrupted")
    unsound = dataclasses.replace(good, steps=tuple(dataclasses.replace(one, is_sound=False) for one in good.steps))
    assert words.saturation_text(good) == "not reached: throughput followed what was offered"
    assert words.saturation_text(unsound) == "not measured: no step was sound"


def test_a_model_is_called_a_model_with_its_bounds_and_its_reach() -> None:
    ns = np.array([1, 2, 4, 8, 16, 32, 45, 64, 90, 128], np.float64)
    law = projection.fit([Point(n, 50 * n / (1 + 0.02 * (n - 1) + 0.0005 * n * (n - 1))) for n in ns.tolist()])

    text = words.model_text(law)
    assert text.startswith("A model, not a measurement")
    assert "[" in text
    assert "nothing is said beyond 256 waiting" in text
    assert "α = 0.02 [" in text
    assert "β = 0.0005 [" in text
    assert "not identifiable (why)" in words.model_text(Unidentified("why"))


def test_the_summary_has_every_result() -> None:
    text = "\n".join(words.summary_lines(example_capacity.judged()))

    for start in (
        "CAPACITY: ",
        "The search: ",
        "Rates proven",
        "First to fail: ",
        "Knee: ",
        "Saturation: ",
        "Proven: ",
    ):
        assert f"\n{start}" in f"\n{text}"
    assert text.count("Headroom of ") == 4


def test_an_upper_end_that_stayed_undecided_is_not_called_found_to_the_precision() -> None:
    whole = example_capacity.judged()
    steps = tuple(one for one in example_capacity.steps() if one.rate not in {654.3, 817.9})  # 713.5 is undecided

    assert words.ending_text(whole) == "found to the precision asked for"
    assert words.ending_text(example_capacity.judged(steps)) == (
        "found from below; from above it is open, because 713.5 arrivals/s stayed undecided"
    )
    assert words.ending_text(example_capacity.judged(steps, "interrupted")).startswith("interrupted")


@pytest.mark.parametrize(
    ("stored", "why"), [(None, "nobody counted what the store held"), (0, "the store held nobody")]
)
def test_a_peak_on_no_known_store_proves_a_rate_and_no_registrants(stored: int | None, why: str) -> None:
    (line,) = words.registrants_lines(Registrants(2_500_000, stored, None, None, None, None))

    assert line == (
        f"Proven: the rate alone and no number of registrants, because {why}; "
        "at the scenario's peak the proven rate is that of 2 500 000"
    )


def test_registrants_that_cannot_be_told_are_not_guessed() -> None:
    assert "not told" in words.registrants_lines(None)[0]


def test_a_repeat_is_called_one() -> None:
    assert words.purpose_text(Purpose.BISECT, is_repeat=True) == "bisecting once more"
    assert words.purpose_text(Purpose.CONFIRM, is_repeat=False) == "confirming"
