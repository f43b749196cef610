"""The parts a registrar is made of, put together once at start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from prakerja_load.errors import UsageError
from prakerja_load.registrar.admission import Admission, LoopWatch
from prakerja_load.registrar.civil_registry import CitizenRecords, CivilRegistry
from prakerja_load.registrar.defects import Defects
from prakerja_load.registrar.idempotency import Effect, Write, once
from prakerja_load.registrar.metrics import Metrics
from prakerja_load.registrar.overload import DelayTarget
from prakerja_load.registrar.passwords import PasswordHasher
from prakerja_load.registrar.pending import PendingChecks
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.queueing import Door
from prakerja_load.registrar.rate_limits import RateLimits
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.rules import Eligibility
from prakerja_load.registrar.settings import Settings
from prakerja_load.registrar.store.bulk import BulkImport
from prakerja_load.registrar.store.embedded import EmbeddedStore
from prakerja_load.registrar.store.lookups import Lookups
from prakerja_load.registrar.store.transaction import ReplyKey, Transaction
from prakerja_load.registrar.store.waves import open_wave
from prakerja_load.registrar.tokens import TokenSigner

if TYPE_CHECKING:
    from prakerja_load.registrar.store.server import ServerStore

P = ParamSpec("P")
T = TypeVar("T")
_FAILURES = 500  # the lowest status of a failure of ours


class Registrar:
    """Store, rules and the services around them; endpoints are functions of it and a call."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.now = now
        self.metrics = Metrics()
        self.admission = Admission(settings.max_in_flight, target=DelayTarget(settings.max_delay))
        self.limits = RateLimits(is_on=settings.limits_rates and not settings.is_lab)
        self.door = Door(settings.waiting_room)
        self.defects = Defects()
        self.passwords = PasswordHasher(settings.password_memory_kib, settings.password_passes)
        self.rules = Eligibility(settings.is_lab, settings.max_persons_per_kk, settings.test_pass_mark)
        self.store = _open_store(settings, self.metrics)
        self.signer = TokenSigner(self.store.token_key)
        self.civil_registry = CivilRegistry(
            CitizenRecords(_civil_path(settings)),
            latency=settings.civil_latency,
            capacity=settings.civil_capacity,
            daily_quota=settings.civil_daily_quota,
            timeout=settings.civil_timeout,
        )
        self.pending = PendingChecks(self.store, self.civil_registry, now, limit=settings.civil_pending)
        self.bulk_import: BulkImport | None = None
        self.is_draining = False
        self._loop_watch: LoopWatch | None = None

    async def start(self) -> None:
        """Open the first wave of a new store and begin to check the identities that wait."""
        quota = self.settings.wave_quota
        await self.store.submit(open_wave("Gelombang 1", quota, None, None, self.now(), only_first=True))
        self.pending.start()
        self._loop_watch = LoopWatch(self.admission)

    def write(self, step: str, write: Write, effect: Effect) -> Awaitable[Reply]:
        """Have an effect once and give its answer when it is durable, or the answer given before."""
        if not self.defects.active:
            return self._durable(once(write, effect), write.reply_key)
        operation = once(write, self.defects.spoil_effect(step, write.scope, effect))
        operation = self.defects.spoil_write(step, operation)
        if self.defects.acknowledges_early(step):
            return self._before_commit(operation, write.reply_key)
        return self._durable(operation, write.reply_key)

    async def _durable(self, operation: Callable[[Transaction], Reply], key: ReplyKey) -> Reply:
        """Have an operation done and tell the admission how long the store took."""
        return await self._watched("store", self.store.submit(operation, key))

    async def read(self, query: Callable[Concatenate[Lookups, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer a question about what is stored and tell the admission how long that took."""
        return await self._watched("read", self.store.read(query, *args, **kwargs))

    async def _watched(self, source: str, answer: Awaitable[T]) -> T:
        """Wait for the store; whoever waits long is counted, whatever becomes of the wait.

        A refusal of the request itself has waited its turn like an answer. One by a store that fails, and a wait that
        its client has ended, have not: they only show that the answer would have taken longer.
        """
        asked = self.admission.now()
        is_answered = False
        try:
            result = await answer
            is_answered = True
        except RefusalError as refusal:
            is_answered = refusal.status < _FAILURES
            raise
        finally:
            waited = self.admission.now() - asked
            if is_answered:
                self.admission.observe(source, waited)
            else:
                self.admission.observe_failure(source, waited)
        return result

    async def _before_commit(self, operation: Callable[[Transaction], Reply], key: ReplyKey) -> Reply:
        """Return the answer as soon as it is known, for the laboratory."""
        loop = asyncio.get_running_loop()
        known: asyncio.Future[Reply] = loop.create_future()

        def tell(reply: Reply) -> None:
            if not known.done():  # an operation can run again
                known.set_result(reply)

        def early(transaction: Transaction) -> Reply:
            reply = operation(transaction)
            loop.call_soon_threadsafe(tell, reply)
            return reply

        durable = asyncio.ensure_future(self.store.submit(early, key))
        durable.add_done_callback(lambda future: future.cancelled() or future.exception())  # nobody may ask for it
        done, _ = await asyncio.wait((known, durable), return_when=asyncio.FIRST_COMPLETED)
        return await (known if known in done else durable)

    async def close(self) -> None:
        """Leave everything on disk as it should be found."""
        if self.bulk_import is not None:
            try:
                self.bulk_import.give_up()
            finally:
                self.store.end_import()
        if self._loop_watch is not None:
            self._loop_watch.stop()
        await self.pending.stop()
        await self.store.close()
        self.civil_registry.records.close()


def _open_store(settings: Settings, metrics: Metrics) -> EmbeddedStore | ServerStore:
    has_family_limit = settings.max_persons_per_kk is not None
    if not settings.postgresql:
        return EmbeddedStore(settings.path, metrics, has_family_limit=has_family_limit)
    try:
        from prakerja_load.registrar.store.postgresql import opening
        from prakerja_load.registrar.store.server import ServerStore
    except ImportError as error:
        raise UsageError(f"--database: PostgreSQL needs prakerja-load[postgresql]: {error}") from error
    with opening(settings.postgresql):
        return ServerStore(
            settings.postgresql,
            metrics,
            allows_unsafe=settings.allows_unsafe_database,
            has_family_limit=has_family_limit,
        )


def _civil_path(settings: Settings) -> Path:
    """Return the civil registry's own file; beside PostgreSQL it lives as long as the process."""
    return settings.path if settings.postgresql else settings.path.with_name(settings.path.name + ".civil")
