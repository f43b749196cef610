"""Who is played again after a cut sends what they sent before, and a system that holds it takes nothing amiss."""

from __future__ import annotations

import dataclasses
import datetime
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from ramp_rig import TOKEN, make_assignment

from prakerja_load.applicants import stream
from prakerja_load.driver.assignment import Assignment, today
from prakerja_load.journey.play import Played, play
from prakerja_load.journey.step import Ending, Outcome, Registrant, Request, Response, Step

COUNT = 40
OFTEN = {"nik_typo": 0.6, "under_age": 0.1, "double_click": 0.3, "refresh": 0.3}


class Registrar:
    """The reference registrar as a process, spoken to over one connection."""

    def __init__(self, folder: Path) -> None:
        command = ["-m", "prakerja_load.registrar", "--lab", "--database", f"sqlite:{folder / 'store.db'}"]
        environment = {**os.environ, "PRAKERJA_LAB_TOKEN": TOKEN}
        self.process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, env=environment)
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]
        self._connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)

    def __call__(self, request: Request) -> Response:
        headers = {"Lab-Token": TOKEN} if request.is_lab else {}
        if request.token:
            headers["Authorization"] = f"Bearer {request.token}"
        if request.key:
            headers["Idempotency-Key"] = request.key
        if request.body:
            headers["Content-Type"] = request.content_type
        self._connection.request(request.method, request.path, request.body or None, headers)
        answer = self._connection.getresponse()
        return Response(answer.status, answer.read())

    def know(self, task: Assignment) -> None:
        """Let its civil registry know the people of an assignment."""
        lines = stream.civil_lines(task.seed, task.first_person, task.first_person + task.count)
        order = Request(Step(1, "civil"), "POST", "/lab/civil", lines, "application/x-ndjson", is_lab=True)
        assert self(order).status == 200

    def close(self) -> None:
        self._connection.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registrar]:
    started = Registrar(tmp_path_factory.mktemp("registrar"))
    yield started
    started.close()


class Twice:
    """Every registrant of a ramp to the end, and again as the rest of a ramp that was cut off."""

    def __init__(self, registrar: Registrar) -> None:
        task = make_assignment(registrar.url)
        journey = dataclasses.replace(task.journey, today=today(datetime.datetime.now(datetime.UTC)), **OFTEN)
        self.task = msgspec.structs.replace(task, journey=journey)
        self.rest = msgspec.structs.replace(self.task, only=[(0, COUNT)])
        registrar.know(self.task)
        self.first = [played(self.task, index, registrar) for index in range(COUNT)]
        self.again = [played(self.rest, index, registrar) for index in range(COUNT)]


def played(task: Assignment, index: int, system: Callable[[Request], Response]) -> Played:
    population = task.population()
    person = task.first_person + index
    registrant = Registrant(task.run, index, person, population.applicant(person))
    return play(task.make_journey(population).script(registrant), system)


@pytest.fixture(scope="module")
def twice(registrar: Registrar) -> Twice:
    return Twice(registrar)


def typos(results: list[Played]) -> list[tuple[Outcome, str]]:
    """Return what became of every mistyped try."""
    tries = [exchange for result in results for exchange in result.of("identity") if exchange[0].key.endswith("-105")]
    return [(answer.outcome, answer.problem) for _, answer in tries]


def test_nobody_who_is_played_again_meets_an_error(twice: Twice) -> None:
    for results in (twice.first, twice.again):
        assert {result.ending for result in results} == {Ending.COMPLETED}
        assert all(outcome.is_expected for result in results for _, outcome in result.outcomes)


def test_who_is_played_again_sends_the_same_bodies_under_the_same_keys_and_gets_the_first_answer(twice: Twice) -> None:
    for once, again in zip(twice.first, twice.again, strict=True):
        writes, repeated = (
            [
                (request.key, request.method, request.path, request.body)
                for request, _ in result.exchanges
                if request.key and not request.key.endswith("-105")
            ]
            for result in (once, again)
        )
        assert repeated == writes
        kept = [
            [answer.body for request, answer in result.exchanges if request.key and request.ok and answer.status < 300]
            for result in (once, again)
        ]
        assert kept[0] == kept[1]


def test_nobody_mistypes_again_for_the_right_nik_may_be_stored_since(twice: Twice) -> None:
    assert len(typos(twice.first)) > COUNT // 3
    assert set(typos(twice.first)) == {(Outcome.REJECTED, "nik-unknown")}
    assert typos(twice.again) == []


def test_a_typo_after_the_right_nik_is_stored_is_an_error(twice: Twice, registrar: Registrar) -> None:
    index = next(number for number, result in enumerate(twice.first) if typos([result]))
    result = played(twice.task, index, registrar)

    assert typos([result]) == [(Outcome.ERROR, "identity-already-checked")]
    assert result.ending is Ending.FAILED
