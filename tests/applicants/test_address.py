"""Street addresses."""

from __future__ import annotations

import re

from prakerja_load.applicants import address


def test_houses_and_wards_read_as_a_form_has_them() -> None:
    assert all(re.fullmatch(r"Jl\. [A-Z][A-Za-z ]+ No\. [1-9]\d{0,2}", house) for house in address.houses())
    assert all(re.fullmatch(r" RT (0[1-9]|1[0-5])/RW (0[1-9]|1[0-2])", ward) for ward in address.wards())


def test_no_house_or_ward_stands_twice() -> None:
    assert len(set(address.houses())) == len(address.STREETS) * address.HOUSE_NUMBERS
    assert len(set(address.wards())) == address.NEIGHBORHOODS * address.HAMLETS
