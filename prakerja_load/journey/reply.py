"""What the bodies of successful answers must contain: needed fields are strict, others may be there.

An answer that says the opposite of what its status promises (`email_confirmed: false` with 200) does not decode.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

QUESTIONS = 18  # [S] of the motivation and basic ability test
CHOICES = 4


class WavePage(msgspec.Struct, frozen=True, gc=False):
    """The wave that is open now, or was last."""

    wave: int
    is_open: bool


class AccountCreated(msgspec.Struct, frozen=True, gc=False):
    account: int
    email: str


class Code(msgspec.Struct, frozen=True, gc=False):
    """The newest code in the outbox of an address or a phone."""

    code: str


class EmailConfirmed(msgspec.Struct, frozen=True, gc=False):
    account: int
    email_confirmed: bool

    def __post_init__(self) -> None:
        if not self.email_confirmed:
            raise ValueError("email_confirmed must be true")


class LoggedIn(msgspec.Struct, frozen=True, gc=False):
    token: Annotated[str, msgspec.Meta(min_length=1)]
    account: int
    expires_in: int


class IdentityChecked(msgspec.Struct, frozen=True, gc=False):
    account: int
    nik_checked: bool

    def __post_init__(self) -> None:
        if not self.nik_checked:
            raise ValueError("nik_checked must be true")


class ProfileStored(msgspec.Struct, frozen=True, gc=False):
    account: int


class PhotoStored(msgspec.Struct, frozen=True, gc=False):
    photo: str
    size: int
    sha256: Annotated[str, msgspec.Meta(min_length=64, max_length=64)]


class PhoneCodeSent(msgspec.Struct, frozen=True, gc=False):
    phone: str
    expires_in: int


class PhoneConfirmed(msgspec.Struct, frozen=True, gc=False):
    account: int
    phone_confirmed: bool

    def __post_init__(self) -> None:
        if not self.phone_confirmed:
            raise ValueError("phone_confirmed must be true")


class Question(msgspec.Struct, frozen=True, gc=False):
    number: int
    text: str


class QuestionSheet(msgspec.Struct, frozen=True):
    """The questions of the motivation and basic ability test (Tes Motivasi & Kemampuan Dasar)."""

    test: int
    minutes: int
    questions: Annotated[list[Question], msgspec.Meta(min_length=QUESTIONS, max_length=QUESTIONS)]


class AnswersScored(msgspec.Struct, frozen=True, gc=False):
    """The result of the test: everybody passes, as the published funnels know no failing of it."""

    account: int
    passed: bool
    score: Annotated[int, msgspec.Meta(ge=0, le=QUESTIONS * (CHOICES - 1))]

    def __post_init__(self) -> None:
        if not self.passed:
            raise ValueError("passed must be true")


class Joined(msgspec.Struct, frozen=True, gc=False):
    wave: int
    account: int


class Status(msgspec.Struct, frozen=True):
    """How far a registrant has come, as the system shows it to them."""

    account: int
    email_confirmed: bool
    nik_checked: bool
    profile_complete: bool
    phone_confirmed: bool
    test_passed: bool
    photos: list[str]
    joined: list[int]

    @property
    def is_complete(self) -> bool:
        """Tell whether everything that a wave asks for is there."""
        return (
            self.email_confirmed
            and self.nik_checked
            and self.profile_complete
            and self.phone_confirmed
            and self.test_passed
        )
