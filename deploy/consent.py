"""Print the file by which a target allows load for some hours: `python consent.py HOST PORT [MAX_RPS] [HOURS]`.

The target serves it at /.well-known/prakerja-load.json; taking it away stops the load. The token is made with the
project's key, which is read from PRAKERJA_PROJECT_KEY. Needs nothing but Python.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import os
import sys


def consent(key: str, host: str, port: int, max_rps: float, hours: float) -> dict[str, object]:
    """Return what the file says."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return {
        "token": hmac.new(key.encode(), f"{host}:{port}".encode(), hashlib.sha256).hexdigest(),
        "max_rps": max_rps,
        "not_before": now.isoformat(),
        "not_after": (now + datetime.timedelta(hours=hours)).isoformat(),
        "contact": os.environ.get("PRAKERJA_CONTACT", "nobody was named"),
    }


def main(arguments: list[str]) -> int:
    """Print the file, or what is missing."""
    key = os.environ.get("PRAKERJA_PROJECT_KEY", "")
    try:
        if not key:
            raise ValueError("PRAKERJA_PROJECT_KEY must hold the project's key")
        host, port, *limits = arguments
        max_rps, hours = (*map(float, limits), *(5_000.0, 8.0)[len(limits) :])
        sys.stdout.write(json.dumps(consent(key, host, int(port), max_rps, hours), indent=2) + "\n")
    except ValueError as mistake:
        sys.stderr.write(f"HOST PORT [MAX_RPS] [HOURS]: {mistake}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
