"""Two million rows are reconciled in a minute of one core and less than 500 MB, from every source."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from many_writes import write_export, write_run, write_table

ROOT = Path(__file__).resolve().parents[2]
ROWS = 2_000_000
SECONDS = 60.0
MEGABYTES = 500


@dataclass(frozen=True)
class Spent:
    """What a command took of one core."""

    cpu: float  # seconds
    wall: float  # seconds from the start to the end of the process
    megabytes: float


def reconciled(*arguments: str | Path) -> tuple[int, str, Spent]:
    """Run the command on one core; return its exit code, its output and what it took."""
    core = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "-c", core, sys.executable, "-m", "prakerja_load", "reconcile", *map(str, arguments)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    spent = Spent(usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss / 1024)
    return process.returncode, said, spent


def hold_limits(name: str, spent: Spent) -> None:
    """Hold the limits, the time by the wall included: it needs a core with nothing else to do."""
    print(f"{name}: {spent.cpu:.1f} s of CPU, {spent.wall:.1f} s, {spent.megabytes:.0f} MB at most")  # noqa: T201
    assert spent.cpu <= SECONDS
    assert spent.wall <= SECONDS
    assert spent.megabytes < MEGABYTES


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_registrars_export_of_two_million_rows(tmp_path: Path) -> None:
    steps = 8
    count = ROWS // steps
    assert write_export(write_run(tmp_path / "run", count, steps), count, steps) == ROWS

    code, said, spent = reconciled(tmp_path / "run")

    assert code == 0, said
    assert "2 000 000 of 2 000 000 acknowledged writes verified" in said
    hold_limits("registrar's export", spent)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["csv", "parquet", "sqlite"])
def test_another_systems_table_of_two_million_rows(kind: str, tmp_path: Path) -> None:
    count, before = ROWS - 500_000, 500_000
    write_run(tmp_path / "run", count, 1, first_person=before)
    path = tmp_path / f"table.{kind}"
    write_table(path, count, before, before)

    columns = [part for pair in ("nik=citizen_id", "full_name=name", "phone=phone") for part in ("--column", pair)]
    query = ["--sql", f"sqlite:///{path}", "--query", "SELECT * FROM people"]
    source = query if kind == "sqlite" else ["--stored", path]
    code, said, spent = reconciled(tmp_path / "run", *source, "--key", "email", *columns)

    assert code == 0, said
    assert "1 500 000 of 1 500 000 acknowledged writes verified" in said
    assert "500 000 rows of people who were stored before the run" in said
    hold_limits(kind, spent)
