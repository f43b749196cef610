"""The citizen number."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.applicants import nik
from prakerja_load.applicants.proportions import PROVINCES

REGIONS = st.builds(
    lambda province, regency, district: f"{province}{regency:02d}{district:02d}",
    st.sampled_from(sorted(PROVINCES)),
    st.integers(1, 99),
    st.integers(1, 99),
)
# a century in which two digits mean one year
BIRTHS = st.dates(datetime.date(1920, 4, 12), datetime.date(2020, 4, 11))


@settings(deadline=None)
@given(REGIONS, BIRTHS, st.sampled_from("LP"), st.integers(0, 9999))
def test_what_is_encoded_is_read_back(region: str, born: datetime.date, sex: str, serial: int) -> None:
    text = nik.encode(region, born, sex, serial)
    assert len(text) == 16
    assert nik.decode(text) == nik.Nik(region, born, sex, serial)


def test_a_mans_number_is_laid_out_as_the_regulation_says() -> None:
    # Sukodono, Sidoarjo, East Java; born 5 August 1968; first of that day
    assert nik.encode("351514", datetime.date(1968, 8, 5), "L", 1) == "3515140508680001"


def test_forty_is_added_to_a_womans_day() -> None:
    assert nik.encode("351514", datetime.date(1968, 8, 5), "P", 2) == "3515144508680002"


def test_the_serial_is_never_issued_unless_asked_for() -> None:
    text = nik.encode("310101", datetime.date(2000, 2, 29), "L")
    assert text.endswith("0000")
    assert nik.is_synthetic(text)
    assert not nik.is_synthetic(text[:12] + "0001")
    assert not nik.is_synthetic("0000000000000000")
    assert not nik.is_synthetic("nonsense")


@pytest.mark.parametrize(
    ("digits", "year"), [("110402", 2002), ("110420", 2020), ("120420", 1920), ("010121", 1921), ("311299", 1999)]
)
def test_the_century_is_the_last_that_is_not_in_the_future(digits: str, year: int) -> None:
    assert nik.decode(f"317101{digits}0000").birth_date.year == year


def test_the_day_the_future_begins_can_be_moved() -> None:
    assert nik.decode("3171011204200000", latest=datetime.date(2026, 1, 1)).birth_date == datetime.date(2020, 4, 12)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("317101010190000", "15 characters"),
        ("31710101019000000", "17 characters"),
        ("31710101O1900000", "16 characters"),
        ("31710101019000\u0660\u0660", "16 characters"),  # Arabic-Indic digits are digits to Python
        ("0071010101900000", "no province"),
        ("9971010101900000", "no province"),
        ("3100010101900000", "names no district"),
        ("3171000101900000", "names no district"),
        ("3171010001900000", "not a birth date"),
        ("3171013201900000", "not a birth date"),
        ("3171014001900000", "not a birth date"),
        ("3171017201900000", "not a birth date"),
        ("3171010113900000", "not a birth date"),
        ("3171013102900000", "not a birth date"),
        ("3171012902010000", "not a birth date"),
    ],
)
def test_what_cannot_be_a_citizen_number_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        nik.decode(text)
    assert not nik.is_synthetic(text)


@settings(deadline=None, max_examples=300)
@given(st.from_regex(r"[0-9]{16}", fullmatch=True) | st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = nik.decode(text)
    except ValueError:
        return
    assert nik.encode(read.region, read.birth_date, read.sex, read.serial) == text


@pytest.mark.parametrize(
    ("region", "sex", "serial", "why"),
    [
        ("31710", "L", 0, "six digits"),
        ("31710a", "L", 0, "six digits"),
        ("207101", "L", 0, "no province"),
        ("317101", "M", 0, "not L or P"),
        ("317101", "L", 10_000, "four digits"),
        ("317101", "L", -1, "four digits"),
    ],
)
def test_what_no_citizen_number_can_carry_is_refused(region: str, sex: str, serial: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        nik.encode(region, datetime.date(1990, 1, 1), sex, serial)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(REGIONS, BIRTHS), min_size=1, max_size=10))
def test_arrays_of_numbers_are_assembled_as_single_ones(people: list[tuple[str, datetime.date]]) -> None:
    codes = np.array([int(region) for region, _ in people], np.int64)
    men = nik.six_digits([born for _, born in people])
    women = men + nik.WOMAN * 10_000
    for sex, dates in (("L", men), ("P", women)):
        assembled = [str(number) for number in nik.assemble(codes, dates).tolist()]
        assert assembled == [nik.encode(region, born, sex) for region, born in people]
