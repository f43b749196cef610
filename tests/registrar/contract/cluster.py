"""A PostgreSQL server of the tests' own, from Debian's programs, on a socket in a folder; fsync is on."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from small_disk import SmallDisk

USER = "postgres"


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Cluster:
    """One server with its data; databases are made as they are asked for."""

    def __init__(
        self, bin_folder: Path, *options: str, disk_size: int | None = None, is_log_apart: bool = False
    ) -> None:
        """Make a server; with `disk_size` its data lies on a disk of its own of so many MiB, the log of writes as well
        unless it is apart.
        """
        # PostgreSQL refuses root, and the path of its socket must be short
        self._as_user = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"] if os.geteuid() == 0 else []
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.folder.chmod(0o777)
        self._bin = bin_folder
        self._options = ["-k", str(self.folder), "-c", "listen_addresses=", *options]
        self._made = 0
        self.disk = None if disk_size is None else SmallDisk(self.folder / "disk", disk_size)
        small = [] if disk_size is None else ["--wal-segsize=1"]
        small += ["-X", str(self.folder / "writes")] if is_log_apart else []
        encoding = ["-E", "UTF8", "--locale=C"]
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", USER, "--no-sync", *encoding, *small)
        self.start()

    @property
    def data(self) -> Path:
        """Return the folder of the data."""
        return self.folder / "data" if self.disk is None else self.disk.folder / "data"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs as a user it accepts."""
        inside = [] if self.disk is None else self.disk.inside
        command = [*inside, *self._as_user, self._bin / program, *arguments]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder, timeout=60
        )

    def start(self) -> None:
        """Start the server and wait until it takes connections; after a kill its children may need a moment to go."""
        log = self.folder / "log"
        deadline = time.monotonic() + 20
        while True:
            try:
                self.run("pg_ctl", "-D", self.data, "-w", "-o", " ".join(self._options), "-l", log, "start")
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    @property
    def is_running(self) -> bool:
        """Tell whether the server is there and takes connections."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def revive(self) -> None:
        """Wait until the server takes connections again; start it where it has ended altogether."""
        deadline = time.monotonic() + 20
        while not self.is_running:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            try:
                self.run("pg_ctl", "-D", self.data, "status")
                time.sleep(0.05)
            except subprocess.CalledProcessError:
                self.start()

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server."""
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def kill(self) -> None:
        """Kill the server and every process it started, at once."""
        main = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in (main, *map(int, children)):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """Return the URL of a database that is new and empty."""
        self._made += 1
        name = f"store{self._made}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def remove(self) -> None:
        """Stop the server, unless it has ended, and delete its data."""
        try:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.stop()
        finally:
            if self.disk is not None:
                self.disk.remove()
            shutil.rmtree(self.folder, ignore_errors=True)
