"""Registrars for tests: in the test's own loop, or as a process of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import asgi
from server_process import ServerProcess, StartServer


@pytest.fixture
def laboratory(tmp_path: Path) -> asgi.Laboratory:
    return asgi.laboratory_in(tmp_path)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    started: list[ServerProcess] = []

    def start(*arguments: str, name: str = "store.db") -> ServerProcess:
        started.append(ServerProcess(tmp_path / name, *arguments))
        return started[-1]

    yield start
    for server in started:
        server.end()
