"""What the command line says of an outside table: what it may say is told where it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from prakerja_load.errors import ScenarioError
from prakerja_load.judgement.lookup import TableOrder


@pytest.mark.parametrize("column", ["nik", "nik=", "=citizen_id", " = "])
def test_a_column_that_names_no_field_or_no_column_is_refused_with_what_a_pair_looks_like(column: str) -> None:
    with pytest.raises(ScenarioError) as refusal:
        TableOrder(stored=Path("people.csv"), columns=["email=mail", column]).opened()

    (problem,) = refusal.value.problems
    assert (problem.key, problem.given) == ("--column", repr(column))
    assert problem.allowed == "FIELD=COLUMN, such as nik=citizen_id"
