"""Idempotency keys: the first answer given under a key is given again.

Rules (Stripe's, as in draft-ietf-httpapi-idempotency-key-header): a missing key is 400, the same key with another
body 422, a key whose first request is still under way 409. Kept are successes and conflicts (409), in the same
transaction as the effect; a refused input (400, 422, 429) and a failed store (5xx) leave nothing, so the corrected or
repeated request may use the key again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import JSON, PROBLEM, REPLAYED, Reply
from prakerja_load.registrar.store.transaction import ReplyKey, SavedReply, Transaction

Effect: TypeAlias = Callable[[Transaction, str], Any]
LONGEST_KEY = 64
_encode = msgspec.json.Encoder().encode


class Write(msgspec.Struct, frozen=True):
    """One keyed request: the operation's number, the account (0 before there is one), the key, the body's digest."""

    operation: int
    scope: int
    key: str
    digest: bytes
    status: int  # of a success

    @property
    def reply_key(self) -> ReplyKey:
        """Return what the answer is kept under."""
        return self.scope, self.key, self.operation


def digest_of(body: bytes, target: str = "") -> bytes:
    """Return 8 bytes that stand for a body and the part of the address that varies."""
    return hashlib.blake2b(body, digest_size=8, salt=target.encode()[:16]).digest()


def parse_key(value: bytes | None) -> str:
    """Return the key of a header value; or raise RefusalError: it has 1 to 64 visible ASCII characters."""
    if not value:
        raise RefusalError("idempotency-key-missing")
    if len(value) > LONGEST_KEY or not value.isascii() or not value.decode("ascii").isprintable() or b" " in value:
        raise RefusalError("idempotency-key-invalid")
    return value.decode("ascii")


def replay(saved: SavedReply, digest: bytes) -> Reply:
    """Return the saved answer again; raises RefusalError when the key was used with another body."""
    first_digest, status, body = saved
    if first_digest != digest:
        raise RefusalError("idempotency-key-reused")
    return Reply(status, body, JSON if status < 400 else PROBLEM, (REPLAYED,))


def once(write: Write, effect: Effect) -> Callable[[Transaction], Reply]:
    """Return the operation that has the effect and keeps the answer, or gives the kept answer again."""

    key = write.reply_key

    def operation(transaction: Transaction) -> Reply:
        saved = transaction.find_reply(key)
        if saved is not None:
            return replay(saved, write.digest)
        try:
            status, body = write.status, _encode(effect(transaction, write.key))
        except RefusalError as refusal:
            if not refusal.is_saved:
                raise
            status, body = refusal.status, refusal.body()
        transaction.keep_reply(key, (write.digest, status, body))
        return Reply(status, body, JSON if status < 400 else PROBLEM)

    return operation
