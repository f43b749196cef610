"""The journeys there are, by name."""

from __future__ import annotations

from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.registration import NewApplicant, ProfileOf
from prakerja_load.journey.returning import ReturningApplicant
from prakerja_load.journey.walk import Walk

NAMES = (NewApplicant.name, ReturningApplicant.name)


def make_journey(options: JourneyOptions, profile_of: ProfileOf | None = None) -> Walk:
    """Return the journey that `options.name` names.

    Raises ValueError for a name that is not one of `NAMES`, and where a journey lacks what its options ask for.
    """
    if options.name == NewApplicant.name:
        return NewApplicant(options, profile_of)
    if options.name == ReturningApplicant.name:
        return ReturningApplicant(options)
    raise ValueError(f"journey: got {options.name!r}, allowed: {', '.join(NAMES)}")
