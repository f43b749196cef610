"""How one registrar is started: its command line as a value."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from prakerja_load.errors import UsageError
from prakerja_load.registrar import logs
from prakerja_load.registrar.store import address
from prakerja_load.units import PerSecond, Seconds

LAB_VARIABLE = "PRAKERJA_LAB_TOKEN"
_ROOM_HELP = "newcomers let in a second, one room per process; 0: no waiting room"


class Settings(msgspec.Struct, frozen=True):
    """Everything a registrar is told."""

    path: Path  # of the SQLite file, unless `postgresql` is the URL of a database
    host: str = "127.0.0.1"
    port: int = 0
    is_lab: bool = False
    lab_token: str = ""
    password_memory_kib: int = 8
    password_passes: int = 1
    wave_quota: int = 200_000_000
    civil_latency: Seconds = 0.02
    civil_capacity: int = 2_000
    civil_daily_quota: int = 50_000_000
    civil_timeout: Seconds = 5.0
    civil_pending: int = 100_000  # identities that may wait for the civil registry; 0: they are refused
    max_persons_per_kk: int | None = None
    test_pass_mark: int = 0
    max_connections: int = 100_000
    max_in_flight: int = 4_000
    max_body_bytes: int = 256 * 1024 * 1024  # of large bodies, from their arrival until they are answered
    max_delay: Seconds = 0.2
    waiting_room: PerSecond = 0.0  # newcomers let in; 0: there is none
    consent: Path | None = None
    read_timeout: Seconds = 20.0
    limits_rates: bool = True  # a laboratory never does
    postgresql: str = ""
    allows_unsafe_database: bool = False
    log_level: str = logs.DEFAULT_LEVEL

    @property
    def database(self) -> address.Address:
        """Return the database; as text it shows no password."""
        return address.Address(self.path, self.postgresql)


def parse(arguments: list[str] | None = None) -> Settings:
    """Return the settings of a command line; argparse exits with status 2 when it cannot be read.

    Raises UsageError for what argparse cannot know.
    """
    given = _parser().parse_args(arguments)
    lab_token = os.environ.get(LAB_VARIABLE, "")
    if given.lab and not lab_token:
        raise UsageError(f"--lab: set the environment variable {LAB_VARIABLE} to the laboratory's token")
    database = address.parse(given.database)
    return Settings(
        path=database.path,
        host=given.host,
        port=given.port,
        is_lab=given.lab,
        lab_token=lab_token,
        password_memory_kib=given.password_memory_kib,
        password_passes=given.password_passes,
        wave_quota=given.wave_quota,
        civil_latency=given.civil_latency,
        civil_capacity=given.civil_capacity,
        civil_daily_quota=given.civil_daily_quota,
        civil_timeout=given.civil_timeout,
        civil_pending=given.civil_pending,
        max_persons_per_kk=given.max_persons_per_kk,
        test_pass_mark=given.test_pass_mark,
        max_connections=given.max_connections,
        max_in_flight=given.max_in_flight,
        max_body_bytes=given.max_body_bytes,
        max_delay=given.max_delay,
        waiting_room=given.waiting_room,
        consent=given.consent,
        read_timeout=given.read_timeout,
        limits_rates=given.rate_limits == "on",
        postgresql=database.url,
        allows_unsafe_database=given.unsafe_database,
        log_level=given.log_level,
    )


def _number(lowest: int, highest: int = 2**53) -> Callable[[str], int]:
    def convert(text: str) -> int:
        value = int(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text} does not lie between {lowest} and {highest}")
        return value

    convert.__name__ = "number"
    return convert


def _seconds(text: str) -> Seconds:
    value = float(text)
    if not 0 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 3600 seconds")
    return value


def _rate(text: str) -> PerSecond:
    value = float(text)
    if not 0 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1000000 a second")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("prakerja_load.registrar", description="The reference registration system.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=_number(0, 65_535), default=0, help="0: any free port, told in the ready line")
    add("--database", default="sqlite:registrar.db", help="sqlite:PATH, made when it does not exist; or postgresql://…")
    add("--unsafe-database", action="store_true", help="take a PostgreSQL that can lose acknowledged writes")
    add("--lab", action="store_true", help=f"offer /lab/ to clients with the token of ${LAB_VARIABLE}")
    add("--password-memory-kib", type=_number(8, 4_194_304), default=8, help="argon2id memory")
    add("--password-passes", type=_number(1, 1_000), default=1, help="argon2id passes")
    add("--wave-quota", type=_number(1), default=200_000_000, help="quota of the first wave")
    add("--civil-latency", type=_seconds, default=0.02, help="seconds one check of the civil registry takes")
    add("--civil-capacity", type=_number(1), default=2_000, help="checks under way at once")
    add("--civil-daily-quota", type=_number(0), default=50_000_000, help="checks a day")
    add("--civil-timeout", type=_seconds, default=5.0, help="seconds after which a check is given up")
    add("--civil-pending", type=_number(0), default=100_000, help="identities kept while it is away; 0: refused")
    add("--max-persons-per-kk", type=_number(1), default=None, help="persons per family card; none in 2020")
    add("--test-pass-mark", type=_number(0, 54), default=0, help="points needed to pass the test")
    add("--max-connections", type=_number(1), default=100_000, help="open at once; idle ones make room for newcomers")
    add("--max-in-flight", type=_number(1), default=4_000, help="requests under way before the next are shed")
    add("--max-body-bytes", type=_number(4_194_304), default=268_435_456, help="bytes of large bodies held at once")
    add("--max-delay", type=_seconds, default=0.2, help="seconds of standing delay before requests are shed; 0: never")
    add("--waiting-room", type=_rate, default=0.0, metavar="RATE", help=_ROOM_HELP)
    add("--read-timeout", type=_seconds, default=20.0, help="seconds a request may take to come in, if it is small")
    add("--rate-limits", choices=("on", "off"), default="on", help="per address and account; --lab: always off")
    add("--log-level", choices=logs.LEVELS, default=logs.DEFAULT_LEVEL, help="info: a line for every request")
    add("--consent", type=Path, default=None, help="file that allows load from elsewhere; read at each request for it")
    return parser
