"""What the steps of a journey write, each as a function of the open transaction.

A uniqueness rule is checked by the database's own constraint (`ON CONFLICT DO NOTHING` changes no row). A refusal is
raised before the effect has written anything, wrong codes excepted, whose count is meant to stay. What another process
could change between a question and the write that rests on its answer is locked by the question (`FOR UPDATE`).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import NoReturn

from prakerja_load.registrar import rules
from prakerja_load.registrar.messages import (
    AccountCreated,
    AccountReply,
    CodeSent,
    EmailConfirmation,
    EmailConfirmed,
    Identity,
    IdentityChecked,
    IdentityPending,
    Joined,
    NewAccount,
    PersonalData,
    PhoneConfirmation,
    PhoneConfirmed,
    PhotoStored,
    TestAnswers,
    TestScored,
)
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.store.transaction import Transaction
from prakerja_load.units import Seconds

EMAIL, SMS = 0, 1  # channels of codes
PHOTO_NAMES = ("ktp", "selfie")  # kinds of photographs: 0 and 1
_SOON: Seconds = 5  # until who was refused for the sake of an identity that waits may ask again


def create_account(
    transaction: Transaction, key: str, *, request: NewAccount, email: str, password: str, code: int, expires: int
) -> AccountCreated:
    """Store a new account and the code its e-mail address will be confirmed with."""
    account = transaction.insert_account(
        "INSERT INTO accounts (email, full_name, password, code, code_expires, epoch, key, copy)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING",
        (email, request.full_name, password, code, expires, transaction.epoch, key),
    )
    if account is None:
        raise RefusalError("email-in-use")
    return AccountCreated(account, email)


def confirm_email(
    transaction: Transaction, key: str, *, request: EmailConfirmation, email: str, now: float
) -> EmailConfirmed:
    """Store that the e-mail address is confirmed; an unknown address is answered like a wrong code."""
    row = transaction.first(
        "SELECT account, code, code_expires FROM accounts WHERE email = ? AND copy = 0 /* FOR UPDATE */",
        (email,),
    )
    if row is None:
        raise RefusalError("wrong-code")
    account, code, expires = row
    _check_code(transaction, (account, EMAIL), request.code, (code, expires), now)
    inserted = transaction.changes(
        "INSERT INTO email_confirmations (account, epoch, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (account, transaction.epoch, key),
    )
    if not inserted:
        raise RefusalError("email-already-confirmed")
    return EmailConfirmed(account, True)


def check_identity(
    transaction: Transaction, key: str, *, account: int, request: Identity, max_persons_per_kk: int | None
) -> IdentityChecked:
    """Store an identity that the civil registry has confirmed, in place of one of the account that still waits."""
    nik, kk, birth_date = int(request.nik), int(request.kk), request.birth_date.toordinal()
    if max_persons_per_kk is not None:
        transaction.wait_for(kk)
        _check_family(transaction, account, kk, max_persons_per_kk)
    inserted = transaction.changes(
        "INSERT INTO identities (account, nik, kk, birth_date, epoch, key) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (account, nik, kk, birth_date, transaction.epoch, key),
    )
    if not inserted:
        _make_way(transaction, account, nik)
        transaction.execute(
            "UPDATE identities SET nik = ?, kk = ?, birth_date = ?, epoch = ?, key = ? WHERE account = ?",
            (nik, kk, birth_date, transaction.epoch, key, account),
        )
    return IdentityChecked(account, True)


def keep_identity(
    transaction: Transaction, key: str, *, check: Callable[[Transaction, str], IdentityChecked], now: float
) -> IdentityPending:
    """Store what `check` would, to wait for the civil registry; what was refused before gives way to it."""
    account = check(transaction, key).account
    transaction.execute(
        "INSERT INTO pending_identities (account, asked_at, claimed_until, problem) VALUES (?, ?, 0, NULL)"
        " ON CONFLICT (account) DO UPDATE SET asked_at = excluded.asked_at, claimed_until = 0, problem = NULL",
        (account, now),
    )
    return IdentityPending(account, False, True)


def refuse_identity(transaction: Transaction, _key: str, *, account: int, nik: int) -> NoReturn:
    """Say why an identity that was not checked is refused: it is taken, or was so a moment ago."""
    raise _in_the_way(transaction, account, nik) or _away("its answer to another request came in between", 1)


def _make_way(transaction: Transaction, account: int, nik: int) -> None:
    """Let the account's own identity wait no longer, to be corrected; raise RefusalError when it does not wait."""
    # who has asked the civil registry about it writes the answer before this lock or finds it replaced
    waits = transaction.first(
        "SELECT 1 FROM pending_identities WHERE account = ? AND problem IS NULL /* FOR UPDATE */", (account,)
    )
    refusal = _in_the_way(transaction, account, nik)
    if refusal is not None or waits is None:
        raise refusal or _away("its answer to another request came in between", 1)
    transaction.execute("DELETE FROM pending_identities WHERE account = ?", (account,))


_HOLDERS = """
SELECT i.account, EXISTS (SELECT 1 FROM pending_identities WHERE account = i.account AND problem IS NULL)
FROM identities AS i WHERE i.account = ? OR i.nik = ?
"""


def _in_the_way(transaction: Transaction, account: int, nik: int) -> RefusalError | None:
    """Return what keeps an identity from an account, None when it is nothing but its own one that waits.

    What waits itself may be gone soon, so it is no reason for a lasting "no".
    """
    holders = {holder: bool(waits) for holder, waits in transaction.execute(_HOLDERS, (account, nik)).fetchall()}
    if not holders.pop(account, True):
        return RefusalError("identity-already-checked")
    if not holders:
        return None
    (waits,) = holders.values()
    return _away("the NIK waits for it with another account", _SOON) if waits else RefusalError("nik-in-use")


def _check_family(transaction: Transaction, account: int, kk: int, most: int) -> None:
    """Raise RefusalError when a family card has as many other registrants as are allowed."""
    others = (kk, account)
    (count,) = transaction.first("SELECT count(*) FROM identities WHERE kk = ? AND account <> ?", others)
    if count < most:
        return
    (waiting,) = transaction.first(
        "SELECT count(*) FROM pending_identities AS w CROSS JOIN identities AS i USING (account)"
        " WHERE w.problem IS NULL AND i.kk = ? AND i.account <> ?",
        others,
    )
    if count - waiting < most:
        raise _away("a member of the family card waits for it", _SOON)
    raise RefusalError("family-card-full")


def _away(detail: str, retry_after: Seconds) -> RefusalError:
    return RefusalError("civil-registry-away", detail, retry_after=retry_after)


def store_profile(transaction: Transaction, key: str, *, account: int, request: PersonalData) -> AccountReply:
    """Store the personal data, in place of earlier ones."""
    transaction.execute(
        "INSERT INTO profiles (account, full_name, sex, province, regency, district, address, education,"
        " employment, epoch, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (account) DO UPDATE SET full_name = excluded.full_name, sex = excluded.sex,"
        " province = excluded.province, regency = excluded.regency, district = excluded.district,"
        " address = excluded.address, education = excluded.education, employment = excluded.employment,"
        " epoch = excluded.epoch, key = excluded.key",
        (
            account,
            request.full_name,
            request.sex,
            request.province,
            request.regency,
            request.district,
            request.address,
            request.education,
            request.employment,
            transaction.epoch,
            key,
        ),
    )
    return AccountReply(account)


def store_photo(
    transaction: Transaction, key: str, *, account: int, kind: int, picture: bytes, sha256: bytes
) -> PhotoStored:
    """Store a photograph, in place of an earlier one of its kind."""
    transaction.execute(
        "INSERT INTO photos (account, kind, size, sha256, position, epoch, key) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (account, kind) DO UPDATE SET size = excluded.size, sha256 = excluded.sha256,"
        " position = excluded.position, epoch = excluded.epoch, key = excluded.key",
        (account, kind, len(picture), sha256, transaction.add_picture(picture), transaction.epoch, key),
    )
    return PhotoStored(PHOTO_NAMES[kind], len(picture), sha256.hex())


def send_phone_code(
    transaction: Transaction, _key: str, *, account: int, phone: str, code: int, expires: int, lifetime: int
) -> CodeSent:
    """Give a phone number and its new code to the account; whoever asked before without confirming loses it."""
    number = int(phone)
    if transaction.first("SELECT 1 FROM phone_confirmations WHERE account = ?", (account,)):
        raise RefusalError("phone-already-confirmed")
    statement = (
        "INSERT INTO phones (account, phone, code, code_expires) VALUES (?, ?, ?, ?) ON CONFLICT (account)"
        " DO UPDATE SET phone = excluded.phone, code = excluded.code, code_expires = excluded.code_expires"
    )
    holder = transaction.first("SELECT account FROM phones WHERE phone = ? /* FOR UPDATE */", (number,))
    if holder is not None and holder[0] != account:
        if _is_phone_confirmed(transaction, holder[0]):
            raise RefusalError("phone-in-use")
        transaction.execute("DELETE FROM phones WHERE account = ?", holder)
    transaction.execute(statement, (account, number, code, expires))
    transaction.execute("DELETE FROM code_attempts WHERE account = ? AND channel = ?", (account, SMS))
    return CodeSent(phone, lifetime)


def confirm_phone(
    transaction: Transaction, key: str, *, account: int, request: PhoneConfirmation, now: float
) -> PhoneConfirmed:
    """Store that the phone number is the account's."""
    row = transaction.first(
        "SELECT account, code, code_expires FROM phones WHERE phone = ? /* FOR UPDATE */",
        (int(request.phone),),
    )
    if row is None:
        raise RefusalError("wrong-code")
    holder, code, expires = row
    if holder != account:
        raise RefusalError("phone-in-use" if _is_phone_confirmed(transaction, holder) else "wrong-code")
    _check_code(transaction, (account, SMS), request.code, (code, expires), now)
    inserted = transaction.changes(
        "INSERT INTO phone_confirmations (account, epoch, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (account, transaction.epoch, key),
    )
    if not inserted:
        raise RefusalError("phone-already-confirmed")
    return PhoneConfirmed(account, True)


def submit_test(
    transaction: Transaction, key: str, *, account: int, request: TestAnswers, score: int, pass_mark: int
) -> TestScored:
    """Store a test's answers and result; a test is taken once."""
    passed = score >= pass_mark
    inserted = transaction.changes(
        "INSERT INTO tests (account, test, answers, score, passed, epoch, key) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (account, request.test, "".join(map(str, request.answers)), score, int(passed), transaction.epoch, key),
    )
    if not inserted:
        raise RefusalError("test-already-submitted")
    return TestScored(account, passed, score)


_JOIN_FACTS = """
SELECT w.wave = (SELECT max(wave) FROM waves), w.opens_at, w.closes_at,
       a.import IS NOT NULL OR (
           EXISTS (SELECT 1 FROM identities WHERE account = a.account)
           AND EXISTS (SELECT 1 FROM profiles WHERE account = a.account)
           AND (SELECT count(*) FROM photos WHERE account = a.account) = 2
           AND EXISTS (SELECT 1 FROM phone_confirmations WHERE account = a.account)
           AND EXISTS (SELECT 1 FROM tests WHERE account = a.account AND passed = 1)
       ),
       EXISTS (SELECT 1 FROM joins WHERE wave = w.wave AND account = a.account),
       a.import IS NULL AND EXISTS (SELECT 1 FROM pending_identities WHERE account = a.account AND problem IS NULL)
FROM waves AS w, accounts AS a WHERE w.wave = ? AND a.account = ? /* FOR UPDATE OF w */
"""


def join_wave(transaction: Transaction, key: str, *, account: int, wave: int, now: float) -> Joined:
    """Put the account into the wave, the quota and the closing time kept in the same transaction."""
    row = transaction.first(_JOIN_FACTS, (wave, account))
    if row is None:
        raise RefusalError("wave-closed")
    facts = rules.JoinFacts(bool(row[0]), row[1], row[2], bool(row[3]), bool(row[4]), bool(row[5]))
    refused = rules.join_refusal(facts, now)
    if refused == "civil-registry-away":
        raise _away("the account's identity waits for it", _SOON)
    if refused is not None:
        raise RefusalError(refused)
    if not transaction.changes("UPDATE waves SET joined = joined + 1 WHERE wave = ? AND joined < quota", (wave,)):
        raise RefusalError("quota-full")
    transaction.execute(
        "INSERT INTO joins (wave, account, copy, joined_at, epoch, key) VALUES (?, ?, 0, ?, ?, ?)",
        (wave, account, now, transaction.epoch, key),
    )
    return Joined(wave, account, datetime.datetime.fromtimestamp(now, datetime.UTC))


def _is_phone_confirmed(transaction: Transaction, account: int) -> bool:
    row = transaction.first(
        "SELECT import IS NOT NULL OR EXISTS (SELECT 1 FROM phone_confirmations WHERE account = a.account)"
        " FROM accounts AS a WHERE account = ?",
        (account,),
    )
    return bool(row and row[0])


def _check_code(
    transaction: Transaction,
    owner: tuple[int, int],
    given: str,
    sent: tuple[int | None, int | None],
    now: float,
) -> None:
    """Raise RefusalError unless the code is right, in time and not locked; count a wrong one.

    `owner` is account and channel, `sent` the code and when it expires.
    """
    code, expires = sent
    if code is None or expires is None:  # imported: nothing was ever sent
        raise RefusalError("wrong-code")
    attempts = transaction.first(
        "SELECT wrong, locked_until FROM code_attempts WHERE account = ? AND channel = ?", owner
    )
    wrong, locked_until = attempts or (0, 0)
    if now < locked_until:
        raise RefusalError("too-many-attempts", retry_after=locked_until - now)
    if now >= expires:
        raise RefusalError("code-expired")
    if not rules.code_matches(given, code):
        wrong = wrong % rules.WRONG_CODES_ALLOWED + 1
        locked_until = int(now + rules.CODE_LOCK) if wrong == rules.WRONG_CODES_ALLOWED else 0
        transaction.execute(
            "INSERT INTO code_attempts (account, channel, wrong, locked_until) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (account, channel)"
            " DO UPDATE SET wrong = excluded.wrong, locked_until = excluded.locked_until",
            (*owner, wrong, locked_until),
        )
        raise RefusalError("wrong-code")
