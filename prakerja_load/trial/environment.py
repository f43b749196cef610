"""What the run ran on: read once before the first request and kept with the evidence."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.run_directory import read_json

REPORTS = Path("reports")
DOCTOR = "doctor.json"  # beside the run directories
PACKAGES = ("prakerja-load", "locust", "uvloop", "httptools", "apsw", "msgspec", "numpy", "pandas", "faker")


def describe(reports: Path = REPORTS) -> dict[str, str]:
    """Return the machine, its clocks, the versions and what the doctor last said of it, as label → text.

    The doctor is quoted from `reports`, or from the folder it writes to by default.
    """
    facts = {
        **identity(),
        "python": sys.version.split()[0],
        "clock source": _first_line(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }
    return facts | {f"version of {name}": _version(name) for name in PACKAGES} | _doctored(reports)


def identity() -> dict[str, str]:
    """Return what tells one machine from another."""
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
    }


def _doctored(reports: Path) -> dict[str, str]:
    """Return what the doctor wrote down; a result of another machine says nothing of this one."""
    place = reports if (reports / DOCTOR).exists() else REPORTS
    try:
        said = read_json(place / DOCTOR)
        is_ours, labels = said["machine"] == identity(), {str(name): str(text) for name, text in said["labels"].items()}
    except (EvidenceError, AttributeError, KeyError, TypeError):
        return {"doctor": "not asked on this machine: prakerja-load doctor"}
    return labels if is_ours else {"doctor": "asked on another machine only: prakerja-load doctor"}


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
