"""What goes over the wire: the bodies of requests and replies as validated values.

Requests refuse unknown fields; their limits stand in the OpenAPI document as they stand here.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

QUESTIONS = 18  # of the motivation and basic ability test of 2020
CHOICES = 4
TESTS = 4  # sets of questions

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Email = Annotated[
    str,
    Meta(max_length=254, pattern=r"^[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,4}$"),
]
Password = Annotated[str, Meta(min_length=8, max_length=128)]
Code = Annotated[str, Meta(min_length=6, max_length=6, pattern=r"^[0-9]{6}$")]
Digits16 = Annotated[str, Meta(min_length=16, max_length=16, pattern=r"^[0-9]{16}$")]
Phone = Annotated[str, Meta(min_length=10, max_length=14, pattern=r"^08[0-9]{8,12}$")]
Choice = Annotated[int, Meta(ge=0, lt=CHOICES)]
Answers = Annotated[list[Choice], Meta(min_length=QUESTIONS, max_length=QUESTIONS)]
Sex = Literal["L", "P"]
IdentityState = Literal["none", "pending", "checked", "refused"]


class Incoming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The root of every request body."""


class NewAccount(Incoming, frozen=True):
    """A person's first step: who they are and the password they chose."""

    full_name: Name
    email: Email
    password: Password


class EmailConfirmation(Incoming, frozen=True):
    """The code that was sent to an e-mail address."""

    email: Email
    code: Code


class Credentials(Incoming, frozen=True):
    """What a person logs in with."""

    email: Email
    password: Annotated[str, Meta(max_length=128)]


class Identity(Incoming, frozen=True):
    """Citizen number, family card number and birth date, as on the KTP."""

    nik: Digits16
    kk: Digits16
    birth_date: datetime.date


class PersonalData(Incoming, frozen=True):
    """The form of the third page."""

    full_name: Name
    sex: Sex
    province: Name
    regency: Name
    district: Name
    address: Text
    education: Name
    employment: Name


class PhoneCode(Incoming, frozen=True):
    """The phone number, national form, to which a code is to be sent."""

    phone: Phone


class PhoneConfirmation(Incoming, frozen=True):
    """The code that was sent to a phone number."""

    phone: Phone
    code: Code


class TestAnswers(Incoming, frozen=True):
    """The chosen alternatives of one set of questions, in order."""

    test: Annotated[int, Meta(ge=1, le=TESTS)]
    answers: Answers


class JoinDeclaration(Incoming, frozen=True):
    """The applicant's declaration; only a true one is accepted."""

    declaration: bool


class AccountReply(msgspec.Struct, frozen=True):
    """The account a step belonged to."""

    account: int


class AccountCreated(msgspec.Struct, frozen=True):
    """A new account."""

    account: int
    email: str


class EmailConfirmed(msgspec.Struct, frozen=True):
    """The e-mail address belongs to the account's owner."""

    account: int
    email_confirmed: bool


class Opened(msgspec.Struct, frozen=True):
    """A bearer token and the seconds it lives."""

    token: str
    expires_in: int
    account: int


class IdentityChecked(msgspec.Struct, frozen=True):
    """The civil registry confirmed the identity."""

    account: int
    nik_checked: bool


class IdentityPending(msgspec.Struct, frozen=True):
    """The identity is kept; the civil registry could not be asked about it yet and will be. The status tells.

    Until then the account's next identity, sent with another key, takes its place.
    """

    account: int
    nik_checked: bool
    pending: bool


class PhotoStored(msgspec.Struct, frozen=True):
    """A photograph as it was stored."""

    photo: str
    size: int
    sha256: str


class CodeSent(msgspec.Struct, frozen=True):
    """A code is under way to the phone number."""

    phone: str
    expires_in: int


class PhoneConfirmed(msgspec.Struct, frozen=True):
    """The phone number belongs to the account's owner."""

    account: int
    phone_confirmed: bool


class Question(msgspec.Struct, frozen=True):
    """One question of the test."""

    number: int
    text: str
    choices: list[str]


class TestPaper(msgspec.Struct, frozen=True):
    """One set of questions and the minutes a person has for it."""

    test: int
    minutes: int
    questions: list[Question]


class TestScored(msgspec.Struct, frozen=True):
    """The result of the test."""

    account: int
    passed: bool
    score: int


class WavePage(msgspec.Struct, frozen=True):
    """The current wave (gelombang), as everybody may see it."""

    wave: int
    name: str
    opens_at: datetime.datetime | None
    closes_at: datetime.datetime | None
    quota: int
    joined: int
    is_open: bool


class Turn(msgspec.Struct, frozen=True):
    """A ticket of the waiting room, how many are before it, and about how many seconds that takes."""

    ticket: str
    number: int
    ahead: int
    estimated_wait: float
    is_called: bool


class Joined(msgspec.Struct, frozen=True):
    """The account stands in the wave."""

    wave: int
    account: int
    joined_at: datetime.datetime


class Status(msgspec.Struct, frozen=True):
    """How far an account has come."""

    account: int
    email_confirmed: bool
    nik_checked: bool
    identity: IdentityState
    identity_problem: str | None  # why it was refused
    profile_complete: bool
    photos: list[str]
    phone_confirmed: bool
    test_passed: bool
    joined: list[int]


class Health(msgspec.Struct, frozen=True):
    """That the server is well, and what of it is a laboratory's choice."""

    status: str
    lab: bool
    defects: list[str]
    password_hash: str
    rate_limits: bool
    database: str
    journal: str
    synchronous: str
    sqlite: str
    version: str
