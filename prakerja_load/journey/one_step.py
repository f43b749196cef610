"""The one-step journey: one GET of a page that bears the arrival's index, for targets whose every answer is known."""

from __future__ import annotations

import dataclasses

from prakerja_load.journey.behavior import Habits
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.step import Request, Step
from prakerja_load.journey.walk import Move, Visit, Walk

SERVE = Step(1, "serve")


class OneStep(Walk):
    """Everybody asks once and leaves; nothing is stored, so there is nothing to reconcile."""

    name = "one-step"
    steps = (SERVE,)

    def __init__(self, options: JourneyOptions) -> None:
        plain = dataclasses.replace(
            options, under_age=0.0, someone_elses_nik=0.0, nik_typo=0.0, double_click=0.0, refresh=0.0
        )
        move = Move(SERVE, SERVE.number, _serve)
        super().__init__(plain, (move,), Habits(plain, [1.0], clicks=(), pages=()), {})


def _serve(visit: Visit) -> Request:
    return Request(SERVE, "GET", f"/serve/{visit.registrant.index}")
