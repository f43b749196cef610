"""The system under test of a simulation: the rules of the contract behind a queue, spoken to in HTTP."""

from __future__ import annotations

import copy
import gzip
import http
import json
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from fake_system import FakeSystem
from simulated_faults import Fault, Faults
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
        self._model.leave(self)

    def heard(self, data: bytes) -> None:
        self._heard += data
        while self.is_there and b"\r\n\r\n" in self._heard:
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
        self, loop: VirtualLoop, random: Random, rules: FakeSystem, faults: Faults, servers: int, service: float
    ) -> None:
        self._loop, self._random, self.rules = loop, random, rules
        self._faults = {fault.name: fault for fault in faults}
        self._servers = self._free = servers
        self._service = service
        self.prefilled = len(rules.niks)  # complete registrants whom the store holds before anybody arrives
        self._queue: deque[Asked] = deque()
        self._callers: dict[Caller, None] = {}  # in order, or a seed would not be a run
        self._life = 0  # how often it was started anew
        self._snapshot: dict[str, Any] = {}
        self._up_at = 0.0  # by the loop's clock
        self.epoch = 0.0
        self.requests = self.touched = self.repeats = 0
        self.tampered: Counter[str] = Counter()  # keys, by what was done to their row
        self.asked: set[str] = set()  # keys of the writes that came in
        self.told: dict[str, tuple[int, float]] = {}  # by key: the first answer that arrived whole, and when
        self.last_told = 0.0  # when any answer arrived last

    def accept(self, call: Call) -> Caller:
        caller = Caller(self, call)
        self._callers[caller] = None
        return caller

    def leave(self, caller: Caller) -> None:
        self._callers.pop(caller, None)

    def begin(self, epoch: float) -> None:
        """Let the faults that have their time have it."""
        self.epoch = epoch
        for name in ("restart", "restart-amnesia"):
            if fault := self._faults.get(name):
                self._loop.call_at(epoch + fault.at, self._go_down, fault)
                if name == "restart-amnesia":
                    self._loop.call_at(epoch + fault.at - UNSYNCED, self._sync)

    # requests

    def take(self, asked: Asked) -> None:
        self.requests += 1
        self.repeats += asked.key in self.asked
        if asked.key:
            self.asked.add(asked.key)
        if "mute" in self._faults or self._strikes("silence"):
            return
        if self._strikes("reset"):
            self._hang_up(asked.call, is_reset=True)
        elif self._strikes("shed"):
            self._send(asked, Response(503, b'{"type": "/problems/busy"}', 1.0))
        else:
            self._queue.append(asked)
            self._work()

    def _strikes(self, name: str) -> bool:
        """Tell whether a fault of a share of the requests, which this run has, meets this one."""
        fault = self._faults.get(name)
        if fault is None or self._random.random() >= fault.share:
            return False
        self.touched += 1
        return True

    def _work(self) -> None:
        while self._free and self._queue:
            self._free -= 1
            wait = self._stalled() + self._random.expovariate(1 / self._service)
            self._loop.call_later(wait, self._finish, self._queue.popleft(), self._life)

    def _stalled(self) -> float:
        fault, now = self._faults.get("stall"), self._loop.time() - self.epoch
        is_stalled = fault is not None and fault.at <= now < fault.at + fault.seconds
        return fault.at + fault.seconds - now if fault is not None and is_stalled else 0.0

    def _finish(self, asked: Asked, life: int) -> None:
        if life != self._life:  # the process that worked on it is gone
            return
        self._free += 1
        if self._strikes("error"):
            self._send(asked, broken_answer(500))
        else:
            effects = self.rules.effects
            response = self.rules(asked)
            if self.rules.effects > effects and response.status < 300:
                self._tamper(asked.key)
            spoiled = next((name for name in _SPOILED if self._strikes(name)), "")
            slow = self._faults.get("slow")
            self._loop.call_later(slow.seconds if slow else 0.0, self._send, asked, response, spoiled)
        self._work()

    def _tamper(self, key: str) -> None:
        rows = self.rules.rows
        if not rows or rows[-1]["key"] != key:
            return
        if self._strikes("lose-write"):
            rows.pop()
        elif self._strikes("duplicate-write"):
            rows.append(dict(rows[-1]))
        elif self._strikes("corrupt-write"):
            field = next(field for field in reversed(rows[-1]) if field not in ("kind", "key"))
            rows[-1][field] = _altered(rows[-1][field])
        else:
            return
        self.tampered[key] += 1

    def _send(self, asked: Asked, response: Response, spoiled: str = "") -> None:
        caller, call = asked.call, asked.call.call
        if not caller.is_there:
            return
        if spoiled == "lose-answer":
            self._hang_up(caller, is_reset=True)
            return
        if spoiled == "error-after-store":
            response = broken_answer(500)
        retry = b"retry-after: %d\r\n" % response.retry_after if response.retry_after else b""
        body = response.body[: len(response.body) // 2] if spoiled == "garble" else response.body
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\n" % (
            response.status, http.HTTPStatus(response.status).phrase.encode()
        )  # fmt: skip
        whole = head + retry + b"content-length: %d\r\n\r\n" % len(body) + body
        if spoiled in ("truncate", "cut"):
            call.answer(whole[: len(whole) - max(1, len(body) // 2)])
            self._hang_up(caller, is_reset=spoiled == "cut")
            return
        call.answer(whole, lambda: self._was_told(asked.key, 0 if spoiled else response.status))
        if self._strikes("hang-up"):
            self._loop.call_later(self._random.uniform(0.0, 0.02), self._hang_up, caller)

    def _was_told(self, key: str, status: int) -> None:
        self.last_told = self._loop.time() - self.epoch
        if status and status < 500 and self.told.get(key, (400, 0.0))[0] >= 300:
            self.told[key] = (status, self.last_told)

    def _hang_up(self, caller: Caller, *, is_reset: bool = False) -> None:
        """Close a connection; who has not heard of it yet and asks once more gets no answer."""
        if caller.is_there:
            caller.is_there = False
            self.leave(caller)
            (caller.call.reset if is_reset else caller.call.end)()

    # the life of its process

    @property
    def is_down(self) -> bool:
        """Tell whether nobody listens; of two outages the longer one counts."""
        return self._loop.time() < self._up_at

    def _sync(self) -> None:
        """Remember what a restart finds on the disk; everything acknowledged later is lost with it."""
        self._snapshot = copy.deepcopy({name: getattr(self.rules, name) for name in _DURABLE})

    def _go_down(self, fault: Fault) -> None:
        self._up_at = max(self._up_at, self._loop.time() + fault.seconds)
        self._free = self._servers
        self._life += 1
        self._queue.clear()
        for caller in tuple(self._callers):
            self._hang_up(caller, is_reset=True)
        if fault.name == "restart-amnesia":
            before = {row["key"] for row in self.rules.rows}
            for name, value in self._snapshot.items():
                setattr(self.rules, name, value)
            self.tampered.update(before - {row["key"] for row in self.rules.rows})

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


UNSYNCED = 3.0
"""Seconds of acknowledged writes that a store which forgets has not brought to its disk."""

_SPOILED = ("error-after-store", "lose-answer", "truncate", "cut", "garble")
_DURABLE = ("accounts", "niks", "codes", "joins", "rows", "answered")


def broken_answer(status: int) -> Response:
    return Response(status, b'{"type": "/problems/broken", "title": "broken"}')


def _altered(value: Any) -> Any:
    if isinstance(value, list):
        return [value[0] ^ 1, *value[1:]]
    return value + 1 if isinstance(value, int) else f"{value}?"
