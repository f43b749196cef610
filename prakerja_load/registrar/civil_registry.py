"""The civil registry (Dukcapil) as a dependency: a stub with its own store, latency, capacity and daily quota.

What is known of the real one: access is by daily quota per agency. Its latency was never published; the figures here
are a deployment's choice.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable
from pathlib import Path

import apsw
import msgspec

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
    """Answers identity checks: at most `capacity` under way at once, each `latency` seconds, `daily_quota` a day."""

    def __init__(
        self,
        records: CitizenRecords,
        *,
        latency: Seconds = 0.02,
        capacity: int = 2_000,
        daily_quota: int = 50_000_000,
        timeout: Seconds = 5.0,
    ) -> None:
        self.records = records
        self.checks = 0  # since start
        self.refused = 0
        self._latency = latency
        self._slots = asyncio.Semaphore(capacity)
        self._daily_quota = daily_quota
        self._timeout = timeout
        self._day = datetime.date.min
        self._used = 0

    async def problem_with(self, nik: str, kk: str, birth_date: datetime.date, now: float) -> str | None:
        """Return the code of what is wrong with an identity, or None.

        Raises RefusalError "civil-registry-away" when the quota is spent or no answer comes in time.
        """
        self._spend(now)
        if self._slots.locked():
            await self._queue()
        else:
            await self._slots.acquire()
        try:
            if self._latency:
                await asyncio.sleep(self._latency)
            return self._judge(int(nik), int(kk), birth_date.toordinal())
        finally:
            self._slots.release()

    async def _queue(self) -> None:
        try:
            await asyncio.wait_for(self._slots.acquire(), self._timeout)
        except TimeoutError as error:
            self.refused += 1
            raise RefusalError("civil-registry-away", retry_after=2) from error

    def _spend(self, now: float) -> None:
        today = today_in_jakarta(now)
        if today != self._day:
            self._day, self._used = today, 0
        if self._used >= self._daily_quota:
            self.refused += 1
            raise RefusalError("civil-registry-away", "the daily quota is spent", retry_after=60)
        self._used += 1
        self.checks += 1

    def _judge(self, nik: int, kk: int, birth_date: int) -> str | None:
        entry = self.records.find(nik)
        if entry is None:
            return "nik-unknown"
        return None if entry == (kk, birth_date) else "civil-mismatch"
