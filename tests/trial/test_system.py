"""The system under test is spoken to at the address that was checked, for whatever it is asked."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from prakerja_load.driver.guard import Target
from prakerja_load.errors import HarnessError
from prakerja_load.trial import system as systems
from prakerja_load.trial.system import People, System

ANSWERS = {
    "/healthz": {"status": "ok"},
    "/lab/position": {"position": "7"},
    "/lab/waves": {"wave": 3},
    "/lab/import": {"total": 2},
    "/lab/civil": {"known": 2},
    "/lab/defects": {},
    "/lab/export": {"kind": "end"},
}


class Laboratory:
    """A system with a laboratory, on a port of loopback; remembers what it was asked and under which name."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refusal = ""  # problem code of whatever it is asked; empty: none
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked.append((path, self.headers["Host"]))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                said = {"type": f"/problems/{outer.refusal}"} if outer.refusal else ANSWERS[path]
                body = json.dumps(said).encode()
                self.send_response(409 if outer.refusal else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 (names of the standard library)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def laboratory() -> Iterator[Laboratory]:
    opened = Laboratory()
    yield opened
    opened.close()


CALLS: dict[str, Callable[[System, Path], object]] = {
    "/healthz": lambda system, _: system.health(),
    "/lab/position": lambda system, _: system.position(),
    "/lab/waves": lambda system, _: system.open_wave("1", 10),
    "/lab/import": lambda system, _: system.import_people(People(1), 0, 2, "x"),
    "/lab/civil": lambda system, _: system.know_people(People(1), 0, 2),
    "/lab/defects": lambda system, _: system.set_defects([]),
    "/lab/export": lambda system, folder: system.export("7", folder / "stored.gz"),
}


@pytest.mark.parametrize("path", CALLS)
def test_no_call_looks_the_name_up_again(
    path: str, laboratory: Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = laboratory.server.server_port
    looked_up: list[str] = []
    resolve = socket.getaddrinfo

    def watch(host: Any, *rest: Any, **options: Any) -> Any:
        looked_up.append(str(host))
        return resolve(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", watch)
    target = Target("http", "staging.example", port, ("127.0.0.1",))

    CALLS[path](System(f"http://staging.example:{port}", target, "token"), tmp_path)

    assert laboratory.asked == [(path, f"staging.example:{port}")]
    assert set(looked_up) <= {"127.0.0.1"}


def spoken_to(laboratory: Laboratory) -> System:
    port = laboratory.server.server_port
    return System(f"http://localhost:{port}", Target("http", "localhost", port, ("127.0.0.1",)), "token")


def test_a_second_run_on_a_store_that_is_not_empty_is_told_what_to_do(laboratory: Laboratory) -> None:
    laboratory.refusal = "import-conflict"

    with pytest.raises(HarnessError, match=r"holds people of an earlier run.*give every run an empty store"):
        spoken_to(laboratory).import_people(People(1), 0, 2, "x")


def test_another_refusal_is_told_as_it_came(laboratory: Laboratory) -> None:
    laboratory.refusal = "import-under-way"

    with pytest.raises(HarnessError, match=r"POST /lab/import answered 409: .*import-under-way"):
        spoken_to(laboratory).import_people(People(1), 0, 2, "x")


@pytest.mark.parametrize(("ask", "nothing"), [(System.health, {}), (System.memory, None)], ids=["health", "memory"])
def test_a_system_that_takes_a_question_and_says_nothing_holds_nobody_up(
    ask: Callable[[System], object], nothing: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systems, "HEALTH_WAIT", 0.2)
    monkeypatch.setattr(systems, "METRICS_WAIT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        system = System(f"http://localhost:{port}", Target("http", "localhost", port, ("127.0.0.1",)), "", timeout=4.0)
        began = time.monotonic()

        assert ask(system) == nothing
        assert time.monotonic() - began < 2.0


def test_an_export_is_saved_packed(laboratory: Laboratory, tmp_path: Path) -> None:
    assert spoken_to(laboratory).export("7", tmp_path / "stored.gz") == len('{"kind": "end"}')
    assert gzip.decompress((tmp_path / "stored.gz").read_bytes()) == b'{"kind": "end"}'
