"""The durable account step under light load: arrivals that wait for nobody, each timed from the instant it was due."""

from __future__ import annotations

import asyncio
import math
import random
import re
import statistics
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop
from servers.crowd import Line

HEAD = (
    "| load | requests | p50 ms | p99 ms, all rounds (lowest–highest of one) | writes a commit | commit ms |\n"
    "|---|---|---|---|---|---|"
)
_SUMS = re.compile(r"^registrar_(group_size|commit_seconds)_(sum|count) ([\d.e+-]+)", re.MULTILINE)
_PASSWORD = "rahasia-bersama"


@dataclass(frozen=True)
class Light:
    """What one round showed; times in seconds."""

    times: tuple[float, ...]  # of every request
    group: float  # writes in one commit, on average
    commit: float  # from the start of a group to the end of its commit, on average


def measure(url: str, seconds: float, rate: float, seed: int) -> Light:
    """Let accounts be made at random instants, so many a second; raises SystemExit when one is refused."""
    before = _commits(url)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        times = runner.run(_arrive(url, seconds, rate, random.Random(seed)))
    done = {name: value - before.get(name, 0.0) for name, value in _commits(url).items()}
    groups = max(done[("group_size", "count")], 1.0)
    return Light(
        tuple(times),
        done[("group_size", "sum")] / groups,
        done[("commit_seconds", "sum")] / groups,
    )


def quantile(measured: Sequence[Light], share: float) -> float:
    """Return a quantile of the times of all rounds together, no number when there are none."""
    times = sorted(took for one in measured for took in one.times)
    return times[min(len(times) - 1, int(len(times) * share))] if times else math.nan


def row(name: str, measured: Sequence[Light]) -> str:
    """Return the line of the table."""
    p99s = [quantile([one], 0.99) * 1e3 for one in measured]
    return (
        f"| {name} | {sum(len(one.times) for one in measured)} | {quantile(measured, 0.5) * 1e3:.2f} "
        f"| {quantile(measured, 0.99) * 1e3:.2f} ({min(p99s):.2f}–{max(p99s):.2f}) "
        f"| {statistics.median(one.group for one in measured):.2f} "
        f"| {statistics.median(one.commit for one in measured) * 1e3:.2f} |"
    )


async def _arrive(url: str, seconds: float, rate: float, chance: random.Random) -> list[float]:
    """Send each request when it is due, on a connection that is free or a new one; return how long each took."""
    loop = asyncio.get_running_loop()
    free = [await Line.open(url) for _ in range(8)]
    for number, line in enumerate(free):
        await _create(line, f"warm{number}")
    due = began = loop.time()
    under_way: list[asyncio.Task[float]] = []
    while True:
        due += chance.expovariate(rate)
        if due > began + seconds:
            break
        await asyncio.sleep(due - loop.time())
        under_way.append(asyncio.create_task(_timed(url, free, due)))
    times = await asyncio.gather(*under_way)
    for line in free:
        line.close()
    return list(times)


async def _timed(url: str, free: list[Line], due: float) -> float:
    line = free.pop() if free else await Line.open(url)
    await _create(line, uuid.uuid4().hex)
    free.append(line)
    return asyncio.get_running_loop().time() - due


async def _create(line: Line, who: str) -> None:
    body = {"full_name": "Siti Nurhaliza Wijaya", "email": f"{who}@example.org", "password": _PASSWORD}
    await line.ask("POST", "/api/v1/accounts", body, headers={"Idempotency-Key": str(uuid.uuid4())})


def _commits(url: str) -> dict[tuple[str, str], float]:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        said = answer.read().decode()
    return {(name, kind): float(value) for name, kind, value in _SUMS.findall(said)}
