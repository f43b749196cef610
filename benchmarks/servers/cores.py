"""The two cores that a benchmark pins its sides to."""

from __future__ import annotations

import os
import sys


def two_cores(allowed: set[int] | None = None) -> tuple[int, int]:
    """Return the core of the server and that of the generator; ends the program with 2 when there is only one.

    On one core each side would be measured with the other in its way, and the figure would be nobody's.
    """
    cores = sorted(os.sched_getaffinity(0) if allowed is None else allowed)
    if len(cores) < 2:
        given = ", ".join(map(str, cores)) or "none"
        sys.stderr.write(f"cores: got {given}, allowed: two or more, one for the server and one for the generator\n")
        raise SystemExit(2)
    return cores[0], cores[-1]
