"""What the run ran on: read once before the first request and kept with the evidence."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("prakerja-load", "locust", "uvloop", "httptools", "apsw", "uvicorn", "msgspec", "numpy", "pandas", "faker")


def describe() -> dict[str, str]:
    """Return the machine, the clocks and the versions as label → text."""
    facts = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "clock source": _first_line(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }
    return facts | {f"version of {name}": _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        # a checkout used in place, without being installed
        from prakerja_load import __version__

        return __version__ if name == "prakerja-load" else "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"
