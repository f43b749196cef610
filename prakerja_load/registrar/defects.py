"""Injected defects of the laboratory, each with a real effect: what is acknowledged and lost is nowhere stored."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from prakerja_load.registrar.defect_catalog import (
    STORED_STEPS,
    AcknowledgeEarly,
    AnyDefect,
    CorruptField,
    DropConnection,
    DuplicateWrite,
    Failing,
    FailingAsSuccess,
    KnownQueue,
    LeakMemory,
    LoseWrite,
    Mute,
    Oversell,
    Silence,
    Slow,
    SlowAbove,
    Stall,
    TruncateBody,
)
from prakerja_load.registrar.idempotency import Effect
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.store.transaction import Transaction

D = TypeVar("D")

_GOLDEN_RATIO = 0.6180339887498949
# Every statement takes the account; those of joins touch the newest.
_DUPLICATE = {
    "create-account": "INSERT INTO accounts (email, full_name, password, code, code_expires, epoch, key, copy)"
    " SELECT email, full_name, password, code, code_expires, epoch, key, 1 FROM accounts WHERE account = ?",
    "join-wave": "INSERT INTO joins (wave, account, copy, joined_at, epoch, key)"
    " SELECT wave, account, 1, joined_at, epoch, key FROM joins WHERE account = ? AND copy = 0"
    " ORDER BY wave DESC LIMIT 1",
}
# No question mark stands in a text: to PostgreSQL's translation it would be a parameter.
_CORRUPT = {
    "create-account": "UPDATE accounts SET full_name = full_name || '~' WHERE account = ?",
    "identity": "UPDATE identities SET kk = kk + 1 WHERE account = ?",
    "personal-data": "UPDATE profiles SET address = address || '~' WHERE account = ?",
    "ktp-photo": "UPDATE photos SET size = size + 1 WHERE account = ? AND kind = 0",
    "selfie": "UPDATE photos SET size = size + 1 WHERE account = ? AND kind = 1",
    "submit-test": "UPDATE tests SET answers = substr(answers, 2)"
    " || CAST(3 - CAST(substr(answers, 1, 1) AS INTEGER) AS TEXT) WHERE account = ?",
}


# The place that a full wave has taken is not counted.
_UNCOUNT = "UPDATE waves SET joined = joined - 1 WHERE wave = (SELECT max(wave) FROM waves)"


class Defects:
    """The active defects and their counters."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.replace([])

    def replace(self, active: list[AnyDefect]) -> None:
        """Make these the active defects and begin to count anew."""
        self.active = tuple(active)
        self._by_type: dict[type, Any] = {type(defect): defect for defect in active}
        self._counts: dict[type, int] = {}
        self._drawn: dict[type, int] = {}
        self._leaked: list[bytes] = []
        stall = self._get(Stall)
        self._stall_begins = self._now() + stall.after if stall else float("inf")
        self._stall_ends = self._stall_begins + stall.seconds if stall else float("-inf")
        queue = self._get(KnownQueue)
        self._queue = KnownTimes(queue) if queue else None
        limit = self._get(SlowAbove)
        self._arrivals: deque[float] = deque(maxlen=limit.rate if limit else 0)

    @property
    def names(self) -> list[str]:
        """Return the names of the active defects."""
        return [defect.title for defect in self.active]

    def leaves_unanswered(self) -> bool:
        """Tell whether the next request is one that gets no answer."""
        return Mute in self._by_type or self._is_drawn(Silence)

    async def hold(self) -> None:
        """Wait while the server is meant to stand still."""
        now = self._now()
        if self._stall_begins <= now < self._stall_ends:
            await asyncio.sleep(self._stall_ends - now)

    async def before(self) -> None:
        """Delay a request, leak, or fail it."""
        if (leak := self._get(LeakMemory)) is not None:
            self._leaked.append(b"\1" * leak.bytes)  # of zeros the kernel would keep none
        delay = self._delay()
        if delay > 0:
            await asyncio.sleep(delay)
        if self._is_drawn(Failing):
            raise RefusalError("injected-error")

    def instead(self) -> Reply | None:
        """Return what the next request is answered without being served, or None."""
        if self._is_drawn(FailingAsSuccess):
            return Reply(200, RefusalError("injected-error").body())
        drop = self._get(DropConnection)
        if drop is not None and drop.moment == "before" and self._is_drawn(DropConnection):
            return Reply(500, is_dropped=True)
        return None

    def spoil_reply(self, reply: Reply) -> Reply:
        """Return the reply cut short or dropped when its turn comes."""
        drop = self._get(DropConnection)
        if drop is not None and drop.moment == "after" and self._is_drawn(DropConnection):
            return msgspec.structs.replace(reply, is_dropped=True)
        if reply.body and self._is_drawn(TruncateBody):
            return msgspec.structs.replace(reply, cut_after=len(reply.body) // 2)
        return reply

    def spoil_effect(self, step: str, scope: int, effect: Effect) -> Effect:
        """Return the effect with its row stored twice, altered or put where there is no place when its turn comes."""

        def spoiled(transaction: Transaction, key: str) -> Any:
            try:
                reply = effect(transaction, key)
            except RefusalError as refusal:
                if refusal.code != "quota-full" or not self._oversells():
                    raise
                transaction.execute(_UNCOUNT)
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
        lose = self._get(LoseWrite)
        if lose is None or step not in STORED_STEPS or lose.step not in (None, step):
            return operation

        def losing(transaction: Transaction) -> Reply:
            transaction.begin_part()
            try:
                reply = operation(transaction)
            except RefusalError:
                transaction.end_part(is_undone=False)
                raise
            is_lost = reply.status < 300 and not reply.headers and self._is_turn(LoseWrite)
            transaction.end_part(is_undone=is_lost)
            return reply

        return losing

    def acknowledges_early(self, step: str) -> bool:
        """Tell whether the next write of a step is acknowledged before it is committed."""
        return step in STORED_STEPS and self._is_turn(AcknowledgeEarly)

    def _get(self, kind: type[D]) -> D | None:
        return self._by_type.get(kind)

    def _delay(self) -> float:
        """Return how long the request that has just come is to be held back."""
        now = self._now()
        slow = self._get(Slow)
        delay = slow.seconds if slow else 0.0
        if (limit := self._get(SlowAbove)) is not None:
            if len(self._arrivals) == limit.rate and now - self._arrivals[0] < 1:
                delay += limit.seconds
            self._arrivals.append(now)
        if self._queue is not None:
            delay += self._queue.departure(now) - now
        return delay

    def _is_drawn(self, kind: type[Silence | Failing | FailingAsSuccess | DropConnection | TruncateBody]) -> bool:
        """Tell whether the next request belongs to a share; multiples of the golden ratio spread it evenly."""
        defect = self._get(kind)
        if defect is None:
            return False
        self._drawn[kind] = drawn = self._drawn.get(kind, 0) + 1
        return drawn * _GOLDEN_RATIO % 1 < defect.share

    def _is_turn(self, kind: type[LoseWrite | DuplicateWrite | CorruptField | AcknowledgeEarly]) -> bool:
        defect = self._get(kind)
        return defect is not None and self._count(kind) % defect.every == 0

    def _oversells(self) -> bool:
        oversell = self._get(Oversell)
        return oversell is not None and self._count(Oversell) <= oversell.places

    def _count(self, kind: type) -> int:
        self._counts[kind] = count = self._counts.get(kind, 0) + 1
        return count


class KnownTimes:
    """When requests leave a queue with `slots` servers, first come, first served (Kiefer and Wolfowitz's recursion).

    Times are computed, not waited for one after the other, so that late timers do not add up.
    """

    def __init__(self, queue: KnownQueue) -> None:
        self._seconds = queue.seconds
        self._random = random.Random(queue.seed) if queue.service == "exponential" else None  # noqa: S311
        self._free = [float("-inf")] * queue.slots  # a heap: when each server is free

    def departure(self, now: float) -> float:
        """Return when the request that arrives now will have been served."""
        service = self._seconds
        if self._random is not None:
            service *= self._random.expovariate(1.0)
        leaves = max(now, self._free[0]) + service
        heapq.heapreplace(self._free, leaves)
        return leaves
