"""Two hundred workers are led by one controller, with room to spare on one core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_controller_leads_two_hundred_workers_with_less_than_six_tenths_of_a_core() -> None:
    """The table's program itself fails where a worker, an arrival or a sample is lost."""
    measured = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "controller.py"), "--workers", "200", "--seconds", "10"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert measured.returncode == 0, measured.stderr
    _, _, *rows = measured.stdout.splitlines()
    assert len(rows) == 2
    for row, who in zip(rows, ("200", "200 from elsewhere"), strict=True):
        workers, share, beats, merged, slowest = (cell.strip() for cell in row.strip("|").split("|"))

        assert workers == who
        assert int(share.rstrip("%")) < 60, measured.stdout
        assert float(slowest.rstrip(" s")) < 3.0  # a silence after which workers go their own way
        assert float(beats) > 200
        assert int(merged) == 16 * round(80_000 / 60 * 17)
