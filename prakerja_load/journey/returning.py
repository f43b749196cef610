"""The returning applicant of waves 2 and later: log in, see the wave, join it, read the status.

They are in the store already, with everything a wave asks for; no form, no photo and no test again (published for
wave 2 on). The published funnels begin at the account, which they have, so everybody finishes.
"""

from __future__ import annotations

import dataclasses

from prakerja_load.journey import joining, pauses
from prakerja_load.journey.behavior import Habits
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.step import Step
from prakerja_load.journey.walk import Walk

LOG_IN = Step(1, "log-in")
WAVE_PAGE = Step(2, "wave-page")
JOIN_WAVE = Step(3, "join-wave", is_stored=True)
READ_STATUS = Step(4, "read-status")


class ReturningApplicant(Walk):
    """The journey of a prefilled person; all of them have the password `options.returning_password`."""

    name = "returning-applicant"
    steps = (LOG_IN, WAVE_PAGE, JOIN_WAVE, READ_STATUS)

    def __init__(self, options: JourneyOptions) -> None:
        password, wait = options.returning_password, pauses.RETURNING
        if not password:
            raise ValueError("returning_password: a returning applicant needs the password of the prefilled people")
        moves = (
            joining.log_in(LOG_IN, lambda _: password),
            joining.wave_page(WAVE_PAGE, options, wait["wave-page"]),
            joining.join_wave(JOIN_WAVE, options, wait["join-wave"]),
            joining.read_status(READ_STATUS, wait["read-status"]),
        )
        honest = dataclasses.replace(options, under_age=0.0, someone_elses_nik=0.0, nik_typo=0.0)
        clicks, pages = [JOIN_WAVE.number], [WAVE_PAGE.number, READ_STATUS.number]
        habits = Habits(honest, [1.0] * len(self.steps), clicks=clicks, pages=pages)
        super().__init__(options, moves, habits, {JOIN_WAVE.number: joining.joined(options)})
