"""Run directories of millions of writes: ledger and rows as a clean run of new applicants would leave them."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from prakerja_load import scenario as scenarios
from prakerja_load.applicants.population import Population
from prakerja_load.evidence.journal import Kind, SegmentWriter
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.evidence.run_directory import (
    CONTROLLER,
    RAMP,
    RUN,
    SCENARIO,
    STORED,
    RunDirectory,
    worker_path,
    write_json,
)
from prakerja_load.evidence.sample import ARRIVAL, LEDGER, SAMPLE, VITAL
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.registration import NewApplicant
from prakerja_load.journey.step import Registrant, key_of

RUN_ID = "k1r1"
SEED = 2020
TEXT = """
name = "many"
claim = "volume"
[demand]
window = "1h"
[[ramps]]
name = "many"
registrants = {count}
"""
OPTIONS = JourneyOptions(seed=SEED, today=datetime.date(2020, 4, 11), name="new-applicant", funnel="none", wave=1)
JOURNEY = NewApplicant(OPTIONS, None)
STEPS = tuple(step for step in JOURNEY.steps if step.is_stored)
PEOPLE = Population(SEED)
_BLOCK = 10_000


def write_run(path: Path, count: int, steps: int, first_person: int = 0) -> Path:
    """Write a run of `count` registrants whose first `steps` writes are all acknowledged, and return its ramp."""
    directory = RunDirectory.create(path)
    text = TEXT.format(count=count)
    directory.file(SCENARIO).write_text(text)
    directory.write(RUN, {"schema": 1, "run": "k1", "name": "many", "created": "2020-04-11", "overrides": []})
    plan = scenarios.plan_ramp(scenarios.parse(text), 1)
    assert plan.count == count
    folder = directory.ramp_path(1, count)
    kinds = {Kind.SAMPLES: SAMPLE, Kind.ARRIVALS: ARRIVAL, Kind.VITALS: VITAL, Kind.LEDGER: LEDGER}
    for kind, dtype in kinds.items():
        with SegmentWriter(worker_path(folder, 0) / kind.file_name, kind) as segment:
            if kind is Kind.LEDGER:
                _write_ledger(segment, count, steps)
            else:
                segment.append(np.zeros(0, dtype))
    write_json(
        folder / RAMP,
        {
            "number": 1, "name": "many", "run": RUN_ID, "registrants": count, "count": count, "workers": 1,
            "first_person": first_person, "wave": 1, "closed": True, "journey": msgspec.to_builtins(OPTIONS),
        },
    )  # fmt: skip
    write_json(folder / CONTROLLER, {"workers": [{"worker": 0, "state": "finished"}], "issued": count})
    return folder


def _write_ledger(segment: SegmentWriter, count: int, steps: int) -> None:
    numbers = [step.number for step in STEPS[:steps]]
    for start in range(0, count, _BLOCK):
        indices = np.arange(start, min(count, start + _BLOCK))
        entries = np.zeros(indices.size * len(numbers) * 2, LEDGER)
        entries["index"] = np.repeat(indices, 2 * len(numbers))
        entries["step"] = np.tile(np.repeat(numbers, 2), indices.size)
        entries["state"] = np.tile([LedgerState.INTENT, LedgerState.ACKNOWLEDGED], entries.size // 2)
        segment.append(entries)


def write_export(folder: Path, count: int, steps: int, first_person: int = 0) -> int:
    """Write the export that holds every write, kind by kind as the registrar's does, and return the number of rows."""
    rows = 0
    encode = msgspec.json.Encoder().encode
    with gzip.open(folder / STORED, "wb", compresslevel=1) as file:
        for step in STEPS[:steps]:
            for block in _blocks(count, first_person):
                lines = [
                    {"kind": step.name, "key": key_of(RUN_ID, who.index, step.number), **JOURNEY.stored(who, step)}
                    for who in block
                ]
                rows += len(lines)
                file.write(b"\n".join(map(encode, lines)) + b"\n")
        file.write(encode({"kind": "end", "rows": rows, "joined": {}, "quota": {}}) + b"\n")
    return rows


def write_table(path: Path, count: int, first_person: int, people: int) -> None:
    """Write the people [0, people) and the run's own as another system's table; CSV, SQLite or Parquet by the name."""
    persons = itertools.chain(range(people), range(first_person, first_person + count))
    chunks = iter(lambda: list(itertools.islice(persons, _BLOCK)), [])
    if path.suffix == ".csv":
        with path.open("w") as file:
            file.write("id,citizen_id,name,email,phone\n")
            for rows in chunks:
                file.writelines(f'{row["id"]},{row["citizen_id"]},"{row["name"]}",{row["email"]},{row["phone"]}\n'
                                for row in map(_row, rows))  # fmt: skip
        return
    if path.suffix == ".sqlite":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE people (id INTEGER, citizen_id TEXT, name TEXT, email TEXT, phone TEXT)")
            for rows in chunks:
                inserted = "INSERT INTO people VALUES (:id, :citizen_id, :name, :email, :phone)"
                connection.executemany(inserted, list(map(_row, rows)))
            connection.commit()
        return
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [("id", pa.int64()), *((name, pa.string()) for name in ("citizen_id", "name", "email", "phone"))]
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for rows in chunks:
            writer.write_table(pa.Table.from_pylist(list(map(_row, rows)), schema))


def _row(person: int) -> dict[str, Any]:
    profile = PEOPLE.applicant(person)
    return {
        "id": person,
        "citizen_id": profile.nik,
        "name": profile.full_name,
        "email": profile.email,
        "phone": profile.phone,
    }


def _blocks(count: int, first_person: int) -> Iterator[list[Registrant]]:
    for start in range(0, count, _BLOCK):
        yield [
            Registrant(RUN_ID, index, first_person + index, PEOPLE.applicant(first_person + index))
            for index in range(start, min(count, start + _BLOCK))
        ]
