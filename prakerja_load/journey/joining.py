"""The moves that both journeys make: log in, look at the wave, join it, read the status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prakerja_load.journey import reply
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.pauses import NO_WAIT, Wait
from prakerja_load.journey.step import Registrant, Request, Step
from prakerja_load.journey.walk import Fact, Move, Visit, encode

DECLARATION = encode({"declaration": True})


def log_in(step: Step, password: Callable[[Registrant], str], wait: Wait = NO_WAIT) -> Move:
    """Return the move that opens a session; the only write without a key, for it stores nothing."""

    def request(visit: Visit) -> Request:
        registrant = visit.registrant
        body = encode({"email": registrant.profile.email, "password": password(registrant)})
        return Request(step, "POST", "/api/v1/sessions", body, ok=(201,), reply=reply.LoggedIn)

    return Move(step, step.number, request, _keep_token, wait)


def wave_page(step: Step, wait: Wait = NO_WAIT) -> Move:
    """Return the move that reads which wave is open."""
    page = Request(step, "GET", "/api/v1/waves/current", reply=reply.WavePage)
    return Move(step, step.number, lambda _: page, _keep_wave, wait)


def join_wave(step: Step, options: JourneyOptions, wait: Wait) -> Move:
    """Return the move that joins the wave which the wave page showed."""
    refused = options.refused_join

    def request(visit: Visit) -> Request:
        path = f"/api/v1/waves/{visit.wave}/joins"
        return visit.write(step, "POST", path, DECLARATION, reply.Joined, ok=(201,), rejected=refused)

    return Move(step, step.number, request, None, wait)


def read_status(step: Step, wait: Wait) -> Move:
    """Return the move that reads how far the system says this registrant has come."""
    return Move(
        step,
        step.number,
        lambda visit: Request(step, "GET", "/api/v1/status", token=visit.token, reply=reply.Status),
        None,
        wait,
    )


def joined(options: JourneyOptions) -> Fact:
    """Return what the system must hold of a join: the wave, where it is known from elsewhere than the system."""
    fields: dict[str, Any] = {"wave": options.wave} if options.wave else {}
    return lambda _: dict(fields)


def _keep_token(visit: Visit, session: reply.LoggedIn) -> None:
    visit.token = session.token


def _keep_wave(visit: Visit, page: reply.WavePage) -> None:
    visit.wave = page.wave
