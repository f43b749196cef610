"""A registrar as a process of its own that says when it is ready."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asgi


class ServerProcess:
    """`python -m prakerja_load.registrar` on a store; made when its ready line has come."""

    def __init__(self, database: Path, *arguments: str) -> None:
        self.database = database
        self.log = database.with_suffix(".log")
        command = [sys.executable, "-m", "prakerja_load.registrar", "--database", f"sqlite:{database}", *arguments]
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                [*command, "--lab"],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PRAKERJA_LAB_TOKEN": asgi.LAB_TOKEN},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the registrar did not start: {self.log.read_text()}"
        self.ready = json.loads(line)
        self.url: str = self.ready["url"]

    def end(self) -> None:
        """Kill the process if it still runs and collect it."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


StartServer = Callable[..., ServerProcess]
