"""The NIK (Nomor Induk Kependudukan), the citizen number: region, birth date, sex and serial in 16 digits.

PPRRDD DDMMYY SSSS: province, regency and district of *first* registration (Kemendagri codes), birth date with 40
added to the day for women, and a serial that counts from 0001 within the same first twelve digits (PP 37/2007
art. 37; Permendagri 137/2017 art. 4). There is no check digit. Because serials start at 0001, a NIK that ends in
0000 has never been issued: it cannot belong to a person, while everything else about it is valid.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from prakerja_load.applicants.proportions import PROVINCES, WAVE_ONE

NEVER_ISSUED = 0  # the serial of every synthetic NIK
WOMAN = 40  # added to a woman's day of birth


class Nik(msgspec.Struct, frozen=True):
    """What a NIK says."""

    region: str  # six digits, district of first registration
    birth_date: datetime.date
    sex: str  # "L" (laki-laki) or "P" (perempuan)
    serial: int = NEVER_ISSUED

    @property
    def is_synthetic(self) -> bool:
        """Tell whether the serial is the one that is never issued."""
        return self.serial == NEVER_ISSUED


def encode(region: str, birth_date: datetime.date, sex: str, serial: int = NEVER_ISSUED) -> str:
    """Return the 16 digits; raise ValueError for a region, sex or serial that no NIK can carry."""
    _check_region(region)
    if sex not in ("L", "P"):
        raise ValueError(f"sex {sex!r} is not L or P")
    if not 0 <= serial <= 9999:
        raise ValueError(f"serial {serial} does not fit four digits")
    day = birth_date.day + (WOMAN if sex == "P" else 0)
    return f"{region}{day:02d}{birth_date.month:02d}{birth_date.year % 100:02d}{serial:04d}"


def decode(text: str, latest: datetime.date = WAVE_ONE) -> Nik:
    """Return what 16 digits say; raise ValueError when they cannot be a NIK.

    The year has two digits: it is read as 20YY when that birth date is not after `latest`, else as 19YY.
    """
    if len(text) != 16 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{len(text)} characters are not the 16 digits of a NIK")
    _check_region(text[:6])
    day = int(text[6:8])
    sex = "P" if day > WOMAN else "L"
    try:
        birth_date = read_date(day - WOMAN if sex == "P" else day, int(text[8:10]), int(text[10:12]), latest)
    except ValueError:
        raise ValueError(f"digits 7–12 of a NIK, {text[6:12]}, are not a birth date") from None
    return Nik(text[:6], birth_date, sex, int(text[12:]))


def is_synthetic(text: str) -> bool:
    """Tell whether a text is a well-formed NIK with the serial that is never issued."""
    try:
        return decode(text).is_synthetic
    except ValueError:
        return False


def read_date(day: int, month: int, year: int, latest: datetime.date) -> datetime.date:
    """Return the date of a two-digit year: this century's unless it lies after `latest`, else the last one's."""
    is_this_century = (2000 + year, month, day) <= (latest.year, latest.month, latest.day)
    return datetime.date((2000 if is_this_century else 1900) + year, month, day)


def six_digits(dates: Sequence[datetime.date]) -> NDArray[np.int64]:
    """Return DDMMYY of each date as a number."""
    return np.array([day.day * 10_000 + day.month * 100 + day.year % 100 for day in dates], np.int64)


def assemble(regions: NDArray[np.int64], dates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return region(6) date(6) 0000 as numbers; add 40·10 000 to a woman's date first."""
    return regions * 10**10 + dates * 10**4 + NEVER_ISSUED


def _check_region(region: str) -> None:
    if len(region) != 6 or not (region.isascii() and region.isdigit()):
        raise ValueError(f"region {region!r} is not six digits")
    if region[:2] not in PROVINCES:
        raise ValueError(f"region {region} lies in no province of 2020 (first two digits)")
    if region[2:4] == "00" or region[4:] == "00":
        raise ValueError(f"region {region} names no district")
