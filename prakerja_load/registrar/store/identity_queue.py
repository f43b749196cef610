"""The identities that wait for the civil registry: who takes which, and what becomes of them.

One that waits has two rows: its own in `identities`, with the epoch and the key of the request that brought it, and one
here. To confirm it is to delete the second, to refuse it is to delete the first. Until then another request of its
account replaces both.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from prakerja_load.registrar.store.transaction import Transaction


class Claim(msgspec.Struct, frozen=True):
    """An identity that one registrar asks about until a time; afterwards another one may."""

    account: int
    key: str  # of the request that brought it: another one means that the account has corrected it meanwhile
    nik: int
    kk: int
    birth_date: int  # ordinal
    until: float


class Answered(msgspec.Struct, frozen=True):
    """What the civil registry said of a claimed identity: the code of what is wrong with it, or None."""

    claim: Claim
    problem: str | None


_OLDEST = """
SELECT w.account, i.key, i.nik, i.kk, i.birth_date
FROM pending_identities AS w CROSS JOIN identities AS i USING (account)
WHERE w.problem IS NULL AND w.claimed_until <= ? ORDER BY w.asked_at LIMIT ? /* FOR UPDATE OF w SKIP LOCKED */
"""
_CLAIM = "UPDATE pending_identities SET claimed_until = ? WHERE account = ?"
_RELEASE = "UPDATE pending_identities SET claimed_until = 0 WHERE account = ? AND claimed_until = ? AND problem IS NULL"
_CONFIRM = """
DELETE FROM pending_identities WHERE account = ? AND claimed_until = ? AND problem IS NULL
AND EXISTS (SELECT 1 FROM identities AS i WHERE i.account = pending_identities.account AND i.key = ?)
"""
_REFUSE = """
UPDATE pending_identities SET problem = ? WHERE account = ? AND claimed_until = ? AND problem IS NULL
AND EXISTS (SELECT 1 FROM identities AS i WHERE i.account = pending_identities.account AND i.key = ?)
"""


def claim(transaction: Transaction, *, limit: int, now: float, until: float) -> list[Claim]:
    """Take the identities that wait longest and nobody asks about, at most `limit`."""
    rows = transaction.execute(_OLDEST, (now, limit)).fetchall()
    for account, *_ in rows:
        transaction.execute(_CLAIM, (until, account))
    return [Claim(account, key, nik, kk, birth_date, until) for account, key, nik, kk, birth_date in rows]


def settle(transaction: Transaction, *, answered: Iterable[Answered], unasked: Iterable[Claim]) -> tuple[int, int]:
    """Store what the civil registry said, give back what it was not asked; return how many are confirmed and refused.

    A claim whose time is over may be another registrar's by now, and the account may have corrected the identity that
    was asked about; nothing comes of either.
    """
    confirmed = refused = 0
    for answer in answered:
        account = answer.claim.account
        as_claimed = (account, answer.claim.until, answer.claim.key)
        if answer.problem is None:
            confirmed += transaction.changes(_CONFIRM, as_claimed)
        elif transaction.changes(_REFUSE, (answer.problem, *as_claimed)):
            transaction.execute("DELETE FROM identities WHERE account = ?", (account,))
            refused += 1
    for claimed in unasked:
        transaction.execute(_RELEASE, (claimed.account, claimed.until))
    return confirmed, refused
