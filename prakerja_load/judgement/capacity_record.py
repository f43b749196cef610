"""capacity.json: what a capacity search shows, as plain JSON values, with a version that says how to read them.

Schema 1: `{schema, scenario, seed, created, asked, verdict, indonesian, exit_code, ending, interval, limits, knee,
saturation, ramps, registrants, model, steps, …}`, each with the field names of `CapacityJudgement`; `asked.overrides`
are those of the scenario file beside it. Rates are arrivals per second;
`interval.passed` and `interval.failed` are null where no rate shows them; `model` is a fitted law with `gamma` or an
object with the `reason` why there is none, and never a measurement. Numbers as in verdict.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prakerja_load.evidence.run_directory import CAPACITY, write_json
from prakerja_load.judgement.carrying import CapacityJudgement
from prakerja_load.judgement.record import plain

SCHEMA = 1


def capacity_json(judged: CapacityJudgement) -> dict[str, Any]:
    """Return the content of capacity.json; the same judgement gives the same bytes."""
    values: dict[str, Any] = plain(judged)
    return {"schema": SCHEMA, **values, "indonesian": judged.verdict.indonesian}


def write_capacity(judged: CapacityJudgement, folder: Path) -> Path:
    """Write capacity.json into the folder of a search, whole or not at all, and return its path."""
    path = folder / CAPACITY
    write_json(path, capacity_json(judged))
    return path
