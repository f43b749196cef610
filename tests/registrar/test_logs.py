"""What the registrar logs: JSON lines that say what happened and nothing about whom."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import timeit
from collections.abc import Callable, Iterator
from typing import Any

import apsw
import pytest
from asgi import LAB_TOKEN, Lab, Laboratory, in_loop
from hypothesis import given
from hypothesis import strategies as st
from people import STEPS, Person, Visit
from server_process import StartServer
from wire import Wire

from prakerja_load.registrar import logs

Log = Callable[[], list[dict[str, Any]]]
PERSON = Person(7)
PERSONAL = (
    PERSON.nik,
    PERSON.kk,
    PERSON.email,
    PERSON.phone,
    PERSON.phone[1:],
    PERSON.password,
    "Siti Rahayu",
    "Mawar",
    PERSON.birth_date,
    LAB_TOKEN,
)


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """Give what has been logged at the most verbose level."""
    root, ours = logging.getLogger(), logging.getLogger(logs.LOGGER)
    before = (root.handlers[:], root.level, ours.level)
    stream = io.StringIO()
    logs.configure(logs.LEVELS[-1], stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def failing_with(error: Exception) -> Callable[..., Any]:
    async def fail(*_: Any) -> Any:
        raise error

    return fail


async def go_wrong(lab: Lab, visit: Visit) -> None:
    """Have every refusal that can quote what was sent, and faults of the store and of the program."""
    await lab.send("POST", "/api/v1/accounts", PERSON.account, key="other")
    await lab.send("POST", "/api/v1/sessions", {"email": PERSON.email, "password": "wrong-" + PERSON.password})
    await lab.send("POST", "/api/v1/identity", {**PERSON.identity, "nik": PERSON.nik + "x"}, key="k", token=visit.token)
    await lab.send("GET", f"/lab/outbox?to={PERSON.email}")
    await lab.send("GET", f"/{PERSON.nik}/{PERSON.email}")
    told = f"UNIQUE constraint failed for {PERSON.email}, {PERSON.nik}\nDETAIL: Key (full_name)=(Siti Rahayu)"
    for error in (apsw.IOError(told), ValueError(f"{told} {PERSON.password} {visit.token}")):
        lab.registrar.write = failing_with(error)
        answer = await lab.send("POST", "/api/v1/accounts", Person(8).account, key="another")
        assert answer.status >= 500


@in_loop
async def journey(laboratory: Laboratory, tokens: list[str]) -> None:
    async with laboratory() as lab:
        visit = await Visit(lab, PERSON).complete()
        tokens.append(visit.token)
        await visit.join()
        await go_wrong(lab, visit)


def test_a_whole_journey_and_all_that_goes_wrong_leaves_nothing_personal(laboratory: Laboratory, log: Log) -> None:
    tokens: list[str] = []
    journey(laboratory, tokens)
    lines = log()
    text = json.dumps(lines, ensure_ascii=False)
    assert {line["step"] for line in lines if line["event"] == "request"} >= set(STEPS)
    for personal in (*PERSONAL, *tokens, *tokens[0].split(".")):
        assert personal not in text
    failures = [line for line in lines if line["level"] == "error"]
    assert [line["event"] for line in failures] == ["store-failed", "request-failed"]
    assert failures[0]["message"].startswith("UNIQUE constraint failed for …")
    assert any("app.py" in place for place in failures[1]["where"])
    numbers = [line["request"] for line in lines if line["event"] == "request"]
    assert len(numbers) == len(set(numbers))
    assert {line["request"] for line in failures} <= set(numbers), "a failure and its request can be told together"


def test_a_request_is_logged_with_number_step_status_and_duration(laboratory: Laboratory, log: Log) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory() as lab:
            await lab.send("GET", "/nowhere")

    scenario()
    (line,) = log()
    assert {name: line[name] for name in ("level", "event", "request", "step", "status")} == {
        "level": "info",
        "event": "request",
        "request": 1,
        "step": "none",
        "status": 404,
    }
    assert 0 < line["duration_ms"] < 60_000
    assert line["time"].endswith("+00:00")


def test_what_libraries_say_is_redacted(log: Log) -> None:
    logging.getLogger("asyncio").error("lost %s of %s", PERSON.nik, PERSON.email)
    logging.getLogger("asyncio").info("never mind")
    (line,) = log()
    assert (line["event"], line["logger"], line["message"]) == ("library", "asyncio", "lost … of …")


@given(
    before=st.text("abc (=:'", max_size=5),
    number=st.from_regex(r"\A[0-9]{6,16}\Z") | st.from_regex(r"\A[a-z]{1,9}\.[0-9]{1,3}@example\.com\Z"),
    after=st.text(" ),'", max_size=3),
)
def test_long_numbers_and_addresses_never_get_through(before: str, number: str, after: str) -> None:
    assert number not in logs.redacted(before + number + after)


def test_by_default_a_request_costs_next_to_nothing_and_says_nothing(laboratory: Laboratory, log: Log) -> None:
    logging.getLogger(logs.LOGGER).setLevel(logs.DEFAULT_LEVEL.upper())
    best = min(timeit.repeat(lambda: logs.answered(1, "log-in", 201, 0.004), number=20_000, repeat=5)) / 20_000
    assert best < 3e-6
    assert log() == []


@pytest.mark.parametrize(("level", "count"), [("info", 1), ("warning", 0)])
def test_the_level_is_chosen_at_start(start_server: StartServer, level: str, count: int) -> None:
    server = start_server("--log-level", level)

    async def scenario() -> None:
        wire = await Wire.open(server.url)
        await wire.send("GET", "/api/v1/waves/current")
        await wire.close()

    asyncio.run(scenario())
    server.process.terminate()
    assert server.process.wait(30) == 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert [line["step"] for line in lines] == ["wave-page"] * count
