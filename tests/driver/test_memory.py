"""A worker is as large at two million arrivals as at two hundred thousand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "ramp_of_many.py"
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_memory_of_a_worker_does_not_grow_with_the_number_of_arrivals(tmp_path: Path) -> None:
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "driver", ROOT / "tests" / "simulation")))
    played = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path), "2000000"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert played.returncode == 0, played.stderr
    sizes = {int(arrivals): size for arrivals, size in json.loads(played.stdout).items()}

    assert max(sizes) >= 1_960_000
    assert max(size for arrivals, size in sizes.items() if arrivals > 200_000) <= 1.1 * sizes[200_000]
