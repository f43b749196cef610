"""Servers and wrk as processes on cores of their own: started, waited for, listened to, and ended to the last one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from generators import ROOT, processes_below
from servers.pinned import LAB_TOKEN

SCRIPT = Path(__file__).with_name("create_account.lua")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start(command: list[str], cores: set[int]) -> subprocess.Popen[bytes]:
    """Start a server of the comparison on these cores."""
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "PRAKERJA_LAB_TOKEN": LAB_TOKEN, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def end(server: subprocess.Popen[bytes]) -> None:
    """Kill a server and everything in its group."""
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def end_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and everything below it, and wait until nothing of it writes any more."""
    below = processes_below(process.pid)
    for pid in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    while any(_is_alive(pid) for pid in below):
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wrk(port: int, seconds: int, connections: int, cores: set[int], who: int = 0) -> subprocess.Popen[str]:
    """Start wrk, which creates accounts of names that nobody else called `who` uses."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", str(SCRIPT)]
    return subprocess.Popen(
        [*command, f"http://127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WHO": str(who)},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def said_by(load: subprocess.Popen[str]) -> tuple[int, int, float, float]:
    """Wait for wrk and return accounts created, requests failed, accounts/s, p99."""
    said, _ = load.communicate()
    found = re.search(r"created (\d+) failed (\d+) seconds ([\d.]+) p99 ([\d.]+)", said)
    if found is None:
        raise SystemExit(said)
    created = int(found[1])
    return created, int(found[2]), created / float(found[3]), float(found[4])


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server listens; ends the program when it never does."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{server.args!r} does not listen")
