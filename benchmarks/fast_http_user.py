"""The journey of the scenario on Locust's FastHttpUser, to be measured beside our own driver."""

import itertools
import os
from typing import Any

from locust import FastHttpUser

from prakerja_load.driver.exploratory import Explorer, _headers, _prepared
from prakerja_load.journey.answer import read
from prakerja_load.journey.step import Answer, Outcome, Request, Response


class Registration(FastHttpUser):
    """One person after another, as the plain HttpUser of locustfiles/exploratory.py does it."""

    host = os.environ.get("PRAKERJA_TARGET")
    _next = itertools.count()
    register = Explorer.register
    tasks = [Explorer.register]  # noqa: RUF012 (Locust's own way)

    def on_start(self) -> None:
        self._assignment, self._people, self._journey, _ = _prepared(self.host)

    def _ask(self, request: Request) -> Answer:
        name = f"{request.step.number:02d} {request.step.name}"
        with self.client.request(
            request.method,
            request.path,
            name=name,
            data=request.body or None,
            headers=_headers(request),
            allow_redirects=False,
            catch_response=True,
        ) as response:
            answer = read(request, _response(response))
            if answer.outcome <= Outcome.REJECTED:
                response.success()
            else:
                response.failure(answer.outcome.name)
        return answer


def _response(response: Any) -> Response:
    if not response.status_code:
        return Response(failure=Outcome.ERROR)
    return Response(response.status_code, response.content or b"")
