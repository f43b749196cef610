"""The parts a registrar is made of, put together once at start."""

from __future__ import annotations

import time
from collections.abc import Callable

from prakerja_load.registrar.admission import Admission
from prakerja_load.registrar.civil_registry import CitizenRecords, CivilRegistry
from prakerja_load.registrar.defects import Defects
from prakerja_load.registrar.idempotency import Effect, Write, once
from prakerja_load.registrar.metrics import Metrics
from prakerja_load.registrar.passwords import PasswordHasher
from prakerja_load.registrar.reply import Reply
from prakerja_load.registrar.rules import Eligibility
from prakerja_load.registrar.settings import Settings
from prakerja_load.registrar.store.bulk import BulkImport
from prakerja_load.registrar.store.embedded import EmbeddedStore
from prakerja_load.registrar.tokens import TokenSigner


class Registrar:
    """Store, rules and the services around them; endpoints are functions of it and a call."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.now = now
        self.metrics = Metrics()
        self.admission = Admission(settings.max_in_flight)
        self.defects = Defects()
        self.passwords = PasswordHasher(settings.password_memory_kib, settings.password_passes)
        self.rules = Eligibility(settings.is_lab, settings.max_persons_per_kk, settings.test_pass_mark)
        self.store = EmbeddedStore(
            settings.path, self.metrics, has_family_limit=settings.max_persons_per_kk is not None
        )
        self.signer = TokenSigner(self.store.token_key)
        self.civil_registry = CivilRegistry(
            CitizenRecords(settings.path.with_name(settings.path.name + ".civil")),
            latency=settings.civil_latency,
            capacity=settings.civil_capacity,
            daily_quota=settings.civil_daily_quota,
        )
        self.bulk_import: BulkImport | None = None
        self.is_draining = False

    async def start(self) -> None:
        """Open the first wave of a new store."""
        if not self.store.has_wave():
            await self.store.open_wave("Gelombang 1", self.settings.wave_quota, None, None, self.now())

    async def write(self, step: str, write: Write, effect: Effect) -> Reply:
        """Have an effect once and return its answer when it is durable, or the answer given before."""
        if not self.defects.active:
            return await self.store.write(write, effect)
        operation = once(write, self.defects.spoil_effect(step, write.scope, effect))
        return await self.store.writer.submit(self.defects.spoil_write(step, operation))

    async def close(self) -> None:
        """Leave everything on disk as it should be found."""
        if self.bulk_import is not None:
            self.bulk_import.give_up()
            self.store.end_import()
        await self.store.close()
        self.civil_registry.records.close()
