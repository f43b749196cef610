"""What one ramp asks of its workers, as one value that is written down before the first request."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import msgspec

from prakerja_load.applicants.population import Population
from prakerja_load.arrivals.curve import RampStage, RateCurve
from prakerja_load.arrivals.schedule import ArrivalProcess, Schedule
from prakerja_load.errors import EvidenceError
from prakerja_load.evidence.run_directory import RAMP, read_json
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.own import OwnJourney
from prakerja_load.journey.walk import Walk
from prakerja_load.units import PerSecond, Seconds


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a worker must know; ramp.json holds it beside what judgement reads.

    Worker and controller read the same file, so that a message between them carries ranges of indices and nothing else.
    """

    run: str  # prefix of the idempotency keys; stands in every message
    name: str
    target_url: str
    authorized_by: str = ""
    contact: str = ""
    authorities: str = ""  # whose certificates are believed, in PEM form; empty: those whom the system believes
    seed: int  # of the population
    dialable_phones: bool = False
    first_person: int
    count: int
    rate: PerSecond  # highest rate offered
    warm_up: Seconds
    hold: Seconds
    drain: Seconds
    curve: list[tuple[Seconds, PerSecond, PerSecond]]  # stages of (length, rate at begin, rate at end)
    schedule_seed: int
    process: ArrivalProcess = "poisson"
    journey: JourneyOptions
    workers: int
    connection: str = "per-registrant"  # or "reuse"
    source_addresses: list[str] = []  # of the worker's machine, used in turn
    accepts_gzip: bool = False
    network: list[tuple[float, float, float, Seconds]] = []  # (share, down and up in bytes/s, latency) of registrants
    in_flight_limit: int
    patience: Seconds
    tolerate_worker_loss: bool = False
    begins_at: Seconds = 0.0  # of the schedule's time, which stood still since the part before was cut off
    only: list[tuple[int, int]] | None = None  # ranges of arrivals that are left to play; None: all

    def schedule(self) -> Schedule:
        """Return the due time of every arrival; the same in every process."""
        curve = RateCurve.of(RampStage(*stage) for stage in self.curve)
        return Schedule(curve, self.count, self.schedule_seed, self.process)

    def population(self) -> Population:
        """Return the people of this run."""
        return Population(self.seed, self.dialable_phones)

    def make_journey(self, population: Population) -> Walk | OwnJourney:
        """Return the journey that every registrant goes through."""
        options = dataclasses.replace(self.journey, is_resumed=self.only is not None)
        return make_journey(options, population.applicant)


def load(folder: Path) -> Assignment:
    """Return the assignment of a ramp's folder; raises EvidenceError when there is none that can be read."""
    try:
        return msgspec.convert(read_json(folder / RAMP), Assignment)
    except msgspec.ValidationError as mistake:
        raise EvidenceError(f"{folder / RAMP} is no assignment: {mistake}") from mistake


def today(wall: datetime.datetime) -> datetime.date:
    """Return the date in Jakarta, where a registrant's age is counted."""
    return wall.astimezone(datetime.timezone(datetime.timedelta(hours=7))).date()
