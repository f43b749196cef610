"""The civil registry (Dukcapil) as a dependency: a stub with its own store, latency, capacity and daily quota.

What is known of the real one: access is by daily quota per agency. Its latency was never published; the figures here
are a deployment's choice.
"""

from __future__ import annotations

import asyncio
import datetime
import math
from collections.abc import Iterable
from pathlib import Path

import apsw
import msgspec

from prakerja_load.registrar.breaker import Breaker, BreakerRules
from prakerja_load.registrar.messages import Digits16
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.rules import today_in_jakarta
from prakerja_load.registrar.store.sqlite import first
from prakerja_load.units import Seconds

_SCHEMA = """
CREATE TABLE IF NOT EXISTS citizens (
    nik INTEGER PRIMARY KEY, kk INTEGER NOT NULL, birth_date INTEGER NOT NULL
) STRICT
"""


class Citizen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One entry of the registry."""

    nik: Digits16
    kk: Digits16
    birth_date: datetime.date


_DECODER = msgspec.json.Decoder(Citizen)


class CitizenRecords:
    """The registry's own file; it can be filled again, so nothing waits for the disk."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = OFF", "cache_size = -65536"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.execute(_SCHEMA)
        self._execute = self._connection.cursor().execute

    def add(self, lines: bytes) -> int:
        """Take entries as NDJSON and return how many; a known NIK is replaced. Raises RefusalError for a bad line."""
        try:
            citizens = _DECODER.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RefusalError("invalid-body", str(error)) from error
        self._insert(sorted((int(c.nik), int(c.kk), c.birth_date.toordinal()) for c in citizens))
        return len(citizens)

    def count(self) -> int:
        """Return the number of entries."""
        return int(first(self._execute("SELECT count(*) FROM citizens"))[0])

    def find(self, nik: int) -> tuple[int, int] | None:
        """Return (family card, ordinal of the birth date), or None."""
        found: tuple[int, int] | None = first(
            self._execute("SELECT kk, birth_date FROM citizens WHERE nik = ?", (nik,))
        )
        return found

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _insert(self, rows: Iterable[tuple[int, int, int]]) -> None:
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO citizens (nik, kk, birth_date) VALUES (?, ?, ?)", rows)


class CivilRegistry:
    """Answers identity checks: at most `capacity` under way at once, each `latency` seconds, `daily_quota` a day.

    Its callers are protected from it: a check that takes longer than `timeout`, its wait for a place included, is given
    up; one that could not be answered in time is not begun; and when checks keep failing nobody asks for a while. What
    was not begun does not count against the quota.
    """

    def __init__(
        self,
        records: CitizenRecords,
        *,
        latency: Seconds = 0.02,
        capacity: int = 2_000,
        daily_quota: int = 50_000_000,
        timeout: Seconds = 5.0,
        breaker: BreakerRules | None = None,
    ) -> None:
        self.records = records
        self.breaker = Breaker(breaker or BreakerRules())
        self.checks = 0  # since start
        self.refused = 0
        self.waiting = 0  # for a place
        self.capacity = capacity
        self.timeout = timeout
        self._latency = latency
        self._slots = asyncio.Semaphore(capacity)
        self._longest_queue = math.ceil(capacity * timeout / latency) if latency else capacity
        self._daily_quota = daily_quota
        self._day = datetime.date.min
        self._used = 0

    async def problem_with(self, nik: str, kk: str, birth_date: datetime.date, now: float) -> str | None:
        """Return the code of what is wrong with an identity, or None.

        Raises RefusalError "civil-registry-away" when the quota is spent or no answer comes in time.
        """
        loop = asyncio.get_running_loop()
        call = self.breaker.ask(loop.time())
        if call is None:
            raise self._away("it did not answer lately", max(1.0, self.breaker.rests_for(loop.time())))
        try:
            async with asyncio.timeout(self.timeout):
                problem = await self._check(int(nik), int(kk), birth_date.toordinal(), now)
        except TimeoutError as error:
            self.breaker.failed(call, loop.time())
            raise self._away("no answer in time", 2) from error
        except BaseException:
            self.breaker.withdrew(call)
            raise
        self.breaker.succeeded(call)
        return problem

    async def _check(self, nik: int, kk: int, birth_date: int, now: float) -> str | None:
        await self._take_place()
        try:
            self._spend(now)
            if self._latency:
                await asyncio.sleep(self._latency)
            return self._judge(nik, kk, birth_date)
        finally:
            self._slots.release()

    async def _take_place(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        if self.waiting >= self._longest_queue:
            raise self._away("too many checks wait", 2)
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1

    def _spend(self, now: float) -> None:
        today = today_in_jakarta(now)
        if today != self._day:
            self._day, self._used = today, 0
        if self._used >= self._daily_quota:
            raise self._away("the daily quota is spent", 60)
        self._used += 1
        self.checks += 1

    def _away(self, reason: str, retry_after: Seconds) -> RefusalError:
        self.refused += 1
        return RefusalError("civil-registry-away", reason, retry_after=retry_after)

    def _judge(self, nik: int, kk: int, birth_date: int) -> str | None:
        entry = self.records.find(nik)
        if entry is None:
            return "nik-unknown"
        return None if entry == (kk, birth_date) else "civil-mismatch"
