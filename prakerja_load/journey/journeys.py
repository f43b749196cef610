"""The journeys there are, by name, and those that a locustfile brings."""

from __future__ import annotations

from prakerja_load.journey.one_step import OneStep
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.own import OwnJourney, load_journey
from prakerja_load.journey.registration import NewApplicant, ProfileOf
from prakerja_load.journey.returning import ReturningApplicant
from prakerja_load.journey.walk import Walk

NAMES = (NewApplicant.name, ReturningApplicant.name, OneStep.name)


def make_journey(options: JourneyOptions, profile_of: ProfileOf | None = None) -> Walk | OwnJourney:
    """Return the journey that `options.name` names, from `options.source` if there is a file.

    Raises ValueError for a name that is not one of `NAMES` or not in the file, and where a journey lacks what its
    options ask for.
    """
    if options.file:
        return load_journey(options.source, options.file, options.name)(options)
    if options.name == NewApplicant.name:
        return NewApplicant(options, profile_of)
    if options.name == ReturningApplicant.name:
        return ReturningApplicant(options)
    if options.name == OneStep.name:
        return OneStep(options)
    raise ValueError(f"journey: got {options.name!r}, allowed: {', '.join(NAMES)}")
