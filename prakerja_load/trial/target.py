"""The target of a run, up and reachable: the embedded registrar as a process of its own, or somebody's system."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from prakerja_load.driver import guard
from prakerja_load.driver.offer import check_sources
from prakerja_load.driver.tls import read_authorities
from prakerja_load.scenario import RegistrarOptions, Scenario
from prakerja_load.trial.process import Child
from prakerja_load.trial.system import System

READY_WITHIN = 30.0  # seconds for the registrar to open its store and listen


@contextlib.contextmanager
def reached(scenario: Scenario, directory: Path, cores: frozenset[int]) -> Iterator[System]:
    """Yield the system under test; the embedded registrar is started before and drained after.

    `directory` takes the registrar's store and log. Raises AuthorizationError when a target did not consent and
    HarnessError when the registrar does not come up.
    """
    check_sources(scenario.load.source_addresses)
    if scenario.target.url is not None:
        known = read_authorities(scenario.target.ca) if scenario.target.ca else ""
        target = guard.authorize(scenario.target.url, authorized_by=scenario.target.authorized_by, authorities=known)
        guard.reach(target, authorities=known)
        token = os.environ.get("PRAKERJA_LAB_TOKEN", "")
        yield System(scenario.target.url, target, token, tls=target.endpoint(known).tls)
        return
    token = secrets.token_hex(16)
    registrar = Child(
        ["prakerja_load.registrar", *_arguments(scenario.registrar, directory)],
        directory / "registrar.log",
        cores,
        {"PRAKERJA_LAB_TOKEN": token},
    )
    try:
        ready = registrar.wait_for("ready", READY_WITHIN)
        yield System(ready["url"], guard.authorize(ready["url"]), token)
    finally:
        registrar.stop()


def _arguments(options: RegistrarOptions, directory: Path) -> list[str]:
    database = f"sqlite:{directory / 'store.db'}" if options.database == "sqlite" else options.database
    arguments = ["--host", "127.0.0.1", "--port", "0", "--database", database, "--lab"]
    arguments += ["--password-memory-kib", str(options.password_memory_kib)]
    arguments += ["--password-passes", str(options.password_passes)]
    arguments += ["--wave-quota", str(options.wave_quota)]
    arguments += ["--civil-latency", str(options.civil_latency)]
    arguments += ["--civil-capacity", str(options.civil_capacity)]
    arguments += ["--civil-daily-quota", str(options.civil_daily_quota)]
    arguments += ["--civil-pending", str(options.civil_pending)]
    if options.max_persons_per_kk is not None:
        arguments += ["--max-persons-per-kk", str(options.max_persons_per_kk)]
    return arguments
