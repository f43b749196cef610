"""The eligibility rules of 2020 as pure functions: age, form of the NIK, family card, joining, scoring.

Sources of the rules: age ≥ 18 and one person per NIK held the whole of 2020; the limit of persons per family card
came with wave 12 (February 2021) and is off unless asked for. No pass mark of the 2020 test was published, so by
default everybody who answered all questions passes.
"""

from __future__ import annotations

import datetime
import hmac
from collections.abc import Sequence

import msgspec

from prakerja_load.registrar.messages import CHOICES, QUESTIONS
from prakerja_load.units import Seconds

WIB = datetime.timezone(datetime.timedelta(hours=7), "WIB")
MIN_AGE = 18
SYNTHETIC_SERIAL = "0000"  # never issued: serials begin at 0001 for a district and birth date
WRONG_CODES_ALLOWED = 5
CODE_LOCK: Seconds = 300  # after that many wrong codes
EMAIL_CODE_LIFETIME: Seconds = 24 * 3600
PHONE_CODE_LIFETIME: Seconds = 900
_WOMEN_DAY_OFFSET = 40


class Eligibility(msgspec.Struct, frozen=True):
    """The rules that a deployment may switch."""

    is_lab: bool = False  # a laboratory takes synthetic NIKs only
    max_persons_per_kk: int | None = None
    pass_mark: int = 0


class JoinFacts(msgspec.Struct, frozen=True):
    """What a decision about joining a wave rests on."""

    is_current: bool
    opens_at: float | None  # Unix seconds
    closes_at: float | None
    is_complete: bool
    has_joined: bool
    is_waiting: bool = False  # for the civil registry's answer about the identity, which counts as given otherwise


def age_on(birth_date: datetime.date, today: datetime.date) -> int:
    """Return completed years of age; someone born on 29 February has their birthday on 1 March in common years."""
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))


def today_in_jakarta(now: float) -> datetime.date:
    """Return the date in western Indonesian time (UTC+7) at a Unix time."""
    return datetime.datetime.fromtimestamp(now, WIB).date()


def is_nik(nik: str) -> bool:
    """Tell whether 16 digits have the form of a NIK: region (6), DDMMYY with 40 added to a woman's day, serial (4)."""
    province, day, month = int(nik[:2]), int(nik[6:8]), int(nik[8:10])
    if day > _WOMEN_DAY_OFFSET:
        day -= _WOMEN_DAY_OFFSET
    return 11 <= province <= 94 and 1 <= day <= 31 and 1 <= month <= 12


def identity_refusal(nik: str, birth_date: datetime.date, today: datetime.date, rules: Eligibility) -> str | None:
    """Return the code of the rule that an identity breaks by itself, or None."""
    if rules.is_lab and not nik.endswith(SYNTHETIC_SERIAL):
        return "nik-not-synthetic"
    if not is_nik(nik):
        return "nik-unknown"
    if age_on(birth_date, today) < MIN_AGE:
        return "under-age"
    return None


def is_wave_open(opens_at: float | None, closes_at: float | None, now: float) -> bool:
    """Tell whether a wave takes applicants at a Unix time; a missing bound does not bind."""
    return (opens_at is None or opens_at <= now) and (closes_at is None or now < closes_at)


def join_refusal(facts: JoinFacts, now: float) -> str | None:
    """Return why an account may not join a wave, or None; the quota is decided by the store."""
    if not facts.is_current or not is_wave_open(facts.opens_at, facts.closes_at, now):
        return "wave-closed"
    if not facts.is_complete:
        return "incomplete"
    if facts.has_joined:
        return "already-joined"
    return "civil-registry-away" if facts.is_waiting else None


def score(test: int, answers: Sequence[int]) -> int:
    """Return the points of a test, 0 to 54: each question's alternatives are worth 0 to 3, in an order of its own."""
    if len(answers) != QUESTIONS:
        raise ValueError(f"a test has {QUESTIONS} answers, got {len(answers)}")
    return sum((answer + test + number) % CHOICES for number, answer in enumerate(answers))


def code_matches(given: str, sent: int) -> bool:
    """Tell in constant time whether a six-digit code is the one sent."""
    return hmac.compare_digest(given.encode(), b"%06d" % sent)


def is_plain_text(*texts: str) -> bool:
    """Tell whether texts hold only printable characters."""
    return all(map(str.isprintable, texts))
