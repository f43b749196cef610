"""The moves that both journeys make: log in, look at the wave, join it, read the status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prakerja_load.journey import reply
from prakerja_load.journey.agreement import HasCome, IsOpen
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
        agrees = visit.is_mine() if visit.account else None  # whom nobody has named yet may be anybody
        return Request(step, "POST", "/api/v1/sessions", body, ok=(201,), reply=reply.LoggedIn, agrees=agrees)

    return Move(step, step.number, request, _keep_session, wait)


def wave_page(step: Step, options: JourneyOptions, wait: Wait = NO_WAIT) -> Move:
    """Return the move that reads which wave is open: the one of the run, unless any will do, and open, if it must."""
    agrees = IsOpen(options.wave, options.expects_wave_closed)
    page = Request(step, "GET", "/api/v1/waves/current", reply=reply.WavePage, agrees=agrees)
    return Move(step, step.number, lambda _: page, _keep_wave, wait)


def join_wave(step: Step, options: JourneyOptions, wait: Wait) -> Move:
    """Return the move that joins the wave which the wave page showed."""
    refused = options.refused_join

    def request(visit: Visit) -> Request:
        path = f"/api/v1/waves/{visit.wave}/joins"
        agrees = visit.is_mine(wave=visit.wave)
        return visit.write(step, "POST", path, DECLARATION, reply.Joined, ok=(201,), rejected=refused, agrees=agrees)

    return Move(step, step.number, request, _keep_join, wait)


def read_status(step: Step, wait: Wait, photos: tuple[str, ...] = ()) -> Move:
    """Return the move that reads how far the system says this registrant has come: all the way, and into the wave.

    `photos` are those that they uploaded.
    """

    def request(visit: Visit) -> Request:
        agrees = HasCome(visit.account, visit.wave, visit.has_joined, photos)
        return Request(step, "GET", "/api/v1/status", token=visit.token, reply=reply.Status, agrees=agrees)

    return Move(step, step.number, request, None, wait)


def joined(options: JourneyOptions) -> Fact:
    """Return what the system must hold of a join: the wave, where it is known from elsewhere than the system."""
    fields: dict[str, Any] = {"wave": options.wave} if options.wave else {}
    return lambda _: dict(fields)


def _keep_session(visit: Visit, session: reply.LoggedIn) -> None:
    visit.token, visit.account = session.token, session.account


def _keep_wave(visit: Visit, page: reply.WavePage) -> None:
    visit.wave = page.wave


def _keep_join(visit: Visit, _: reply.Joined) -> None:
    visit.has_joined = True
