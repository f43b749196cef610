"""The registrar as a process: ready line, raw HTTP, SIGKILL under load, SIGTERM without an error to anybody."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest
from asgi import LAB_TOKEN, Answer, in_loop
from people import Person
from server_process import ServerProcess, StartServer
from wire import Wire

ENVIRONMENT = {**os.environ, "PRAKERJA_LAB_TOKEN": LAB_TOKEN}
BROKEN = (ConnectionError, asyncio.IncompleteReadError)


class Crowd:
    """Clients that make one account after another until their connection ends."""

    def __init__(self, url: str, first: int) -> None:
        self.url = url
        self.acknowledged: set[str] = set()
        self.in_doubt: dict[str, Person] = {}  # asked for, not answered
        self.broken = 0
        self.goodbyes = 0
        self.refused: list[Answer] = []
        self._next = first

    async def run(self, clients: int) -> None:
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def has_made(self, accounts: int) -> None:
        async with asyncio.timeout(30):
            while len(self.acknowledged) < accounts:
                await asyncio.sleep(0.005)

    async def _client(self) -> None:
        wire = await Wire.open(self.url)
        try:
            while await self._account(wire):
                pass
        except BROKEN:
            self.broken += 1
        finally:
            await wire.close()

    async def _account(self, wire: Wire) -> bool:
        person = Person(self._next)
        self._next += 1
        key = person.key("create-account")
        self.in_doubt[key] = person
        answer = await wire.send("POST", "/api/v1/accounts", person.account, idempotency_key=key)
        del self.in_doubt[key]
        if answer.status == 201:
            self.acknowledged.add(key)
        else:
            self.refused.append(answer)
        if answer.headers.get("connection") == "close":
            self.goodbyes += 1
            assert await wire.is_closed()
            return False
        return True


async def exported_keys(url: str) -> list[str]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /lab/export HTTP/1.0\r\nLab-Token: {LAB_TOKEN}\r\n\r\n".encode())
    content = await reader.read()
    writer.close()
    await writer.wait_closed()
    rows = [json.loads(line) for line in content.splitlines() if line.startswith(b"{")]
    assert rows[-1]["kind"] == "end"
    return [row["key"] for row in rows[:-1]]


def test_the_ready_line_says_where_and_on_what(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    assert server.ready["event"] == "ready"
    assert server.ready["database"] == f"sqlite:{tmp_path / 'store.db'}"
    assert server.url.startswith("http://127.0.0.1:")


def cpu_of(server: ServerProcess) -> float:
    """Return the CPU seconds that a server has used: of a start that does not depend on who else uses the machine."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Lives:
    """One store through the lives of its server: what was acknowledged in any of them, what is in doubt."""

    def __init__(self, start_server: StartServer) -> None:
        self._start_server = start_server
        self.server = start_server()
        self.first_start = cpu_of(self.server)  # on an empty store
        self.starts: list[float] = []  # CPU seconds of the others
        self.acknowledged: set[str] = set()
        self.in_doubt: dict[str, Person] = {}
        self.doubted = 0
        self.slowest_start = 0.0

    def end_one(self, first: int, accounts: int) -> None:
        """Kill the server under load and start it again."""
        asyncio.run(self._load(first, accounts))
        self.server.end()
        began = time.monotonic()
        self.server = self._start_server()
        self.slowest_start = max(self.slowest_start, time.monotonic() - began)
        self.starts.append(cpu_of(self.server))

    def check(self) -> None:
        """Compare the store with what the clients know, then ask again for what is in doubt."""
        stored = self._stored()
        assert self.acknowledged <= stored <= self.acknowledged | self.in_doubt.keys()
        self.doubted += len(self.in_doubt)
        asyncio.run(self._ask_again())
        assert self._stored() == self.acknowledged

    async def _load(self, first: int, accounts: int) -> None:
        crowd = Crowd(self.server.url, first)
        running = asyncio.ensure_future(crowd.run(20))
        await crowd.has_made(accounts)
        self.server.process.send_signal(signal.SIGKILL)
        await running
        assert crowd.broken > 0
        assert not crowd.refused
        self.acknowledged |= crowd.acknowledged
        self.in_doubt = crowd.in_doubt

    async def _ask_again(self) -> None:
        wire = await Wire.open(self.server.url)
        for key, person in self.in_doubt.items():
            answer = await wire.send("POST", "/api/v1/accounts", person.account, idempotency_key=key)
            assert answer.status == 201
            self.acknowledged.add(key)
        await wire.close()

    def _stored(self) -> set[str]:
        keys = asyncio.run(exported_keys(self.server.url))
        assert len(keys) == len(set(keys))
        return set(keys)


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_an_acknowledged_account_outlives_every_sigkill(start_server: StartServer, kills: int) -> None:
    chance = random.Random(kills)
    lives = Lives(start_server)
    for life in range(kills):
        lives.end_one(life * 100_000, chance.randint(20, 200))
        lives.check()
    assert len(lives.acknowledged) >= 20 * kills
    assert lives.doubted > 0
    assert statistics.median(lives.starts) <= 1.5 * lives.first_start
    if kills == 100:  # the seconds themselves: of an idle machine only
        assert lives.slowest_start <= 3


def test_sigterm_lets_everybody_finish(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()

    @in_loop
    async def scenario() -> None:
        crowd = Crowd(server.url, 0)
        idle = await Wire.open(server.url)
        await idle.send("GET", "/healthz")
        running = asyncio.ensure_future(crowd.run(20))
        await crowd.has_made(200)
        server.process.send_signal(signal.SIGTERM)
        await running
        assert (crowd.broken, crowd.goodbyes, crowd.refused) == (0, 20, [])
        assert await idle.is_closed()
        await idle.close()
        assert await asyncio.to_thread(server.process.wait, 12) == 0
        connection = apsw.Connection(str(tmp_path / "store.db"))
        keys = {key for (key,) in connection.execute("SELECT key FROM accounts")}
        connection.close()
        assert crowd.acknowledged == keys

    scenario()
    assert not (tmp_path / "store.db-wal").exists()
    assert server.log.read_text() == ""


def test_a_silent_request_does_not_keep_the_server_from_ending(start_server: StartServer) -> None:
    server = start_server()

    @in_loop
    async def scenario() -> None:
        wire = await Wire.open(server.url)
        await wire.send("POST", "/lab/defects", {"defects": [{"name": "mute"}]}, lab_token=LAB_TOKEN)
        waiting = asyncio.ensure_future(wire.send("GET", "/api/v1/waves/current"))
        other = await Wire.open(server.url)
        assert (await other.send("GET", "/healthz")).status == 200
        assert not waiting.done()
        await wire.close()
        await other.close()
        with pytest.raises(BROKEN):
            await waiting

    scenario()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(12) == 0


def test_a_second_registrar_on_the_same_store_is_refused(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    second = subprocess.run(
        [sys.executable, "-m", "prakerja_load.registrar", "--database", f"sqlite:{tmp_path / 'store.db'}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 2
    assert "belongs to another registrar" in second.stderr


@pytest.mark.parametrize(("name", "content"), [("nowhere/store.db", None), ("store.db", b"not a database" * 500)])
def test_a_file_that_cannot_be_a_store_is_said_in_a_sentence(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "prakerja_load.registrar", "--database", f"sqlite:{tmp_path / name}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"--database: cannot open sqlite:{tmp_path / name}: ")
    assert len(ended.stderr.splitlines()) == 1


def test_an_address_in_use_is_said_in_a_sentence(start_server: StartServer, tmp_path: Path) -> None:
    port = start_server().url.rpartition(":")[2]
    database = f"sqlite:{tmp_path / 'other.db'}"
    second = subprocess.run(
        [sys.executable, "-m", "prakerja_load.registrar", "--database", database, "--port", port],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 4
    assert second.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: ")


RAW = [
    (b"NOT HTTP AT ALL\r\n\r\n", 400, "malformed-request"),
    (b"GET / HTTP/9.9\r\n\r\n", 400, "malformed-request"),
    (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed-request"),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431, "headers-too-large"),
    (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, "headers-too-large"),
    (b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not-found"),
    (b"POST /api/v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413, "body-too-large"),
    (b"POST /api/v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400, "malformed-request"),
    (b"PATCH /api/v1/accounts HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method-not-allowed"),
]


def test_raw_bytes_are_answered_in_the_400s(start_server: StartServer) -> None:
    url = start_server().url

    @in_loop
    async def scenario() -> None:
        for content, status, problem in RAW:
            wire = await Wire.open(url)
            answer = await wire.send_raw(content)
            assert (answer.status, answer.problem) == (status, problem), content[:40]
            await wire.close()
        wire = await Wire.open(url)
        assert (await wire.send("GET", "/healthz")).status == 200
        await wire.close()

    scenario()
