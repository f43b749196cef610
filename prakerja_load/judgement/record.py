"""verdict.json: a judgement as plain JSON values, with a version that says how to read them.

Schema 1: `{schema, scenario, run, seed, created, verdict, indonesian, exit_code, ramps, …}`; `ramps` is an array, each
with `name`, `registrants`, `verdict`, `reasons`, `counts`, `integrity` and the rest of `RampJudgement` by its own
field names. Verdicts are their identifiers. JSON has no infinity: a bound or quantile without end is the string
"inf" or "-inf", and what was not measured (NaN) is null.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from prakerja_load.evidence.run_directory import VERDICT, write_json
from prakerja_load.judgement.verdict import RunJudgement, Verdict

SCHEMA = 1


def verdict_json(run: RunJudgement) -> dict[str, Any]:
    """Return the content of verdict.json; the same judgement gives the same bytes."""
    values: dict[str, Any] = plain(run)
    return {"schema": SCHEMA, **values, "indonesian": run.verdict.indonesian}


def write_verdict(run: RunJudgement, directory: Path) -> Path:
    """Write verdict.json into a run directory, whole or not at all, and return its path; raises EvidenceError."""
    path = directory / VERDICT
    write_json(path, verdict_json(run))
    return path


def plain(value: Any) -> Any:
    """Return a judgement, or any part of one, as plain JSON values."""
    match value:
        case Verdict():
            return value.name
        case float():
            return _number(value)
        case tuple() | list():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)
