"""Injected defects of the laboratory, each with a real effect: what is acknowledged and lost is nowhere stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from prakerja_load.registrar.idempotency import Effect
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.store.writer import Transaction

Every = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Length = Annotated[float, Meta(ge=0, le=3600)]

_GOLDEN_RATIO = 0.6180339887498949
STORED_STEPS = (
    "create-account",
    "confirm-email",
    "identity",
    "personal-data",
    "ktp-photo",
    "selfie",
    "confirm-phone",
    "submit-test",
    "join-wave",
)
# Every statement takes the account; those of joins touch the newest.
_DUPLICATE = {
    "create-account": "INSERT INTO accounts (email, full_name, password, code, code_expires, epoch, key, copy)"
    " SELECT email, full_name, password, code, code_expires, epoch, key, 1 FROM accounts WHERE account = ?",
    "join-wave": "INSERT INTO joins (wave, account, copy, joined_at, epoch, key)"
    " SELECT wave, account, 1, joined_at, epoch, key FROM joins WHERE account = ? AND copy = 0"
    " ORDER BY wave DESC LIMIT 1",
}
_CORRUPT = {
    "create-account": "UPDATE accounts SET full_name = full_name || '?' WHERE account = ?",
    "identity": "UPDATE identities SET kk = kk + 1 WHERE account = ?",
    "personal-data": "UPDATE profiles SET address = address || '?' WHERE account = ?",
    "ktp-photo": "UPDATE photos SET size = size + 1 WHERE account = ? AND kind = 0",
    "selfie": "UPDATE photos SET size = size + 1 WHERE account = ? AND kind = 1",
    "submit-test": "UPDATE tests SET answers = substr(answers, 2) || (3 - substr(answers, 1, 1)) WHERE account = ?",
}


class Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name"):
    """The root of every defect; the tag is its name."""

    def __str__(self) -> str:
        fields = [f"{name}={value}" for name, value in msgspec.structs.asdict(self).items() if value is not None]
        return " ".join([str(self.__struct_config__.tag), *fields])


class LoseWrite(Defect, frozen=True, tag="lose-write"):
    """Every n-th acknowledged write (of one step) is not stored."""

    every: Every
    step: str | None = None


class DuplicateWrite(Defect, frozen=True, tag="duplicate-write"):
    """Every n-th new account or join is stored twice."""

    every: Every


class CorruptField(Defect, frozen=True, tag="corrupt-field"):
    """Of every n-th stored write one field is altered."""

    every: Every


class Stall(Defect, frozen=True, tag="stall"):
    """From `after` seconds from now no request is taken up or answered for `seconds`."""

    after: Length
    seconds: Length


class Silence(Defect, frozen=True, tag="silence"):
    """A share of requests is never answered; their connections stay open."""

    share: Share


class Mute(Defect, frozen=True, tag="mute"):
    """No request is answered."""


class Slow(Defect, frozen=True, tag="slow"):
    """Every request takes longer by a fixed time."""

    seconds: Length


class Failing(Defect, frozen=True, tag="error"):
    """A share of requests is answered 500."""

    share: Share


AnyDefect: TypeAlias = LoseWrite | DuplicateWrite | CorruptField | Stall | Silence | Mute | Slow | Failing


class Defects:
    """The active defects and their counters."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.replace([])

    def replace(self, active: list[AnyDefect]) -> None:
        """Make these the active defects and begin to count anew."""
        self.active = tuple(active)
        self._by_type: dict[type, Any] = {type(defect): defect for defect in active}
        self._counts: dict[str, int] = {}
        self._drawn = 0
        stall: Stall | None = self._by_type.get(Stall)
        self._stall_begins = self._now() + stall.after if stall else float("inf")
        self._stall_ends = self._stall_begins + stall.seconds if stall else float("-inf")

    @property
    def names(self) -> list[str]:
        """Return the names of the active defects."""
        return [str(defect.__struct_config__.tag) for defect in self.active]

    def leaves_unanswered(self) -> bool:
        """Tell whether the next request is one that gets no answer."""
        silence: Silence | None = self._by_type.get(Silence)
        return Mute in self._by_type or (silence is not None and self._is_drawn(silence.share))

    async def hold(self) -> None:
        """Wait while the server is meant to stand still."""
        now = self._now()
        if self._stall_begins <= now < self._stall_ends:
            await asyncio.sleep(self._stall_ends - now)

    async def before(self) -> None:
        """Delay a request, or fail it."""
        if (slow := self._by_type.get(Slow)) is not None:
            await asyncio.sleep(slow.seconds)
        failing: Failing | None = self._by_type.get(Failing)
        if failing is not None and self._is_drawn(failing.share):
            raise RefusalError("injected-error")

    def spoil_effect(self, step: str, scope: int, effect: Effect) -> Effect:
        """Return the effect with its row stored twice or altered when its turn comes."""

        def spoiled(transaction: Transaction, key: str) -> Any:
            reply = effect(transaction, key)
            account = getattr(reply, "account", scope)
            if step in _DUPLICATE and self._is_turn(DuplicateWrite):
                transaction.execute(_DUPLICATE[step], (account,))
            if step in _CORRUPT and self._is_turn(CorruptField):
                transaction.execute(_CORRUPT[step], (account,))
            return reply

        return spoiled if step in STORED_STEPS else effect

    def spoil_write(self, step: str, operation: Callable[[Transaction], Reply]) -> Callable[[Transaction], Reply]:
        """Return the operation with its whole effect taken back when its turn comes, acknowledged all the same."""
        lose: LoseWrite | None = self._by_type.get(LoseWrite)
        if lose is None or step not in STORED_STEPS or lose.step not in (None, step):
            return operation

        def losing(transaction: Transaction) -> Reply:
            transaction.execute("SAVEPOINT lost")
            try:
                reply = operation(transaction)
                if reply.status < 300 and not reply.headers and self._is_turn(LoseWrite):
                    transaction.execute("ROLLBACK TO lost")
                return reply
            finally:
                transaction.execute("RELEASE lost")

        return losing

    def _is_drawn(self, share: float) -> bool:
        """Tell whether the next request belongs to a share; multiples of the golden ratio spread it evenly."""
        self._drawn += 1
        return self._drawn * _GOLDEN_RATIO % 1 < share

    def _is_turn(self, kind: type[LoseWrite | DuplicateWrite | CorruptField]) -> bool:
        defect = self._by_type.get(kind)
        if defect is None:
            return False
        count = self._counts.get(kind.__name__, 0) + 1
        self._counts[kind.__name__] = count
        return bool(count % defect.every == 0)
