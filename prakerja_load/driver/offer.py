"""What one process offers: journeys, people, times and the target, made ready from an assignment."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prakerja_load.applicants.population import Population
from prakerja_load.arrivals.schedule import Schedule
from prakerja_load.driver.assignment import Assignment
from prakerja_load.driver.client import Endpoint
from prakerja_load.driver.guard import Target
from prakerja_load.driver.network import Link, Shares
from prakerja_load.driver.tls import explain
from prakerja_load.driver.wire import LAB_VARIABLE, RequestWriter, user_agent
from prakerja_load.errors import UsageError
from prakerja_load.journey.step import Journey
from prakerja_load.units import Seconds

_OTHER_FILES = 256  # descriptors kept for everything that is no registrant's connection


@dataclass(frozen=True)
class Offer:
    """What is offered, to whom, and where the evidence goes (nowhere when `directory` is None)."""

    run: str
    journey: Journey
    population: Population
    first_person: int
    schedule: Schedule
    endpoint: Endpoint
    write: RequestWriter
    patience: Seconds
    is_reusing: bool
    in_flight_limit: int
    directory: Path | None
    network: Shares = ()  # links of registrants; none: nothing is shaped
    seed: int = 0  # of what is drawn here


def make_offer(task: Assignment, target: Target, directory: Path | None) -> Offer:
    """Return the offer of an assignment; the laboratory token comes from the environment.

    The first people are made here, so that no arrival waits for the lists that names and places come from.
    """
    check_sources(task.source_addresses)
    population = task.population()
    population.applicant(task.first_person)
    schedule = task.schedule()
    schedule.times(0, 1)
    agent = user_agent(task.run, task.contact)
    return Offer(
        run=task.run,
        journey=task.make_journey(population),
        population=population,
        first_person=task.first_person,
        schedule=schedule,
        endpoint=target.endpoint(task.authorities).coming_from(tuple(task.source_addresses)),
        write=RequestWriter(target.authority, agent, os.environ.get(LAB_VARIABLE, ""), accepts_gzip=task.accepts_gzip),
        patience=task.patience,
        is_reusing=task.connection == "reuse",
        in_flight_limit=min(task.in_flight_limit, most_connections()),
        directory=directory,
        network=tuple((share, Link(down, up, latency)) for share, down, up, latency in task.network),
        seed=task.seed,
    )


def check_sources(addresses: Sequence[str]) -> None:
    """Raise UsageError unless connections can come from each of these addresses."""
    for address in addresses:
        try:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
                probe.bind((address, 0))
        except OSError as error:
            why = f"this machine cannot use it: {explain(error)}"
            raise UsageError(
                f"load.source_addresses: got {address}, allowed: an address of this machine ({why})"
            ) from None


def most_connections() -> int:
    """Raise the limit of open files as far as allowed, and return how many connections it leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = 2**31 if hard == resource.RLIM_INFINITY else hard
    return max(1, most - _OTHER_FILES)
