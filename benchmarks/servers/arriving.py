"""New applicants who arrive by any curve of rates and go through their whole journey, played by our own driver."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from prakerja_load.arrivals.curve import RampStage, RateCurve
from prakerja_load.calibration.playing import Offered
from prakerja_load.driver.assignment import Assignment
from prakerja_load.journey.options import JourneyOptions

PATIENCE = 10.0  # seconds for one answer
SOURCES = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")  # a connection each needs more ports than one has


@dataclass(frozen=True)
class Applicants(Offered):
    """A load of whole journeys: everybody does everything, with hardly any think time.

    Who is shed comes back after Retry-After, `returns` times at one step, and then goes away.
    """

    stages: tuple[RampStage, ...] = ()
    returns: int = 0

    @classmethod
    def by(cls, stages: Sequence[RampStage], connection: str, returns: int) -> Applicants:
        """Return the load of these stages."""
        curve = RateCurve.of(stages)
        return cls(
            curve.total / curve.duration,
            curve.duration,
            connection=connection,
            patience=PATIENCE,
            stages=tuple(stages),
            returns=returns,
        )

    def assignment(self, url: str) -> Assignment:
        """Return what controller and workers are told."""
        curve = RateCurve.of(self.stages)
        today = datetime.datetime.now(datetime.UTC).date()
        return msgspec.structs.replace(
            super().assignment(url),
            run="overload",
            name="overload",
            rate=curve.peak_rate,
            curve=curve.stages(),
            journey=JourneyOptions(
                seed=self.seed,
                today=today,
                funnel="none",
                think_time_scale=1e-5,
                retry_after_shed=1.0 if self.returns else 0.0,
                shed_retries=self.returns,
            ),
            source_addresses=list(SOURCES),
        )
