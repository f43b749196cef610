"""When a ramp is over, told from its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prakerja_load.evidence.run_directory import ABORTED, CONTROLLER, RAMP, write_json
from prakerja_load.trial.ramp import is_over

CLOSED, OPEN = {RAMP: {"closed": True}}, {RAMP: {"closed": False}}
LED, INTERRUPTED = {CONTROLLER: {"interrupted": False}}, {CONTROLLER: {"interrupted": True}}

FOLDERS: dict[str, tuple[dict[str, Any], bool]] = {
    "played to its end": ({**CLOSED, **LED}, True),
    "ended by its abort_on": ({**CLOSED, **INTERRUPTED, ABORTED: {"reason": "p99"}}, True),
    "ended by Ctrl-C": ({**CLOSED, **INTERRUPTED}, False),
    "ended by Ctrl-C before anybody led it": (CLOSED, False),
    "killed": ({**OPEN, **LED}, False),
    "being filled": ({}, False),
    "without sense": ({RAMP: [1], CONTROLLER: [2]}, False),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_ramp_is_over_when_it_ran_to_an_end_that_no_person_chose(name: str, tmp_path: Path) -> None:
    files, is_it = FOLDERS[name]
    for file, value in files.items():
        write_json(tmp_path / file, value)

    assert is_over(tmp_path) is is_it
