"""From registrants to arrivals per second: the published readings, the words, and what contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.arrivals import demand as demands
from prakerja_load.arrivals.schedule import ArrivalProcess

HOUR = 3600.0


@dataclass(frozen=True)
class Shape:
    window: float = 117 * HOUR
    opening_share: float | None = None
    opening_tau: float = 2 * HOUR
    diurnal_amplitude: float = 0.0
    opens_at_hour: float = 19.0
    deadline_share: float = 0.0
    deadline_width: float = HOUR


@dataclass(frozen=True)
class Demand:
    multiplier: float = 1.0
    counts: str = "accounts"
    peak_minute_share: float | None = None
    peak_to_mean: float | None = None
    window: float | None = None
    in_system: int | None = None
    curve: Shape | None = None
    compression: float = 1.0
    openings: int = 1
    process: ArrivalProcess = field(default="poisson")


MINUTE = Demand(peak_minute_share=0.0134)


@pytest.mark.parametrize(
    ("registrants", "rate"), [(200_000, 44.7), (300_000, 67.0), (600_000, 134.0), (2_000_000, 446.7)]
)
def test_the_four_ramps_of_the_ministry_have_their_rates(registrants: int, rate: float) -> None:
    assert demands.peak_rate(MINUTE, registrants) == pytest.approx(rate, abs=0.05)


@pytest.mark.parametrize(
    ("demand", "registrants", "journey", "rate"),
    [
        (Demand(peak_minute_share=1.0), 80_000, None, 80_000 / 60),
        (Demand(in_system=80_000), 80_000, 600.0, 80_000 / 600),
        (Demand(peak_to_mean=4.9, window=24 * HOUR), 2_500_000, None, 4.9 * 2_500_000 / 86_400),
        (Demand(multiplier=35.482794, peak_minute_share=0.0134), 168_111, None, 0.0134 * 5_965_048 / 60),
        (Demand(window=117 * HOUR), 5_965_048, None, 14.16),
        (Demand(curve=Shape(opening_share=0.0)), 5_965_048, None, 14.16),
        (Demand(curve=Shape(), peak_to_mean=7), 5_965_048, None, 7 * 14.16),
    ],
)
def test_every_reading_gives_its_rate(demand: Demand, registrants: int, journey: float | None, rate: float) -> None:
    assert demands.peak_rate(demand, registrants, journey) == pytest.approx(rate, rel=1e-3)


@given(st.floats(0.001, 1), st.floats(0.1, 100), st.integers(1, 6_000_000))
def test_the_peak_grows_in_proportion_to_each_factor(share: float, multiplier: float, registrants: int) -> None:
    demand = Demand(multiplier=multiplier, peak_minute_share=share)

    assert demands.peak_rate(demand, registrants) * 60 == pytest.approx(share * multiplier * registrants)


def test_the_arithmetic_is_in_words() -> None:
    lines = demands.arithmetic(replace(MINUTE, openings=4), 200_000)

    assert lines == [
        "N = 200 000 accounts, m = 1: 200 000 accounts reach the system",
        "0.0134 × 1 × 200 000 / 60 s = 44.7 arrivals/s",
        "read as the month in 4 openings: 44.7 / 4 = 11.2 arrivals/s",
    ]


@pytest.mark.parametrize(
    ("demand", "line"),
    [
        (Demand(peak_to_mean=4.9, window=117 * HOUR), "4.9 × 1 × 200 000 / 421 200 s = 2.33 arrivals/s"),
        (Demand(in_system=80_000), "80 000 people present / 900 s a journey = 88.9 arrivals/s"),
        (Demand(window=117 * HOUR), "1 × 200 000 / 421 200 s = 0.475 arrivals/s"),
        (Demand(curve=Shape(opening_share=0.0)), "1 × 200 000 along a curve over 117 h: at most 0.475 arrivals/s"),
    ],
)
def test_every_reading_says_how_it_comes_about(demand: Demand, line: str) -> None:
    assert demands.arithmetic(demand, 200_000, 900)[1] == line


def test_compression_is_part_of_the_arithmetic() -> None:
    lines = demands.arithmetic(Demand(window=117 * HOUR, compression=1000), 200_000)

    assert lines[-1] == "played 1000 × as fast: 0.475 × 1000 = 475 arrivals/s"


def test_people_present_need_the_journey_time() -> None:
    with pytest.raises(ValueError, match="needs the mean journey time"):
        demands.peak_rate(Demand(in_system=80_000), 80_000)


def test_a_demand_without_a_peak_has_no_rate() -> None:
    with pytest.raises(ValueError, match="states no peak"):
        demands.peak_rate(Demand(), 1000)
    with pytest.raises(ValueError, match="needs the window"):
        demands.peak_rate(Demand(peak_to_mean=2), 1000)
    with pytest.raises(ValueError, match=r"demand\.curve or demand\.window"):
        demands.rate_curve(Demand(), 1000)


def test_the_curve_of_all_registrants_has_every_account_and_the_stated_peak() -> None:
    demand = Demand(multiplier=2.0, curve=Shape(), peak_to_mean=5, compression=60)

    curve = demands.rate_curve(demand, 100_000)

    assert curve.total == pytest.approx(200_000)
    assert curve.duration == pytest.approx(117 * 60)
    assert curve.peak_rate == pytest.approx(5 * 200_000 / (117 * 60))


def test_a_bare_window_is_played_flat() -> None:
    curve = demands.rate_curve(Demand(window=1000, compression=10), 5000)

    assert (curve.duration, curve.mean_rate, curve.peak_rate) == pytest.approx((100, 50, 50))


GOOD = [
    (MINUTE, "peak"),
    (Demand(peak_to_mean=7, window=HOUR), "peak"),
    (Demand(in_system=80_000), "peak"),
    (Demand(peak_minute_share=0.0134, peak_to_mean=94.07, window=117 * HOUR), "peak"),
    (Demand(window=HOUR, compression=9), "volume"),
    (Demand(window=HOUR, peak_to_mean=1.0), "real"),
    (Demand(curve=Shape(), peak_to_mean=7), "volume"),
    (Demand(curve=Shape(), window=117 * HOUR), "volume"),
    (Demand(curve=Shape(opening_share=0.3)), "real"),
]
BAD = [
    (Demand(), "peak", {"demand": "peak_minute_share, peak_to_mean with window, or in_system"}),
    (Demand(peak_minute_share=0.0), "peak", {"demand.peak_minute_share": "above 0"}),
    (Demand(peak_to_mean=7), "peak", {"demand.window": "window that peak_to_mean refers to"}),
    (replace(MINUTE, in_system=5), "peak", {"demand.in_system": "one statement of the peak"}),
    (replace(MINUTE, window=HOUR), "peak", {"demand.window": "nothing unless peak_to_mean"}),
    (replace(MINUTE, curve=Shape()), "peak", {"demand.curve": "nothing for claim peak"}),
    (replace(MINUTE, compression=2), "peak", {"demand.compression": "1 for claim peak"}),
    (
        replace(MINUTE, peak_to_mean=7, window=117 * HOUR),
        "peak",
        {"demand.peak_to_mean": "0.0134 / 60 s = 0.000223 a second"},
    ),
    (Demand(), "volume", {"demand.curve": "or demand.window for a flat one"}),
    (MINUTE, "real", {"demand.curve": "or demand.window for a flat one"}),
    (Demand(window=HOUR, compression=2), "real", {"demand.compression": "1 for claim real"}),
    (Demand(window=HOUR, in_system=4), "volume", {"demand.in_system": "nothing for claim volume"}),
    (Demand(window=HOUR, peak_to_mean=2), "volume", {"demand.peak_to_mean": "equal to the mean"}),
    (Demand(window=HOUR, peak_minute_share=0.5), "volume", {"demand.peak_minute_share": "equal to the mean"}),
    (Demand(window=HOUR, curve=Shape()), "volume", {"demand.window": "117 h, as demand.curve.window says"}),
    (Demand(curve=Shape(opening_share=0.7, deadline_share=0.4)), "volume", {"demand.curve.opening_share": "at most 1"}),
    (Demand(curve=Shape(), peak_minute_share=0.0134), "volume", {"demand.curve": "opening_tau must be at most"}),
    (Demand(curve=Shape(opening_share=0.5), peak_to_mean=2), "volume", {"demand.curve": "leave out opening_share"}),
    (
        Demand(compression=2, in_system=3, peak_to_mean=4),
        "real",
        {
            "demand.window": "refers to",
            "demand.in_system": "nothing for claim real",
            "demand.compression": "1 for claim real",
            "demand.curve": "for claim real",
        },
    ),
]


@pytest.mark.parametrize(("demand", "claim"), GOOD)
def test_a_consistent_demand_has_no_problems(demand: Demand, claim: str) -> None:
    assert demands.contradictions(demand, claim) == []


@pytest.mark.parametrize(("demand", "claim", "expected"), BAD)
def test_contradictions_are_named_with_key_and_arithmetic(demand: Demand, claim: str, expected: dict[str, str]) -> None:
    problems = demands.contradictions(demand, claim)

    assert {problem.key for problem in problems} == expected.keys()
    for problem in problems:
        assert problem.given
        if len(expected) == len(problems):
            assert expected[problem.key] in problem.allowed
