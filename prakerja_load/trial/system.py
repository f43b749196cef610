"""The system under test as the trial sees it: prefilled, asked for its position, exported, never under load from here.

Speaks to the laboratory endpoints of the reference registrar over plain HTTP; a real system without them is
ramped all the same, and its integrity is then said to be unverified.
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import ssl
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prakerja_load.applicants import stream
from prakerja_load.driver.guard import CheckedConnection, Target
from prakerja_load.errors import HarnessError
from prakerja_load.journey.answer import problem_code
from prakerja_load.units import Seconds

METRICS_WAIT: Seconds = 2.0
HEALTH_WAIT: Seconds = 10.0
_RESIDENT = re.compile(rb"^process_resident_memory_bytes(?:\{[^}]*\})? ([0-9.eE+]+)", re.MULTILINE)
CHUNK = 50_000  # applicants in one import request
NDJSON = "application/x-ndjson"


@dataclass(frozen=True)
class People:
    """Which population the persons of a run come from."""

    seed: int
    dialable: bool = False


class System:
    """A client of one system under test; a new connection for every call, so that none is left open under load."""

    def __init__(
        self,
        url: str,
        target: Target,
        lab_token: str,
        timeout: Seconds = 300.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._target = target  # checked by the guard: its name is not looked up again
        self._lab_token = lab_token
        self._timeout = timeout
        self._tls = tls

    @property
    def has_laboratory(self) -> bool:
        """Tell whether this run holds a token for laboratory endpoints."""
        return bool(self._lab_token)

    @property
    def secrets(self) -> dict[str, str]:
        """Return the environment variables that give the generator's processes the laboratory token."""
        return {"PRAKERJA_LAB_TOKEN": self._lab_token}

    def health(self) -> dict[str, Any]:
        """Return what the system says of itself; empty when it has no health page, or none that answers in time."""
        try:
            status, body = self._call("GET", "/healthz", timeout=HEALTH_WAIT)
            said = json.loads(body) if status == http.client.OK else {}
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        return said if isinstance(said, dict) else {}

    def memory(self) -> int | None:
        """Return the resident bytes that the system's /metrics tell, None where it tells none in time."""
        try:
            status, body = self._call("GET", "/metrics", timeout=METRICS_WAIT)
        except (OSError, http.client.HTTPException):
            return None
        found = _RESIDENT.search(body) if status == http.client.OK else None
        return int(float(found[1])) if found else None

    def position(self) -> str:
        """Return the token of "now" in the system's export."""
        return str(self._lab("GET", "/lab/position")["position"])

    def open_wave(self, name: str, quota: int) -> int:
        """Open a new current wave and return its number."""
        return int(self._lab("POST", "/lab/waves", json.dumps({"name": name, "quota": quota}).encode())["wave"])

    def import_people(
        self, people: People, start: int, stop: int, password: str, told: Callable[[int], None] = lambda _: None
    ) -> int:
        """Store the persons [start, stop) as complete registrants and return how many the system now holds.

        The next chunk is made while the system stores the last one. `told` hears how many are stored.
        """
        total = 0
        for done, more, chunk in _ahead(_chunks(people, start, stop, stream.import_lines)):
            headers = {"Import-Password": password, **({"Import-More": "true"} if more else {})}
            total = int(self._lab("POST", "/lab/import", chunk, NDJSON, headers)["total"])
            told(done)
        return total

    def know_people(self, people: People, start: int, stop: int) -> int:
        """Tell the civil registry stub of the persons [start, stop) and return how many people it knows."""
        known = 0
        for _, _, chunk in _ahead(_chunks(people, start, stop, stream.civil_lines)):
            known = int(self._lab("POST", "/lab/civil", chunk, NDJSON)["known"])
        return known

    def set_defects(self, defects: list[dict[str, Any]]) -> None:
        """Replace the laboratory's injected defects."""
        self._lab("POST", "/lab/defects", json.dumps({"defects": defects}).encode())

    def export(self, position: str, path: Path) -> int:
        """Save what journeys stored after `position` as gzipped lines; return the number of bytes read.

        The file appears under its name only when the export is complete on disk.
        """
        part = path.with_suffix(path.suffix + ".part")
        connection = self._connect()
        read = 0
        try:
            connection.request("GET", f"/lab/export?after={position}", headers=self._headers({}))
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise HarnessError(f"the export answered {answer.status}: {answer.read(300)!r}")
            with gzip.open(part, "wb", compresslevel=1) as saved:
                while block := answer.read(1 << 20):
                    read += len(block)
                    saved.write(block)
        except (OSError, http.client.HTTPException) as error:
            raise HarnessError(f"the export broke off after {read} bytes: {error}") from error
        finally:
            connection.close()
        part.replace(path)
        return read

    def _lab(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            status, answer = self._call(method, path, body, {"Content-Type": content_type, **(headers or {})})
        except (OSError, http.client.HTTPException) as error:
            raise HarnessError(f"{method} {path.partition('?')[0]} at {self.url} failed: {error}") from error
        if problem_code(answer) == "import-conflict":
            raise HarnessError(
                f"{self.url} holds people of an earlier run, and this run would store them again: give every run an "
                "empty store, such as a new one of `prakerja-load serve --database sqlite:another.db` (import-conflict)"
            )
        if status >= http.client.BAD_REQUEST:
            text = answer[:300].decode(errors="replace")
            raise HarnessError(f"{method} {path.partition('?')[0]} answered {status}: {text}")
        said = json.loads(answer)
        assert isinstance(said, dict)
        return said

    def _call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        timeout: Seconds | None = None,
    ) -> tuple[int, bytes]:
        connection = self._connect()
        connection.timeout = timeout or connection.timeout
        try:
            connection.request(method, path, body or None, self._headers(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        lab = {"Lab-Token": self._lab_token} if self._lab_token else {}
        return {**lab, "Connection": "close", **headers}

    def _connect(self) -> http.client.HTTPConnection:
        return CheckedConnection(self._target, self._timeout, self._tls)


def _chunks(people: People, start: int, stop: int, lines: Callable[..., bytes]) -> Iterator[tuple[int, bool, bytes]]:
    """Yield (people so far, whether more follow, the chunk)."""
    for first in range(start, stop, CHUNK):
        last = min(first + CHUNK, stop)
        yield last - start, last < stop, lines(people.seed, first, last, dialable=people.dialable)


def _ahead(chunks: Iterable[tuple[int, bool, bytes]]) -> Iterator[tuple[int, bool, bytes]]:
    """Yield the chunks, making each while its predecessor is in use."""
    source = iter(chunks)
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, source, None)
        while (chunk := coming.result()) is not None:
            coming = maker.submit(next, source, None)
            yield chunk
