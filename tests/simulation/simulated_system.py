"""The system under test of a simulation: the rules of the contract behind a queue, spoken to in HTTP."""

from __future__ import annotations

import gzip
import http
import json
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from fake_system import FakeSystem
from simulated_faults import Fault
from simulated_network import Call
from virtual_loop import VirtualLoop

from prakerja_load.journey.step import Response


@dataclass(frozen=True)
class Step:
    name: str


@dataclass
class Asked:
    """A request as the rules read it."""

    method: str
    path: str
    body: bytes
    content_type: str
    token: str
    key: str
    is_lab: bool
    call: Caller

    @property
    def step(self) -> Step:
        return Step(f"{self.method} {self.path}")


class Caller:
    """One connection at the system's end."""

    def __init__(self, model: SystemModel, call: Call) -> None:
        self._model, self.call, self._heard, self.is_there = model, call, b"", True

    def hung_up(self) -> None:
        self.is_there = False

    def heard(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n\r\n" in self._heard:
            head, _, rest = self._heard.partition(b"\r\n\r\n")
            first, *lines = head.decode("ascii").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._heard = rest[length:]
            method, path, _ = first.split(" ")
            self._model.take(
                Asked(
                    method,
                    path,
                    rest[:length],
                    headers.get("content-type", ""),
                    headers.get("authorization", "").removeprefix("Bearer "),
                    headers.get("idempotency-key", ""),
                    "lab-token" in headers,
                    self,
                )
            )


class SystemModel:
    """`servers` work on requests in the order of arrival, each for an exponential time of mean `service` seconds."""

    def __init__(
        self, loop: VirtualLoop, random: Random, rules: FakeSystem, fault: Fault, servers: int, service: float
    ) -> None:
        self._loop, self._random, self.rules, self.fault = loop, random, rules, fault
        self._free, self._service = servers, service
        self.prefilled = len(rules.niks)  # complete registrants whom the store holds before anybody arrives
        self._queue: deque[Asked] = deque()
        self.epoch = 0.0
        self.requests = self.touched = 0
        self.tampered: Counter[str] = Counter()  # keys, by what was done to their row

    def accept(self, call: Call) -> Caller:
        return Caller(self, call)

    def take(self, asked: Asked) -> None:
        self.requests += 1
        name = self.fault.name
        if name == "mute":
            return
        if name in ("reset", "silence", "shed") and self._is_drawn():
            if name == "reset":
                asked.call.call.reset()
            elif name == "shed":
                self._send(asked, Response(503, b'{"type": "/problems/busy"}', 1.0))
            return
        self._queue.append(asked)
        self._work()

    def _is_drawn(self) -> bool:
        drawn = self._random.random() < self.fault.share
        self.touched += drawn
        return drawn

    def _work(self) -> None:
        while self._free and self._queue:
            self._free -= 1
            asked = self._queue.popleft()
            self._loop.call_later(self._stalled() + self._random.expovariate(1 / self._service), self._finish, asked)

    def _stalled(self) -> float:
        fault, now = self.fault, self._loop.time() - self.epoch
        is_stalled = fault.name == "stall" and fault.at <= now < fault.at + fault.seconds
        return fault.at + fault.seconds - now if is_stalled else 0.0

    def _finish(self, asked: Asked) -> None:
        self._free += 1
        name, is_drawn = self.fault.name, self.fault.name in _SPOILED and self._is_drawn()
        if is_drawn and name == "error":
            self._send(asked, _problem(500))
        else:
            effects = self.rules.effects
            response = self.rules(asked)
            if self.rules.effects > effects and response.status < 300:
                self._tamper(asked.key)
            wait = self.fault.seconds if name == "slow" else 0.0
            self._loop.call_later(wait, self._send, asked, response, name if is_drawn else "")
        self._work()

    def _tamper(self, key: str) -> None:
        rows, name = self.rules.rows, self.fault.name
        has_row = bool(rows) and rows[-1]["key"] == key
        if not has_row or name not in ("lose-write", "duplicate-write", "corrupt-write") or not self._is_drawn():
            return
        self.tampered[key] += 1
        if name == "lose-write":
            rows.pop()
        elif name == "duplicate-write":
            rows.append(dict(rows[-1]))
        else:
            field = next(field for field in reversed(rows[-1]) if field not in ("kind", "key"))
            rows[-1][field] = _altered(rows[-1][field])

    def _send(self, asked: Asked, response: Response, spoiled: str = "") -> None:
        call = asked.call.call
        if not asked.call.is_there:
            return
        if spoiled == "lose-answer":
            call.reset()
            return
        if spoiled == "error-after-store":
            response = _problem(500)
        retry = b"retry-after: %d\r\n" % response.retry_after if response.retry_after else b""
        body = response.body[: len(response.body) // 2] if spoiled == "garble" else response.body
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\n" % (
            response.status, http.HTTPStatus(response.status).phrase.encode()
        )  # fmt: skip
        whole = head + retry + b"content-length: %d\r\n\r\n" % len(body) + body
        if spoiled == "truncate":
            call.answer(whole[: len(whole) - max(1, len(body) // 2)])
            call.end()
        else:
            call.answer(whole)

    # what an operator can do

    def export(self, path: Path) -> int:
        """Write every stored row and the end line, as the laboratory's export does."""
        rows = self.rules.rows
        joined = sum(row["kind"] == "join-wave" for row in rows)
        end = {
            "kind": "end",
            "rows": len(rows),
            "before": self.prefilled,
            "joined": {"1": joined},
            "quota": {"1": self.rules.quota},
        }
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.writelines(json.dumps(row).encode() + b"\n" for row in (*rows, end))
        return len(rows)


_SPOILED = ("error", "error-after-store", "lose-answer", "truncate", "garble")


def _problem(status: int) -> Response:
    return Response(status, b'{"type": "/problems/broken", "title": "broken"}')


def _altered(value: Any) -> Any:
    if isinstance(value, list):
        return [value[0] ^ 1, *value[1:]]
    return value + 1 if isinstance(value, int) else f"{value}?"
