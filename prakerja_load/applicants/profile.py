"""One synthetic applicant as a value."""

from __future__ import annotations

import datetime

import msgspec


class ApplicantProfile(msgspec.Struct, frozen=True, gc=False):
    """A synthetic person; every field is consistent with the others, and none belongs to anybody.

    `nik` ends in the never-issued serial 0000, `email` lies under example.*, `phone` has a prefix without subscribers.
    """

    nik: str  # 16 digits
    kk: str  # 16 digits, family card of the domicile
    full_name: str
    sex: str  # "L" (laki-laki) or "P" (perempuan), as on the KTP
    birth_date: datetime.date
    email: str
    phone: str  # national form, 08…
    province: str  # domicile
    regency: str
    district: str
    address: str
    education: str  # SD, SMP, SMA, SMK, D1-D3, S1
    employment: str  # unemployed, furloughed, employed, self-employed, not in labor force
    password: str
