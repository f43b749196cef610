"""The number of a family card."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load.applicants import family_card

DAYS = st.dates(family_card.FIRST_RECORDED, family_card.LAST_RECORDED)


@settings(deadline=None)
@given(st.from_regex(r"[1-9][0-9]{5}", fullmatch=True), DAYS, st.integers(0, 9999))
def test_what_is_encoded_is_read_back(region: str, recorded: datetime.date, serial: int) -> None:
    text = family_card.encode(region, recorded, serial)
    assert family_card.decode(text) == family_card.FamilyCard(region, recorded, serial)


def test_nothing_is_added_to_the_day() -> None:
    assert family_card.encode("317101", datetime.date(2009, 10, 3)) == "3171010310090000"


@pytest.mark.parametrize("text", ["", "31710103100900000", "317101031009000x", "3171014310090000", "3171010313090000"])
def test_what_cannot_be_a_card_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"characters|day|month"):
        family_card.decode(text)


@pytest.mark.parametrize(("region", "serial"), [("31710", 0), ("31710x", 0), ("317101", 10_000), ("317101", -1)])
def test_what_no_card_can_carry_is_refused(region: str, serial: int) -> None:
    with pytest.raises(ValueError, match="digits"):
        family_card.encode(region, datetime.date(2010, 1, 1), serial)
