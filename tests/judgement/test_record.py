"""verdict.json: plain values that any reader of JSON can take in."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from synthetic import Ramp, run_directory

from prakerja_load.journey.step import Outcome
from prakerja_load.judgement.judge import judge_run
from prakerja_load.judgement.record import SCHEMA, plain, write_verdict


def test_the_record_holds_the_verdict_of_every_ramp(tmp_path: Path) -> None:
    ramp = Ramp().fail(1, slice(0, None, 7), Outcome.TIMEOUT)
    path = run_directory(tmp_path / "run", [ramp])

    record = json.loads(write_verdict(judge_run(path), path).read_text())

    assert (path / "verdict.json").is_file()
    assert (record["schema"], record["verdict"], record["indonesian"]) == (SCHEMA, "NOT_SUSTAINED", "TIDAK LAYAK")
    assert record["exit_code"] == 1
    first = record["ramps"][0]
    assert {"name", "registrants", "verdict", "reasons", "counts", "integrity"} <= set(first)
    assert (first["registrants"], first["counts"]["offered"]) == (600_000, 6_500)
    assert first["integrity"]["verdict"] == "SUSTAINED"
    assert first["journey"]["elapsed"]["p99"]["value"] == "inf"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, None),
        (1.5, 1.5),
        (3, 3),
        (None, None),
        ("a", "a"),
        (True, True),
    ],
)
def test_numbers_that_json_lacks_are_written_as_documented(value: object, written: object) -> None:
    assert plain({"key": (value,)}) == {"key": [written]}
