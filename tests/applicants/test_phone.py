"""Mobile numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from prakerja_load.applicants import phone

# libphonenumber's pattern for Indonesian mobiles, after the country code
MOBILE = re.compile(r"8[1-35-9]\d{7,10}")


def numbers(dialable: bool, count: int = 20_000) -> list[int]:
    units = (np.arange(count) + 0.5) / count
    return phone.PhoneBook(4, dialable).numbers(np.arange(count), units).tolist()


def test_no_subscriber_holds_a_number() -> None:
    for number in numbers(dialable=False):
        assert str(number).startswith("840")
        assert not MOBILE.fullmatch(str(number))


def test_dialable_numbers_have_the_prefixes_of_operators_all_alike() -> None:
    chosen = numbers(dialable=True, count=20_000)
    assert all(MOBILE.fullmatch(str(number)) for number in chosen)
    prefixes = [number // 10**8 for number in chosen]
    assert set(prefixes) == set(phone.DIALABLE)
    assert len(set(phone.DIALABLE)) == len(phone.DIALABLE)
    counts = [prefixes.count(prefix) for prefix in phone.DIALABLE]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("dialable", [False, True])
def test_nobody_shares_a_number_even_without_its_prefix(dialable: bool) -> None:
    chosen = numbers(dialable)
    assert len({number % 10**8 for number in chosen}) == len(chosen)
    assert {len(str(number)) for number in chosen} == {11}  # 12 digits with the leading 0
