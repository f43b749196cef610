"""The real registrar dies under load and comes back: nothing that it acknowledged is gone."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from command import ROOT, begin, environment, read_until, the_run, verdict_of

GATE = Path(__file__).parent / "gate.toml"
TOKEN = "a-token-for-this-test"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def registrar(port: int, store: Path) -> Iterator[subprocess.Popen[str]]:
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--database", f"sqlite:{store}", "--lab"]
    process = subprocess.Popen(
        [sys.executable, "-m", "prakerja_load.registrar", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(PRAKERJA_LAB_TOKEN=TOKEN),
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_registrar_killed_under_load_has_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    port, store, reports = free_port(), tmp_path / "store.db", tmp_path / "reports"
    target = ("--target", f"http://127.0.0.1:{port}")
    with registrar(port, store) as first:
        run = begin("run", GATE, *target, "--reports", reports, PRAKERJA_LAB_TOKEN=TOKEN)
        read_until(run, "holding")
        first.send_signal(signal.SIGKILL)
        first.wait()
        with registrar(port, store):
            out = run.communicate(timeout=120)[0]

    (ramp,) = verdict_of(the_run(reports))["ramps"]
    integrity = ramp["integrity"]
    assert run.returncode in {1, 3}, out  # the registrants of that moment were turned away
    assert integrity["acknowledged"] > 5_000
    assert {name: integrity[name] for name in ("lost", "duplicate", "corrupted", "unexpected", "unverified")} == {
        "lost": 0,
        "duplicate": 0,
        "corrupted": 0,
        "unexpected": 0,
        "unverified": 0,
    }
    assert integrity["in_doubt"] == integrity["landed"] + integrity["not_landed"] > 0
    assert integrity["verdict"] == "SUSTAINED"
