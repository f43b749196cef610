"""What is read outside a write: committed rows only, the same questions to both stores."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from prakerja_load.registrar.messages import IdentityState, Status, WavePage
from prakerja_load.registrar.rules import is_wave_open
from prakerja_load.registrar.store.effects import PHOTO_NAMES
from prakerja_load.registrar.store.transaction import FIND_REPLY

Rows: TypeAlias = Callable[[str, tuple[Any, ...]], list[Any]]

_LOGIN = """
SELECT a.account, coalesce(a.password, i.password), a.import IS NOT NULL OR c.account IS NOT NULL
FROM accounts AS a LEFT JOIN imports AS i ON i.import = a.import
LEFT JOIN email_confirmations AS c ON c.account = a.account
WHERE a.email = ? AND a.copy = 0
"""
_STATUS = """
SELECT a.import IS NOT NULL,
       EXISTS (SELECT 1 FROM email_confirmations WHERE account = a.account),
       EXISTS (SELECT 1 FROM profiles WHERE account = a.account),
       EXISTS (SELECT 1 FROM phone_confirmations WHERE account = a.account),
       EXISTS (SELECT 1 FROM tests WHERE account = a.account AND passed = 1),
       EXISTS (SELECT 1 FROM identities WHERE account = a.account), w.account IS NOT NULL, w.problem
FROM accounts AS a LEFT JOIN pending_identities AS w ON w.account = a.account WHERE a.account = ?
"""


class LoginRow(msgspec.Struct, frozen=True):
    """What a log-in is checked against."""

    account: int
    password: str
    is_confirmed: bool


class Lookups:
    """The queries of the journey's reading steps."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def login(self, email: str) -> LoginRow | None:
        """Return the account with this (lower-case) address, or None."""
        row = self.first(_LOGIN, (email,))
        return LoginRow(row[0], row[1], bool(row[2])) if row else None

    def status(self, account: int) -> Status | None:
        """Return how far an account has come, or None when there is none; an import counts as complete."""
        row = self.first(_STATUS, (account,))
        if row is None:
            return None
        is_imported, email, profile, phone, test, has_identity, is_queued = map(bool, row[:-1])
        identity = _identity_state(has_identity=has_identity, is_queued=is_queued, problem=row[-1])
        photos = self.all("SELECT kind FROM photos WHERE account = ? ORDER BY kind", (account,))
        joined = self.all("SELECT wave FROM joins WHERE account = ? AND copy = 0 ORDER BY wave", (account,))
        return Status(
            account,
            email_confirmed=is_imported or email,
            nik_checked=identity == "checked",
            identity=identity,
            identity_problem=row[-1] if identity == "refused" else None,
            profile_complete=profile,
            photos=[PHOTO_NAMES[kind] for (kind,) in photos],
            phone_confirmed=is_imported or phone,
            test_passed=is_imported or test,
            joined=[wave for (wave,) in joined],
        )

    def has_identity(self, nik: int, account: int, key: str) -> bool:
        """Tell whether a NIK belongs to another account, or the account has one that was checked or sent with this key.

        Its own one that waits can be corrected: by the same account with another key.
        """
        holders = self.all("SELECT account, key FROM identities WHERE nik = ? OR account = ?", (nik, account))
        return any(
            holder != account or brought_by == key or not self.has_waiting_identity(account)
            for holder, brought_by in holders
        )

    def has_waiting_identity(self, account: int) -> bool:
        """Tell whether an account's identity waits for the civil registry."""
        waiting = "SELECT 1 FROM pending_identities WHERE account = ? AND problem IS NULL"
        return self.first(waiting, (account,)) is not None

    def has_answer(self, scope: int, key: str, operation: int) -> bool:
        """Tell whether an answer is kept under an idempotency key."""
        return self.first(FIND_REPLY, (scope, key, operation)) is not None

    def pending_identities(self) -> int:
        """Return how many identities wait for the civil registry."""
        return int(self.first("SELECT count(*) FROM pending_identities WHERE problem IS NULL")[0])

    def wave_page(self, now: float) -> WavePage:
        """Return the current wave as everybody may see it."""
        wave, name, quota, joined, opens_at, closes_at = self.first(
            "SELECT wave, name, quota, joined, opens_at, closes_at FROM waves ORDER BY wave DESC LIMIT 1"
        )
        is_open = is_wave_open(opens_at, closes_at, now)
        return WavePage(wave, name, _time(opens_at), _time(closes_at), quota, joined, is_open)

    def code_sent_to(self, recipient: str) -> int | None:
        """Return the newest code sent to an e-mail address or phone number, or None."""
        if recipient.isascii() and recipient.isdigit() and len(recipient) <= 15:
            row = self.first("SELECT code FROM phones WHERE phone = ?", (int(recipient),))
        else:
            row = self.first("SELECT code FROM accounts WHERE email = ? AND copy = 0", (recipient.lower(),))
        return row[0] if row else None

    def first(self, statement: str, bindings: tuple[Any, ...] = ()) -> Any:
        """Return the first row of a query, or None."""
        rows = self.all(statement, bindings)
        return rows[0] if rows else None

    def all(self, statement: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
        """Return every row of a query."""
        return self._rows(statement, bindings)


def _identity_state(*, has_identity: bool, is_queued: bool, problem: str | None) -> IdentityState:
    """Return the state of an account's identity; what was refused before it has no say once there is one."""
    if has_identity:
        return "pending" if is_queued and problem is None else "checked"
    return "none" if problem is None else "refused"


def _time(unix: float | None) -> datetime.datetime | None:
    return None if unix is None else datetime.datetime.fromtimestamp(unix, datetime.UTC)
