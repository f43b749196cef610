"""capacity.json says by its schema how it is to be read, and the same judgement gives the same bytes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prakerja_load.judgement.capacity_record import capacity_json, write_capacity
from prakerja_load.judgement.verdict import Verdict


@dataclass(frozen=True)
class Judged:
    """As much of a capacity judgement as its record looks at."""

    verdict: Verdict = Verdict.NOT_SUSTAINED
    limits: tuple[float, ...] = (0.05, math.inf)
    stored: int | None = None


def test_the_record_is_the_judgement_with_its_schema_and_its_verdict_in_indonesian(tmp_path: Path) -> None:
    judged: Any = Judged()
    content = {
        "schema": 1,
        "verdict": "NOT_SUSTAINED",
        "limits": [0.05, "inf"],
        "stored": None,
        "indonesian": "TIDAK LAYAK",
    }
    assert capacity_json(judged) == content

    path = write_capacity(judged, tmp_path)

    assert (path.name, json.loads(path.read_text())) == ("capacity.json", content)
    assert write_capacity(judged, tmp_path).read_bytes() == path.read_bytes()
