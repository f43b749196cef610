"""Both stores for the contract: every test that takes `laboratory` or `start_server` runs on each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # after the folder above, whose conftest is meant by its bare name

import asgi
from cluster import Cluster, programs
from server_process import ServerProcess
from stores import laboratory_on

STORES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    found = programs()
    if found is None:
        pytest.skip("no initdb: PostgreSQL's programs are not installed")
    made = Cluster(found)
    yield made
    made.remove()


@pytest.fixture(params=[STORES[0], pytest.param(STORES[1], marks=pytest.mark.postgresql)])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def new_database(
    store: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[], str]:
    """Return a way to get the argument of `--database` for a new store of this test's kind."""
    if store == "postgresql":
        return request.getfixturevalue("cluster").new_database  # type: ignore[no-any-return]
    return lambda: f"sqlite:{tmp_path_factory.mktemp('store') / 'store.db'}"


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def laboratory(database: str) -> asgi.Laboratory:
    return laboratory_on(database)


@pytest.fixture
def start_server(database: str, tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Return a way to start registrar processes on the test's one database."""
    started: list[ServerProcess] = []

    def start(*arguments: str) -> ServerProcess:
        log = tmp_path / f"registrar{len(started)}.db"
        started.append(ServerProcess(log, "--database", database, *arguments))
        return started[-1]

    yield start
    for server in started:
        server.end()
