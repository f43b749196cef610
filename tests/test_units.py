"""Units are read in every spelling people use and refused in every other."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load import units

PARSERS = (
    units.parse_duration,
    units.parse_rate,
    units.parse_size,
    units.parse_share,
    units.parse_count,
    units.parse_number,
)
toml_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.datetimes()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("117h", 421_200),
        ("1d", 86_400),
        ("1.5s", 1.5),
        (" 20 s ", 20),
        ("1_000s", 1000),
        ("42", 42),
        (42, 42),
        (0, 0),
        (0.5, 0.5),
    ],
)
def test_durations_are_read(text: object, seconds: float) -> None:
    assert units.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("500/s", 500), ("80000/min", 80_000 / 60), ("80 000 / min", 80_000 / 60), ("60/m", 1), ("7200/h", 2), (3.5, 3.5)],
)
def test_rates_are_read(text: object, rate: float) -> None:
    assert units.parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4KiB", 4096),
        ("2MiB", 2 * 1024**2),
        ("1.5KiB", 1536),
        ("1GiB", 1024**3),
        ("2 MB", 2_000_000),
        ("7B", 7),
        (9, 9),
    ],
)
def test_sizes_are_read(text: object, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "share"), [("99.5%", 0.995), ("1.34 %", 0.0134), (0.0134, 0.0134), ("0.0134", 0.0134), (0, 0), (1, 1)]
)
def test_shares_are_read(text: object, share: float) -> None:
    assert units.parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (200_000, 200_000),
        ("200 000", 200_000),
        ("2_000_000", 2_000_000),
        (2e6, 2_000_000),
        ("7", 7),
        (-3, -3),
        ("-3", -3),
    ],
)
def test_counts_are_read(text: object, count: int) -> None:
    assert units.parse_count(text) == count


@pytest.mark.parametrize(("text", "number"), [(35.5, 35.5), ("35.5", 35.5), (35, 35), (-1.5, -1.5)])
def test_numbers_are_read(text: object, number: float) -> None:
    assert units.parse_number(text) == number


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "fast",
        "5 fortnights",
        "1h30",
        "s",
        "10 m 5",
        "-5s",
        "1__0s",
        "1 30s",
        "1e3s",
        "٣s",
        True,
        False,
        None,
        -1,
        [1],
        {},
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match="250ms, 90s, 10m"):
        units.parse_duration(value)


@pytest.mark.parametrize(
    ("parser", "value", "words"),
    [
        (units.parse_rate, "500/fortnight", "500/s or 80000/min"),
        (units.parse_rate, -1, "500/s"),
        (units.parse_size, "4KB/s", "4KiB or 2MiB"),
        (units.parse_bandwidth, "12MB/s", "12Mbit/s or 700kbit/s"),
        (units.parse_bandwidth, 0, "12Mbit/s or 700kbit/s"),
        (units.parse_size, 1.5, "4KiB"),
        (units.parse_size, -1, "4KiB"),
        (units.parse_share, "134%", "between 0 and 1"),
        (units.parse_share, 1.0001, "between 0 and 1"),
        (units.parse_share, -0.1, "between 0 and 1"),
        (units.parse_share, "%", "between 0 and 1"),
        (units.parse_count, 1.5, "a whole number"),
        (units.parse_count, True, "a whole number"),
        (units.parse_number, "NaN", "a number"),
    ],
)
def test_other_values_are_refused_with_what_is_wanted(parser: Any, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parser(value)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True])
def test_nothing_endless_and_no_truth_value_is_a_quantity(parser: Any, value: object) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parser(value)


@pytest.mark.parametrize("parser", PARSERS)
@given(value=toml_values)
def test_a_parser_returns_a_finite_number_or_raises_value_error(parser: Any, value: object) -> None:
    try:
        number = parser(value)
    except ValueError:
        return
    assert math.isfinite(number) or isinstance(number, int)
    assert number >= 0 or parser in {units.parse_count, units.parse_number}


@given(st.floats(0, 1e7))
def test_seconds_and_milliseconds_are_read_alike(number: float) -> None:
    text = f"{number:.6f}"

    assert units.parse_duration(f"{text}s") == pytest.approx(units.parse_duration(f"{text}ms") * 1000)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0042, "4.2 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.25, "1.25 s"),
        (99.96, "1 min 40 s"),
        (200, "3 min 20 s"),
        (600, "10 min"),
        (3599.7, "1 h"),
        (7500, "2 h 05 min"),
        (math.inf, "∞"),
    ],
)
def test_durations_are_shown_as_people_read_them(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


@given(st.floats(0, 1e9))
def test_a_shown_duration_has_no_60_in_it(seconds: float) -> None:
    parts = units.format_duration(seconds).split()

    assert "60" not in [number for number, unit in zip(parts[2::2], parts[3::2], strict=True) if unit in {"s", "min"}]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (units.format_count(2_000_000), "2 000 000"),
        (units.format_rate(446.67), "447 arrivals/s"),
        (units.format_rate(44.67), "44.7 arrivals/s"),
        (units.format_rate(1333.3, "requests"), "1 333 requests/s"),
        (units.format_rate(0.8), "0.8 arrivals/s"),
        (units.format_number(99.97), "100"),
        (units.format_number(-1234), "-1 234"),
        (units.format_size(812), "812 B"),
        (units.format_size(4096), "4 KiB"),
        (units.format_size(1010 * 1024), "1010 KiB"),
        (units.format_size(1.5 * 1024**3), "1.5 GiB"),
        (units.format_size(2000 * 1024**3), "2 000 GiB"),
        (units.format_share(0.9995), "99.95 %"),
        (units.format_share(0.009), "0.9 %"),
    ],
)
def test_quantities_are_shown_as_people_read_them(made: str, text: str) -> None:
    assert made == text


@pytest.mark.parametrize(
    ("given", "bytes_per_second"), [("12Mbit/s", 1.5e6), ("0.7 Mbit/s", 87_500), ("700kbit/s", 87_500), (8_000, 1_000)]
)
def test_a_bandwidth_is_in_bits_outside_and_bytes_inside(given: object, bytes_per_second: float) -> None:
    assert units.parse_bandwidth(given) == pytest.approx(bytes_per_second)
