"""The number of a family card, KK (Kartu Keluarga): region, recording date and serial in 16 digits.

Region code of the district where the family lives, the day its card was recorded as DDMMYY (nothing is added for
women), and a family serial. Synthetic cards carry the serial 0000 like synthetic NIKs. That serials start at 0001 is
documented for the NIK; for the KK it follows only from both being numbered by the same register, so a record is
provably synthetic by its NIK and the card number is a second, weaker mark. Several applicants may share a card, as
families do.
"""

from __future__ import annotations

import datetime

import msgspec

from prakerja_load.applicants.nik import NEVER_ISSUED, read_date

# assumed: cards were renumbered when the national register began, and none is newer than the wave
FIRST_RECORDED = datetime.date(2005, 1, 1)
LAST_RECORDED = datetime.date(2020, 4, 1)


class FamilyCard(msgspec.Struct, frozen=True):
    """What a KK number says."""

    region: str  # six digits, district of the domicile
    recorded: datetime.date
    serial: int = NEVER_ISSUED


def encode(region: str, recorded: datetime.date, serial: int = NEVER_ISSUED) -> str:
    """Return the 16 digits; raise ValueError for a region or serial that no card can carry."""
    if len(region) != 6 or not (region.isascii() and region.isdigit()):
        raise ValueError(f"region {region!r} is not six digits")
    if not 0 <= serial <= 9999:
        raise ValueError(f"serial {serial} does not fit four digits")
    return f"{region}{recorded:%d%m%y}{serial:04d}"


def decode(text: str, latest: datetime.date = LAST_RECORDED) -> FamilyCard:
    """Return what 16 digits say; raise ValueError when they cannot be a card's number."""
    if len(text) != 16 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{len(text)} characters are not the 16 digits of a KK")
    recorded = read_date(int(text[6:8]), int(text[8:10]), int(text[10:12]), latest)
    return FamilyCard(text[:6], recorded, int(text[12:]))
