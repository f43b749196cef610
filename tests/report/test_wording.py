from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.verdict import Counts, Finding
from prakerja_load.report import wording

INF, NAN = math.inf, math.nan


def number_in(text: str) -> float:
    return float(text.removesuffix(" %"))


@settings(deadline=None, max_examples=300)
@given(st.floats(1e-7, 1 - 1e-7))
def test_a_share_reads_100_or_0_only_when_it_is_exactly_that(share: float) -> None:
    assert wording.share_text(share) not in {"100 %", "0 %"}


@settings(deadline=None, max_examples=300)
@given(st.floats(0, 1))
def test_a_share_keeps_two_digits_of_its_distance_from_the_nearer_end(share: float) -> None:
    distance = min(share, 1 - share) * 100

    assert abs(number_in(wording.share_text(share)) - share * 100) <= max(0.05 * distance, 6e-7)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"),
        (0.0, "0 %"),
        (0.995, "99.5 %"),
        (0.99996, "99.996 %"),
        (0.000012, "0.0012 %"),
        (-0.0004, "-0.04 %"),
        (NAN, "–"),
    ],
)
def test_shares_are_written_in_per_cent(share: float, text: str) -> None:
    assert wording.share_text(share) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.25, "s", "1.25 s"),
        (INF, "s", "∞"),
        (NAN, "s", "–"),
        (0.995, "ratio", "99.5 %"),
        (5000.0, "arrivals", "5 000 arrivals"),
        (2.5, "arrivals", "2.5 arrivals"),
        (NAN, "", "–"),
    ],
)
def test_an_amount_carries_its_unit(value: float, unit: str, text: str) -> None:
    assert wording.amount_text(value, unit) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0344, 0.0404, "[34.4, 40.4 ms]"),
        (0.9, 1.1, "[900 ms, 1.1 s]"),
        (-INF, 1.2, "[–, 1.2 s]"),
        (0.9, INF, "[900 ms, ∞]"),
        (NAN, NAN, ""),
        (1.0, 1.0, ""),
    ],
)
def test_bounds_name_their_unit_once_and_dash_what_is_not_earned(low: float, high: float, text: str) -> None:
    assert wording.bounds_text(Estimate(1.0, low, high, 100, 50.0), "s") == text


def test_an_infinite_quantile_says_that_failures_reach_it() -> None:
    assert (
        " ".join(wording.estimate_text(Estimate(INF, 4.0, INF, 100, 50.0), "s")) == "∞ (failures reach this quantile)"
    )


@pytest.mark.parametrize("estimate", [None, Estimate(NAN, -INF, INF, 0, 0.0)])
def test_an_estimate_of_nothing_says_no_data(estimate: Estimate | None) -> None:
    assert wording.estimate_text(estimate, "s") == ("–", "(no data)")


@settings(deadline=None, max_examples=200)
@given(st.floats(0, 50))
def test_headroom_is_never_rounded_up(headroom: float) -> None:
    text = wording.at_least(headroom)

    shown = float(text.removeprefix("at least ").removesuffix(" %"))
    assert headroom * 100 - 1 <= shown <= headroom * 100 + 1e-6


@pytest.mark.parametrize(("headroom", "text"), [(None, "not shown"), (NAN, "not shown"), (-0.1, "none")])
def test_headroom_that_was_not_shown_is_not_a_number(headroom: float | None, text: str) -> None:
    assert wording.at_least(headroom) == text


def test_a_long_seed_is_written_so_that_it_never_reads_like_a_nik() -> None:
    text = wording.seed_text(2**62)

    assert (wording.seed_text(2020), int(text)) == ("2020", 2**62)
    assert not re.search(r"\d{16}", text)


def test_counts_for_the_ministry_have_points() -> None:
    assert wording.indonesian_count(5_965_048) == "5.965.048"


def test_identity_numbers_are_withheld_wherever_they_hide() -> None:
    nik = "3201015708900000"
    finding = Finding(f"rule {nik}", "note", True, f"NIK{nik}", "", "")
    counts = Counts(1, 1, 1, 0, gaps=(f"lost: {nik}",))

    shown = repr(wording.withhold_identities((finding, counts, {"key": nik})))

    assert nik not in shown
    assert shown.count("[number withheld]") == 4


def test_digests_and_run_names_are_not_mistaken_for_identities() -> None:
    text = "20261124T043300Z-ministry-ramp-2020 sha256 a1234567890123456789b"

    assert wording.withhold_identities(text) == text
