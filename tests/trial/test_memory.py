"""Asking the target for its memory: each second while the ramp is played, and not at all where it tells nothing."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from prakerja_load.driver.guard import authorize
from prakerja_load.evidence.memory import read_memory
from prakerja_load.trial.memory import MemoryWatch
from prakerja_load.trial.system import System

PAGE = b"""# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes_other 1
process_resident_memory_bytes 2.5e+07
# EOF
"""


class Target(http.server.BaseHTTPRequestHandler):
    """Answers /metrics with the page of the test."""

    status, page = 200, PAGE

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/metrics" else 500)
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "page", "rss"),
    [
        (200, PAGE, 25_000_000),
        (200, b'process_resident_memory_bytes{job="x"} 7\n', 7),
        (200, b"something else\n", None),
        (404, PAGE, None),
    ],
)
def test_a_system_tells_its_memory_or_none(
    status: int, page: bytes, rss: int | None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "status", status)
    monkeypatch.setattr(Target, "page", page)

    assert System(url, authorize(url), "").memory() == rss


def test_a_system_that_is_gone_tells_none(url: str) -> None:
    assert System("http://127.0.0.1:9", authorize("http://127.0.0.1:9"), "").memory() is None


def test_answers_are_written_down_with_their_instants_until_the_end(tmp_path: Path) -> None:
    told = iter([1, 2, None, 4])
    enough = threading.Event()

    def ask() -> int | None:
        answer = next(told, 5)
        if answer == 5:
            enough.set()
        return answer

    instants = iter(range(100, 1_000_000))
    with MemoryWatch(ask, tmp_path / "m", every=0.001, clock=lambda: next(instants)):
        assert enough.wait(10)

    found = read_memory(tmp_path / "m", 100).tolist()
    assert found[:2] == [[0, 2], [1, 4]]  # the first answer only tells that there will be others
    assert [sample[1] for sample in found[2:]] == [5] * (len(found) - 2)
    assert len(found) >= 3


def test_where_the_target_tells_nothing_nobody_asks_again(tmp_path: Path) -> None:
    asked: list[int] = []

    def ask() -> int | None:
        asked.append(1)
        return None

    with MemoryWatch(ask, tmp_path / "m", every=0.001):
        pass

    assert (len(asked), (tmp_path / "m").exists()) == (1, False)
