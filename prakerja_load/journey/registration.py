"""The new applicant of wave 1: from the landing page to joining the wave, fourteen steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec

from prakerja_load import seeds
from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.journey import funnel, joining, particulars, reply
from prakerja_load.journey.agreement import Says
from prakerja_load.journey.behavior import Behavior, Habits
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.pauses import NEW_APPLICANT
from prakerja_load.journey.photo import Photos
from prakerja_load.journey.step import Registrant, Request, Step, mistyped_key
from prakerja_load.journey.walk import POLLS, Fact, Move, Visit, Walk, encode

ProfileOf: TypeAlias = Callable[[int], ApplicantProfile]

WAVE_PAGE = Step(1, "wave-page")
CREATE_ACCOUNT = Step(2, "create-account", is_stored=True)
CONFIRM_EMAIL = Step(3, "confirm-email", is_stored=True)
LOG_IN = Step(4, "log-in")
IDENTITY = Step(5, "identity", is_stored=True)
PERSONAL_DATA = Step(6, "personal-data", is_stored=True)
KTP_PHOTO = Step(7, "ktp-photo", is_stored=True)
SELFIE = Step(8, "selfie", is_stored=True)
PHONE_CODE = Step(9, "phone-code")
CONFIRM_PHONE = Step(10, "confirm-phone", is_stored=True)
TEST_QUESTIONS = Step(11, "test-questions")
SUBMIT_TEST = Step(12, "submit-test", is_stored=True)
JOIN_WAVE = Step(13, "join-wave", is_stored=True)
READ_STATUS = Step(14, "read-status")
READ_EMAIL = Step(15, "read-email", is_gated=False)
READ_SMS = Step(16, "read-sms", is_gated=False)

MISTYPED_IDENTITY = Step(IDENTITY.number, IDENTITY.name)  # the same step, but nothing may be stored

CLICKS = (2, 3, 5, 6, 7, 8, 9, 10, 12, 13)  # the writes with a key
PAGES = (WAVE_PAGE.number, READ_STATUS.number)


class IdentityTaken(msgspec.Struct, frozen=True, gc=False):
    """An identity that the civil registry has confirmed (201), or that is kept until it can be asked (202)."""

    account: int
    nik_checked: bool
    pending: bool = False

    def __post_init__(self) -> None:
        if self.nik_checked is self.pending:
            raise ValueError("either nik_checked or pending must be true")


class NewApplicant(Walk):
    """The journey of a person without an account.

    `profile_of` gives the profile of a prefilled person, needed where registrants try someone else's NIK.
    """

    name = "new-applicant"
    steps = (
        WAVE_PAGE,
        CREATE_ACCOUNT,
        CONFIRM_EMAIL,
        LOG_IN,
        IDENTITY,
        PERSONAL_DATA,
        KTP_PHOTO,
        SELFIE,
        PHONE_CODE,
        CONFIRM_PHONE,
        TEST_QUESTIONS,
        SUBMIT_TEST,
        JOIN_WAVE,
        READ_STATUS,
        READ_EMAIL,
        READ_SMS,
    )

    def __init__(self, options: JourneyOptions, profile_of: ProfileOf | None = None) -> None:
        if profile_of is None and options.prefilled and options.someone_elses_nik:
            raise ValueError("profile_of: who gives someone else's NIK needs the profiles of the prefilled people")
        self._profile_of = profile_of
        self._photos = Photos(options.seed, options.photo_size)
        self._test_stream = seeds.key(options.seed, "journey", "test")
        self._age_stream = seeds.key(options.seed, "journey", "age")
        survival = funnel.survival(options.funnel)
        habits = Habits(options, survival, clicks=CLICKS, pages=PAGES, identity=IDENTITY.number)
        super().__init__(options, self._table(options), habits, self._known(options))

    def _known(self, options: JourneyOptions) -> dict[int, Fact]:
        return {
            CREATE_ACCOUNT.number: lambda registrant: particulars.account(registrant.profile),
            CONFIRM_EMAIL.number: lambda registrant: {"email": registrant.profile.email},
            IDENTITY.number: lambda registrant: self._identity_of(registrant, self.habits.of(registrant.index)),
            PERSONAL_DATA.number: lambda registrant: particulars.personal(registrant.profile),
            KTP_PHOTO.number: lambda registrant: particulars.photo(self._photo_of(registrant, KTP_PHOTO)),
            SELFIE.number: lambda registrant: particulars.photo(self._photo_of(registrant, SELFIE)),
            CONFIRM_PHONE.number: lambda registrant: {"phone": registrant.profile.phone},
            SUBMIT_TEST.number: lambda registrant: {"answers": self._answers_of(registrant)},
            JOIN_WAVE.number: joining.joined(options),
        }

    def _table(self, options: JourneyOptions) -> tuple[Move, ...]:
        wait = NEW_APPLICANT
        return (
            joining.wave_page(WAVE_PAGE, options),
            Move(CREATE_ACCOUNT, 2, _create_account, _keep_account, wait["create-account"]),
            Move(READ_EMAIL, 3, _read_email, _keep_code, wait["read-email"], POLLS),
            Move(CONFIRM_EMAIL, 3, _confirm_email),
            joining.log_in(LOG_IN, lambda registrant: registrant.profile.password, wait["log-in"]),
            Move(MISTYPED_IDENTITY, 5, self._mistype, None, wait["identity-typo"], is_typo=True),
            Move(IDENTITY, 5, self._identify, None, wait["identity"]),
            Move(PERSONAL_DATA, 6, _fill_in, None, wait["personal-data"]),
            Move(KTP_PHOTO, 7, lambda visit: self._upload(visit, KTP_PHOTO), None, wait["ktp-photo"]),
            Move(SELFIE, 8, lambda visit: self._upload(visit, SELFIE), None, wait["selfie"]),
            Move(PHONE_CODE, 9, _ask_for_code, None, wait["phone-code"]),
            Move(READ_SMS, 10, _read_sms, _keep_code, wait["read-sms"], POLLS),
            Move(CONFIRM_PHONE, 10, _confirm_phone),
            Move(TEST_QUESTIONS, 11, _read_questions, _keep_test, wait["test-questions"]),
            Move(SUBMIT_TEST, 12, self._submit, None, wait["submit-test"]),
            joining.join_wave(JOIN_WAVE, options, wait["join-wave"]),
            joining.read_status(READ_STATUS, wait["read-status"], photos=("ktp", "selfie")),
        )

    def _identity_of(self, registrant: Registrant, behavior: Behavior) -> dict[str, Any]:
        if behavior.is_under_age:
            youth = seeds.unit(self._age_stream, registrant.index)
            return particulars.under_age(registrant.profile, self.options.today, youth)
        if behavior.victim >= 0 and self._profile_of is not None:
            return particulars.identity(self._profile_of(behavior.victim))
        return particulars.identity(registrant.profile)

    def _identify(self, visit: Visit) -> Request:
        behavior = visit.behavior
        body = encode(self._identity_of(visit.registrant, behavior))
        ok, no = ((), _refusal(behavior)) if behavior.is_refused else ((201, 202), ())
        return visit.write(IDENTITY, "POST", "/api/v1/identity", body, IdentityTaken, ok=ok, rejected=no)

    def _mistype(self, visit: Visit) -> Request:
        registrant = visit.registrant
        body = encode(particulars.mistyped(registrant.profile))
        return visit.write(
            MISTYPED_IDENTITY,
            "POST",
            "/api/v1/identity",
            body,
            IdentityTaken,
            ok=(202,),  # kept until the civil registry can be asked: the right one takes its place
            rejected=("nik-unknown", "civil-mismatch"),
            key=mistyped_key(registrant.run, registrant.index, IDENTITY.number),
        )

    def _photo_of(self, registrant: Registrant, step: Step) -> bytes:
        return self._photos.of("ktp" if step is KTP_PHOTO else "selfie", registrant.person)

    def _upload(self, visit: Visit, step: Step) -> Request:
        path = "/api/v1/photos/ktp" if step is KTP_PHOTO else "/api/v1/photos/selfie"
        body = self._photo_of(visit.registrant, step)
        # the digest is compared by reconciliation: making it here would cost more than the request
        agrees = Says((("size", len(body)),))
        return visit.write(
            step, "PUT", path, body, reply.PhotoStored, ok=(201,), content_type="image/jpeg", agrees=agrees
        )

    def _answers_of(self, registrant: Registrant) -> list[int]:
        bits = seeds.mix(self._test_stream, registrant.person)
        return [bits >> 2 * number & 3 for number in range(reply.QUESTIONS)]

    def _submit(self, visit: Visit) -> Request:
        body = encode({"test": visit.test, "answers": self._answers_of(visit.registrant)})
        return visit.write(SUBMIT_TEST, "POST", "/api/v1/test-answers", body, reply.AnswersScored, ok=(201,))


def _refusal(behavior: Behavior) -> tuple[str, ...]:
    return ("under-age",) if behavior.is_under_age else ("nik-in-use",)


def _create_account(visit: Visit) -> Request:
    profile = visit.registrant.profile
    body = encode({**particulars.account(profile), "password": profile.password})
    agrees = Says((("email", profile.email),))
    return visit.write(CREATE_ACCOUNT, "POST", "/api/v1/accounts", body, reply.AccountCreated, ok=(201,), agrees=agrees)


def _read_email(visit: Visit) -> Request:
    return _outbox(READ_EMAIL, visit.registrant.profile.email)


def _confirm_email(visit: Visit) -> Request:
    body = encode({"email": visit.registrant.profile.email, "code": visit.code})
    return visit.write(CONFIRM_EMAIL, "POST", "/api/v1/email-confirmations", body, reply.EmailConfirmed)


def _fill_in(visit: Visit) -> Request:
    body = encode(particulars.personal(visit.registrant.profile))
    return visit.write(PERSONAL_DATA, "PUT", "/api/v1/profile", body, reply.ProfileStored)


def _ask_for_code(visit: Visit) -> Request:
    phone = visit.registrant.profile.phone
    agrees = Says((("phone", phone),))
    body = encode({"phone": phone})
    return visit.write(PHONE_CODE, "POST", "/api/v1/phone-codes", body, reply.PhoneCodeSent, ok=(202,), agrees=agrees)


def _read_sms(visit: Visit) -> Request:
    return _outbox(READ_SMS, visit.registrant.profile.phone)


def _confirm_phone(visit: Visit) -> Request:
    body = encode({"phone": visit.registrant.profile.phone, "code": visit.code})
    return visit.write(CONFIRM_PHONE, "POST", "/api/v1/phone-confirmations", body, reply.PhoneConfirmed)


def _read_questions(visit: Visit) -> Request:
    return Request(TEST_QUESTIONS, "GET", "/api/v1/test", token=visit.token, reply=reply.QuestionSheet)


def _outbox(step: Step, address: str) -> Request:
    path = f"/lab/outbox?to={quote(address, safe='@')}"
    return Request(step, "GET", path, rejected=("nothing-sent",), reply=reply.Code, is_lab=True)


def _keep_account(visit: Visit, created: reply.AccountCreated) -> None:
    visit.account = created.account


def _keep_code(visit: Visit, sent: reply.Code) -> None:
    visit.code = sent.code


def _keep_test(visit: Visit, sheet: reply.QuestionSheet) -> None:
    visit.test = sheet.test
