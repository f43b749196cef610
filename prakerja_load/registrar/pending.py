"""Identities that the civil registry could not be asked about when they came: kept, and asked about later.

One task takes them oldest first in bounded batches. While the registry is away it rests as long as it was told to; what
comes meanwhile does not wake it, but somebody's check that succeeds does. Several registrars on one database share the
work: each claims what it asks about, for a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from prakerja_load.registrar.civil_registry import CivilRegistry
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.store.embedded import EmbeddedStore
from prakerja_load.registrar.store.faults import STORE_FAULTS
from prakerja_load.registrar.store.identity_queue import Answered, Claim, claim, settle
from prakerja_load.registrar.store.lookups import Lookups
from prakerja_load.units import Seconds

if TYPE_CHECKING:
    from prakerja_load.registrar.store.server import ServerStore

KEPT = 202  # the status of the answer to an identity that waits
_BATCH = 64  # asked about at once
_FRESH: Seconds = 1.0  # so old may the number of those that wait be: other registrars add to it
_LOOK: Seconds = 5.0  # between two looks for what a registrar left behind that is gone
_SHORTEST_REST: Seconds = 1.0  # between two questions to a registry that is away
_MARGIN: Seconds = 10.0  # of a claim, beyond the time that a check may take
Store: TypeAlias = "EmbeddedStore | ServerStore"


class PendingChecks:
    """Keeps at most `limit` identities waiting, counted anew every second, and has them checked."""

    def __init__(self, store: Store, registry: CivilRegistry, now: Callable[[], float], *, limit: int) -> None:
        self.known = 0  # that wait, as far as this process knows
        self.told = 0  # answers, repeated ones included, that said that an identity waits
        self.confirmed = 0  # identities, by the civil registry after they had waited
        self._store = store
        self._registry = registry
        self._now = now
        self._limit = limit
        self._counted: Seconds = float("-inf")  # when, by the loop's clock
        self._under_way = 0  # being stored
        self._kept = 0  # by this process
        self._is_due = asyncio.Event()
        self._is_back = False  # the registry, by somebody's check since the last pass began
        self._is_away = False  # the registry, when it was asked last: one is enough to see whether it is back
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask about what waits, what an earlier process left included."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Give back what is being asked about."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def count(self) -> int:
        """Return how many identities wait; with a store that does not answer, how many did."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._counted >= _FRESH:
            self._counted, kept = loop.time(), self._kept
            with contextlib.suppress(RefusalError, *STORE_FAULTS):
                stored = await self._store.read(Lookups.pending_identities)
                self.known = stored + self._kept - kept  # rather too many than too few
        return self.known

    async def keep(self, write: Callable[[], Awaitable[Reply]], away: RefusalError, *, account: int) -> Reply:
        """Have an account's identity stored as one that waits; raises what `away` says when as many wait as may.

        One that takes the place of the account's own needs no other.
        """
        is_new = not self._limit or not await self._store.read(Lookups.has_waiting_identity, account)
        if is_new and await self.count() + self._under_way >= self._limit:
            # a new one: the traceback of one that was caught before would lead to this frame, and the frame to it
            raise RefusalError(away.code, away.detail, retry_after=away.retry_after) from None
        self._under_way += is_new
        try:
            reply = await write()
        finally:
            self._under_way -= is_new
        if reply.status == KEPT and not reply.headers:  # not an answer given before
            self.known += is_new
            self._kept += is_new
            if not self._is_away:
                self._is_due.set()
        return reply

    def hurry(self) -> None:
        """Take note that the registry answers."""
        if self.known:
            self._is_back = True
            self._is_due.set()

    async def _run(self) -> None:
        while True:
            self._is_due.clear()
            self._is_back = False
            try:
                rest = await self._pass()
            except RefusalError as store_away:
                rest = max(_SHORTEST_REST, store_away.retry_after or 0)
            except Exception as error:
                _report(error)
                rest = _LOOK
            await self._rest(rest)

    async def _rest(self, seconds: Seconds) -> None:
        if self._is_away:
            if not self._is_back:
                self._is_due.clear()  # what came meanwhile is no reason to ask again
            await asyncio.sleep(_SHORTEST_REST)
            seconds -= _SHORTEST_REST
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._is_due.wait()

    async def _pass(self) -> Seconds:
        """Ask about one batch and return how long to rest before the next, at most."""
        if not await self.count():
            self._is_away = False
            return _LOOK
        closed_for = self._registry.breaker.rests_for(asyncio.get_running_loop().time())
        if closed_for:
            self._is_away = True
            return closed_for
        claims = await self._claim()
        if not claims:
            self._is_away = False
            self._counted = float("-inf")
            await asyncio.sleep(_SHORTEST_REST)  # all are somebody else's: whoever comes is no reason to look at once
            return _LOOK
        answers = await self._ask(claims)
        answered = [answer for answer in answers if isinstance(answer, Answered)]
        refusals = [answer for answer in answers if isinstance(answer, RefusalError)]
        unasked = [claimed for claimed, answer in zip(claims, answers, strict=True) if isinstance(answer, RefusalError)]
        await self._settle(answered, unasked)
        if answered or refusals:  # an error of ours says nothing about the registry
            self._is_away = bool(refusals)
        return max((refusal.retry_after or _SHORTEST_REST for refusal in refusals), default=0.0)

    async def _claim(self) -> list[Claim]:
        limit = 1 if self._is_away else min(_BATCH, self._registry.capacity)
        now = self._now()
        until = now + self._registry.timeout + _MARGIN
        claiming = self._store.submit(partial(claim, limit=limit, now=now, until=until))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with contextlib.suppress(RefusalError):  # the claims end by themselves
                await self._settle([], await claiming)
            raise

    async def _ask(self, claims: list[Claim]) -> list[Answered | RefusalError | None]:
        try:
            return await asyncio.gather(*map(self._ask_about, claims))
        except asyncio.CancelledError:
            with contextlib.suppress(RefusalError):  # the claims end by themselves
                await self._settle([], claims)
            raise

    async def _ask_about(self, claimed: Claim) -> Answered | RefusalError | None:
        """Return what the registry says; None after an unexpected error about this one identity.

        Then it stays claimed for a time, or those behind it would never be asked about.
        """
        born = datetime.date.fromordinal(claimed.birth_date)
        try:
            problem = await self._registry.problem_with(f"{claimed.nik:016d}", f"{claimed.kk:016d}", born, self._now())
        except RefusalError as away:
            return away
        except Exception as error:  # of one identity: the answers about the others are good
            _report(error)
            return None
        return Answered(claimed, problem)

    async def _settle(self, answered: list[Answered], unasked: list[Claim]) -> None:
        confirmed, refused = await self._store.submit(partial(settle, answered=answered, unasked=unasked))
        self.confirmed += confirmed
        self.known = max(0, self.known - confirmed - refused)


def _report(error: Exception) -> None:
    context = {"message": "identities that wait could not be checked", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
