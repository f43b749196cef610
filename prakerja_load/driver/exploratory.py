"""The same journey on Locust's plain HttpUser: closed, one request at a time, for trying things by hand.

A User plays one registrant after another and waits for every answer, so the system's speed sets the pace: what it
shows is how a journey feels, and never whether a rate is sustained. The guard is the same: the target is connected to
at the address that was checked, and asked for its consent again and again.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import ssl
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import gevent
import requests
from locust import HttpUser, task
from locust.env import Environment
from locust.exception import StopUser
from requests.adapters import HTTPAdapter

from prakerja_load.applicants.population import Population
from prakerja_load.driver import guard
from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver.consent import watch_consent
from prakerja_load.driver.stock import TARGET, assign, introduce
from prakerja_load.driver.ui import stay_on_loopback
from prakerja_load.driver.wire import LAB_VARIABLE, retry_after_of
from prakerja_load.errors import AuthorizationError, PrakerjaLoadError
from prakerja_load.journey.answer import read
from prakerja_load.journey.own import OwnJourney
from prakerja_load.journey.step import Answer, Outcome, Pause, Registrant, Request, Response
from prakerja_load.journey.walk import Walk

logger = logging.getLogger(__name__)


class CheckedAdapter(HTTPAdapter):
    """Connects to the address of a target that the guard has checked, by its own certificates, and by no proxy."""

    def __init__(self, target: guard.Target, tls: ssl.SSLContext | None) -> None:
        super().__init__()
        self._target, self._tls = target, tls

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        """Return the pool of connections to the checked address, whatever the name leads to by now."""
        address, port, name = self._target.addresses[0], self._target.port, self._target.host
        if self._tls is None:
            return self.poolmanager.connection_from_host(address, port, "http")
        named = {"ssl_context": self._tls, "server_hostname": name, "assert_hostname": name}
        return self.poolmanager.connection_from_host(address, port, "https", pool_kwargs=named)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Leave it to the context, which knows the authorities of the scenario."""

    def add_headers(self, request: Any, **_: Any) -> None:
        """Say the target's name, which the connection does not know."""
        request.headers["Host"] = self._target.authority


class Explorer(HttpUser):
    """Plays the journey of the scenario that PRAKERJA_SCENARIO names; derive from it in a locustfile."""

    abstract = True
    host = os.environ.get(TARGET)
    _next = itertools.count()

    def on_start(self) -> None:
        """Get ready; all users of a process share one run."""
        try:
            self._assignment, self._people, self._journey, target = _prepared(self.host)
        except PrakerjaLoadError as error:
            _end(self.environment, str(error), error.exit_code)
            raise StopUser from error
        _watch(self.environment, self.host)
        tls = target.endpoint(self._assignment.authorities).tls
        self.client.trust_env = False
        self.client.mount(f"{target.scheme}://", CheckedAdapter(target, tls))
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
def _prepared(host: str | None) -> tuple[Assignment, Population, Walk | OwnJourney, guard.Target]:
    task = assign(host, 1)
    target = guard.authorize(task.target_url, authorized_by=task.authorized_by, authorities=task.authorities)
    introduce(task, target)
    people = task.population()
    return task, people, task.make_journey(people), target


@functools.cache
def _watch(environment: Environment, host: str | None) -> None:
    """Begin to ask the target for its consent again and again, once in a process, and end Locust when it is gone."""
    assignment, _, _, target = _prepared(host)

    def ask() -> None:
        guard.recheck(
            target, authorized_by=assignment.authorized_by, planned=0.0, authorities=assignment.authorities
        )  # whoever waits for every answer has no rate that could be planned

    gevent.spawn(watch_consent, target, ask, lambda why: _end(environment, why, AuthorizationError.exit_code))


def _end(environment: Environment, why: str, exit_code: int) -> None:
    """End Locust with a message and the exit code that says why, from outside the greenlets that it kills."""
    logger.error("%s", why)
    environment.process_exit_code = exit_code
    runner: Any = environment.runner
    gevent.spawn(runner.quit)


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
