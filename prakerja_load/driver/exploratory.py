"""The same journey on Locust's plain HttpUser: closed, one request at a time, for trying things by hand.

A User plays one registrant after another and waits for every answer, so the system's speed sets the pace: what it
shows is how a journey feels, and never whether a rate is sustained.
"""

from __future__ import annotations

import functools
import itertools
import os
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import gevent
import requests
from locust import HttpUser, task

from prakerja_load.applicants.population import Population
from prakerja_load.driver import guard
from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver.stock import TARGET, assign, introduce
from prakerja_load.driver.ui import stay_on_loopback
from prakerja_load.driver.wire import LAB_VARIABLE, retry_after_of
from prakerja_load.journey.answer import read
from prakerja_load.journey.own import OwnJourney
from prakerja_load.journey.step import Answer, Outcome, Pause, Registrant, Request, Response
from prakerja_load.journey.walk import Walk


class Explorer(HttpUser):
    """Plays the journey of the scenario that PRAKERJA_SCENARIO names; derive from it in a locustfile."""

    abstract = True
    host = os.environ.get(TARGET)
    _next = itertools.count()

    def on_start(self) -> None:
        """Get ready; all users of a process share one run."""
        self._assignment, self._people, self._journey = _prepared(self.host)
        # one session serves many people: a journey that needs cookies keeps its own
        self.client.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    @task
    def register(self) -> None:
        """Play one registrant from the first step to the last."""
        assignment, index = self._assignment, next(self._next) % self._assignment.count
        person = assignment.first_person + index
        registrant = Registrant(assignment.run, index, person, self._people.applicant(person))
        script, answer = self._journey.script(registrant), None
        while True:
            try:
                move = script.send(answer)
            except StopIteration:
                return
            answer = None
            if isinstance(move, Pause):
                gevent.sleep(move.seconds)
            else:
                answer = self._ask(move)

    def _ask(self, request: Request) -> Answer:
        name = f"{request.step.number:02d} {request.step.name}"
        with self.client.request(
            request.method,
            request.path,
            name=name,
            data=request.body or None,
            headers=_headers(request),
            timeout=self._assignment.patience,
            allow_redirects=False,
            catch_response=True,
        ) as response:
            answer = read(request, _response(response))
            if answer.outcome <= Outcome.REJECTED:
                response.success()
            else:
                response.failure(f"{answer.outcome.name.lower()} (HTTP {answer.status})")
        return answer


@functools.cache
def _prepared(host: str | None) -> tuple[Assignment, Population, Walk | OwnJourney]:
    assignment = assign(host, 1)
    introduce(assignment, guard.authorize(assignment.target_url, authorized_by=assignment.authorized_by))
    people = assignment.population()
    return assignment, people, assignment.make_journey(people)


def _headers(request: Request) -> dict[str, str]:
    headers = dict(request.headers)
    if request.body:
        headers["Content-Type"] = request.content_type
    if request.token:
        headers["Authorization"] = f"Bearer {request.token}"
    if request.key:
        headers["Idempotency-Key"] = request.key
    if request.is_lab:
        headers["Lab-Token"] = os.environ.get(LAB_VARIABLE, "")
    return headers


def _response(response: Any) -> Response:
    """Return what came back as the journey reads it; `response` is a requests.Response in Locust's wrapping."""
    error = getattr(response, "error", None)
    if isinstance(error, requests.Timeout):
        return Response(failure=Outcome.TIMEOUT)
    if not response.status_code:
        return Response(failure=Outcome.ERROR)
    # each header by itself; requests would join those of one name
    headers = tuple((name.lower(), value) for name, value in response.raw.headers.items())
    return Response(response.status_code, response.content or b"", retry_after_of(dict(headers)), headers=headers)


stay_on_loopback()
