"""How one registrar is started: its command line as a value."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from prakerja_load.errors import UsageError
from prakerja_load.registrar.store import sqlite
from prakerja_load.units import Seconds

LAB_VARIABLE = "PRAKERJA_LAB_TOKEN"


class Settings(msgspec.Struct, frozen=True):
    """Everything a registrar is told."""

    path: Path
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
    max_persons_per_kk: int | None = None
    test_pass_mark: int = 0
    max_in_flight: int = 4_000
    consent: Path | None = None


def parse(arguments: list[str] | None = None) -> Settings:
    """Return the settings of a command line; argparse exits with status 2 when it cannot be read.

    Raises UsageError for what argparse cannot know.
    """
    given = _parser().parse_args(arguments)
    lab_token = os.environ.get(LAB_VARIABLE, "")
    if given.lab and not lab_token:
        raise UsageError(f"--lab: set the environment variable {LAB_VARIABLE} to the laboratory's token")
    return Settings(
        path=sqlite.path_of(given.database),
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
        max_persons_per_kk=given.max_persons_per_kk,
        test_pass_mark=given.test_pass_mark,
        max_in_flight=given.max_in_flight,
        consent=given.consent,
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("prakerja_load.registrar", description="The reference registration system.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=_number(0, 65_535), default=0, help="0: any free port, told in the ready line")
    add("--database", default="sqlite:registrar.db", help="sqlite:PATH; made when it does not exist")
    add("--lab", action="store_true", help=f"offer /lab/ to clients with the token of ${LAB_VARIABLE}")
    add("--password-memory-kib", type=_number(8, 4_194_304), default=8, help="argon2id memory")
    add("--password-passes", type=_number(1, 1_000), default=1, help="argon2id passes")
    add("--wave-quota", type=_number(1), default=200_000_000, help="quota of the first wave")
    add("--civil-latency", type=_seconds, default=0.02, help="seconds one check of the civil registry takes")
    add("--civil-capacity", type=_number(1), default=2_000, help="checks under way at once")
    add("--civil-daily-quota", type=_number(0), default=50_000_000, help="checks a day")
    add("--max-persons-per-kk", type=_number(1), default=None, help="persons per family card; none in 2020")
    add("--test-pass-mark", type=_number(0, 54), default=0, help="points needed to pass the test")
    add("--max-in-flight", type=_number(1), default=4_000, help="requests under way before the next are shed")
    add("--consent", type=Path, default=None, help="file that allows load from elsewhere; read at each request for it")
    return parser
