"""What a registrant states about themselves, field by field: sent as a body, and expected to be found stored."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

from prakerja_load.applicants import nik
from prakerja_load.applicants.profile import ApplicantProfile

YOUNGEST, OLDEST = 5_113, 6_509  # days: 14 years, and 65 days short of 18, whatever the time zone and the clock


def account(profile: ApplicantProfile) -> dict[str, Any]:
    """Return the fields of a new account, the password aside."""
    return {"full_name": profile.full_name, "email": profile.email}


def identity(profile: ApplicantProfile) -> dict[str, Any]:
    """Return the fields of the identity step."""
    return {"nik": profile.nik, "kk": profile.kk, "birth_date": profile.birth_date.isoformat()}


def mistyped(profile: ApplicantProfile) -> dict[str, Any]:
    """Return the identity with one wrong digit in the NIK.

    The wrong digit is the first of the district: no regency has ninety districts, so what is typed is never the NIK
    of somebody else, and the serial stays one that was never issued.
    """
    right = profile.nik
    wrong = "8" if right[4] == "9" else "9"
    return {**identity(profile), "nik": f"{right[:4]}{wrong}{right[5:]}"}


def under_age(profile: ApplicantProfile, today: datetime.date, youth: float) -> dict[str, Any]:
    """Return the identity of a person of 14 to 17 years; `youth` in [0, 1) decides how old.

    The NIK says the same birth date and sex, as a real one would; the civil registry need not know it.
    """
    born = today - datetime.timedelta(days=OLDEST - int(youth * (OLDEST - YOUNGEST)))
    number = nik.encode(profile.nik[:6], born, profile.sex)
    return {"nik": number, "kk": profile.kk, "birth_date": born.isoformat()}


def personal(profile: ApplicantProfile) -> dict[str, Any]:
    """Return the fields of the personal data form."""
    return {
        "full_name": profile.full_name,
        "sex": profile.sex,
        "province": profile.province,
        "regency": profile.regency,
        "district": profile.district,
        "address": profile.address,
        "education": profile.education,
        "employment": profile.employment,
    }


def photo(content: bytes) -> dict[str, Any]:
    """Return what must be stored of an uploaded photo: its size in bytes and its SHA-256."""
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
