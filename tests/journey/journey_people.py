"""Hand-made people and options for the tests of journeys."""

import datetime
from typing import Any

from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.step import Registrant

TODAY = datetime.date(2020, 4, 12)
RUN = "k3f9a2c1r1"
PREFILLED = 50  # persons 0 … 49 are in the store before anybody arrives


def profile(person: int) -> ApplicantProfile:
    """Return person number `person`, of 20 to 50 years."""
    born = datetime.date(1970, 1, 1) + datetime.timedelta(days=person % 10_000)
    sex = "LP"[person % 2]
    day = born.day + (40 if sex == "P" else 0)
    return ApplicantProfile(
        nik=f"3273{person // 10_000 + 1:02d}{day:02d}{born:%m%y}0000",
        kk=f"327301120315{person % 9_999 + 1:04d}",
        full_name=f"Siti Nur’aini {person}",
        sex=sex,
        birth_date=born,
        email=f"siti+{person}@example.org",
        phone=f"0800{person:08d}",
        province="Jawa Barat",
        regency="Kota Bandung",
        district="Sukasari",
        address=f"Jl. Melati No. {person}",
        education="SMA",
        employment="furloughed",
        password=f"rahasia-{person}",
    )


def registrant(index: int, run: str = RUN) -> Registrant:
    """Return the registrant of an arrival; arrivals get the persons after the prefilled ones."""
    return Registrant(run, index, PREFILLED + index, profile(PREFILLED + index))


def options(**changes: Any) -> JourneyOptions:
    """Return options under which everybody finishes and nobody is special, with changes."""
    chosen: dict[str, Any] = {"seed": 7, "today": TODAY, "funnel": "none"}
    return JourneyOptions(**(chosen | changes))
