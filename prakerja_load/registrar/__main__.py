"""`python -m prakerja_load.registrar`: the reference registration server as a process."""

from __future__ import annotations

import sys

from prakerja_load.errors import PrakerjaLoadError
from prakerja_load.registrar import logs, serving, settings


def main() -> int:
    """Serve until told to stop and return the exit status."""
    try:
        given = settings.parse()
        logs.configure(given.log_level)
        serving.run(given)
    except PrakerjaLoadError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
