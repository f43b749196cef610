"""A scenario's open arrivals inside the stock `locust` command: leading in the master, playing in the workers, or both.

The same conductor, attendant and offering as everywhere; Locust's own statistics are all the evidence there is.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust.env import Environment
from locust.exception import RPCError

from prakerja_load.applicants import stream
from prakerja_load.driver import guard
from prakerja_load.driver.assignment import Assignment, today
from prakerja_load.driver.attendant import BEAT_EVERY, Attendant
from prakerja_load.driver.build import this_build
from prakerja_load.driver.conductor import Conductor
from prakerja_load.driver.consent import watch_consent
from prakerja_load.driver.feed import Feed
from prakerja_load.driver.gauge import calm_garbage
from prakerja_load.driver.message import Order, Report
from prakerja_load.driver.offer import make_offer
from prakerja_load.driver.offering import Offering
from prakerja_load.driver.outlook import Ask
from prakerja_load.driver.roster import Worker
from prakerja_load.driver.tls import read_authorities
from prakerja_load.driver.watch import Watch
from prakerja_load.driver.wire import LAB_VARIABLE
from prakerja_load.errors import HarnessError, UsageError
from prakerja_load.evidence.progress import Progress
from prakerja_load.journey.forecast import forecast
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.scenario import CAPACITY, Scenario, plan_ramp
from prakerja_load.scenario import load as load_scenario
from prakerja_load.units import Seconds

SCENARIO = "PRAKERJA_SCENARIO"
RAMP = "PRAKERJA_RAMP"
TARGET = "PRAKERJA_TARGET"
"""Environment variables: the scenario's file, the number of its ramp (1), and the target where --host names none."""

TICK: Seconds = 0.1
HALT_WITHIN: Seconds = 5.0
"""How long registrants under way are waited for when Locust stops, unless --stop-timeout says otherwise."""

logger = logging.getLogger(__name__)


class Share:
    """What one process plays of the load; `settle` hands Locust's own statistics over before the last word is said."""

    def __init__(
        self,
        environment: Environment,
        task: Assignment,
        number: int,
        send: Callable[[Report], None],
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        target = guard.authorize(task.target_url, authorized_by=task.authorized_by, authorities=task.authorities)
        offer = make_offer(task, target, None)
        self._offering = Offering(offer)
        self.attendant = Attendant(self._offering, send, run=task.run, worker=number, drain=task.drain)
        feed = Feed(environment.stats, offer.journey.steps, self._offering.methods, lambda: self.attendant.wall_epoch)
        self.attendant.show(feed.add)
        self._settle = settle
        self._playing = gevent.spawn(self._play)

    def _play(self) -> None:
        calm_garbage()
        sys.setswitchinterval(0.0005)
        thread = gevent.get_hub().threadpool.spawn(self._offering.run)
        while not thread.ready():
            with contextlib.suppress(RPCError):  # a master that cannot be reached is noticed by its silence
                self.attendant.beat()
            thread.wait(BEAT_EVERY)
        thread.get()
        self.attendant.show_rest()
        self._settle()
        self.attendant.finish()

    def halt(self, drain: Seconds) -> None:
        """Start nothing more, and wait until every sample is counted."""
        self.attendant.stop("locust stopped", round(drain * 1e9))
        self._playing.join(drain + 2)


class Lead:
    """The load led from this process; `over` is called when it has come to its end by itself."""

    def __init__(
        self, task: Assignment, workers: int, send: Callable[[str, Order], None], over: Callable[[], None]
    ) -> None:
        self._watch = Watch(task)
        self.conductor = Conductor(
            task.run,
            task.schedule(),
            send,
            time.perf_counter_ns,
            workers=workers,
            drain=task.drain,
            tolerates_loss=task.tolerate_worker_loss,
            listen=lambda beat: self._watch.listen(beat, time.perf_counter_ns()),
        )
        self._over = over
        self._task = task
        self._planned = task.rate * forecast(task.make_journey(task.population())).requests
        self._target = guard.authorize(
            task.target_url,
            authorized_by=task.authorized_by,
            planned=self._planned,
            authorities=task.authorities,
        )
        guard.reach(self._target, authorities=task.authorities)
        introduce(task, self._target)
        self._leading = gevent.spawn(self._lead)
        self._checking = gevent.spawn(self._check)

    def _lead(self) -> None:
        conductor = self.conductor
        while not conductor.is_over:
            conductor.tick()
            gevent.sleep(TICK)
        self._checking.kill()
        if conductor.stopped:
            logger.warning("The load ended early: %s", conductor.stopped)
        for worker in self.lost:
            logger.error("Worker %d was lost: %s", worker.number, worker.reason)
        gevent.spawn(self._over)

    def _check(self) -> None:
        task, planned = self._task, self._planned

        def ask() -> None:
            guard.recheck(self._target, authorized_by=task.authorized_by, planned=planned, authorities=task.authorities)

        watch_consent(self._target, ask, lambda why: self.conductor.stop(why, 0.0))

    @property
    def lost(self) -> list[Worker]:
        """Return the workers that were lost: part of the load was not offered, or somebody else offered it."""
        has_begun = self.conductor.epoch is not None
        return [worker for worker in self.conductor.workers.values() if has_begun and worker.state == "lost"]

    @property
    def exit_code(self) -> int | None:
        """Return the exit code that says what Locust itself passes over, None when there is nothing."""
        if self.conductor.is_failed:
            return HarnessError.exit_code
        return Verdict.INCONCLUSIVE.exit_code if self.lost else None

    def look(self) -> Progress:
        """Return how far the load is."""
        return self._watch.look(self.conductor, time.perf_counter_ns())

    def halt(self, drain: Seconds) -> None:
        """Offer nothing more, and wait until every worker has reported its end."""
        if not self.conductor.is_over:
            self.conductor.stop("locust stopped", drain)
            self._leading.join(drain + 12)


def chosen_scenario() -> Scenario:
    """Return the scenario that the environment names."""
    return load_scenario(Path(os.environ.get(SCENARIO, "scenarios/smoke.toml")))


def chosen_ramp(scenario: Scenario) -> int:
    """Return the number of the ramp that the environment names, counted from 1; raises UsageError."""
    given = os.environ.get(RAMP, "1")
    if not given.isascii() or not given.isdecimal() or not 1 <= int(given) <= len(scenario.ramps):
        raise UsageError(f"{RAMP}: got {given!r}, allowed: 1 to {len(scenario.ramps)}")
    return int(given)


def ask_of(task: Assignment) -> Ask:
    """Return what an assignment of the chosen scenario asks for."""
    scenario = chosen_scenario()
    registrants = scenario.ramps[chosen_ramp(scenario) - 1].registrants
    steps = task.make_journey(task.population()).steps
    last = max(step.number for step in steps if step.is_gated)
    return Ask(task.name, registrants, task.rate, task.hold, last, scenario.objectives)


def assign(host: str | None, workers: int) -> Assignment:
    """Return the assignment of the scenario that the environment names, for new people; raises UsageError."""
    scenario = chosen_scenario()
    url = host or os.environ.get(TARGET) or scenario.target.url
    if not url:
        raise UsageError(f"no target: give --host, {TARGET} or the scenario's target.url")
    options = _journey_options(scenario, url)
    load = scenario.load
    plan = plan_ramp(scenario, chosen_ramp(scenario), forecast(make_journey(options)).think_time)
    return Assignment(
        run=f"l{secrets.token_hex(5)}",
        name=plan.name,
        target_url=url,
        authorized_by=scenario.target.authorized_by or "",
        contact=scenario.target.contact or "",
        authorities=read_authorities(scenario.target.ca) if scenario.target.ca else "",
        seed=scenario.seed,
        dialable_phones=scenario.applicants.dialable_phones,
        # the store may hold the people of an earlier run
        first_person=secrets.randbelow(max(1, CAPACITY - plan.count)),
        count=plan.count,
        rate=plan.rate,
        warm_up=plan.warm_up,
        hold=plan.hold,
        drain=load.drain,
        curve=plan.curve.stages(),
        schedule_seed=plan.seed,
        process=plan.process,
        journey=options,
        workers=workers,
        connection=load.connection,
        source_addresses=list(load.source_addresses),
        accepts_gzip=load.accepts_gzip,
        network=[(link.share, link.down, link.up, link.latency) for link in scenario.network.chosen],
        in_flight_limit=load.in_flight_limit,
        patience=load.patience,
        tolerate_worker_loss=load.tolerate_worker_loss,
    )


def _journey_options(scenario: Scenario, url: str) -> JourneyOptions:
    choice = scenario.journey
    if choice.name == "returning-applicant":
        raise UsageError(f"journey {choice.name} needs a prefilled store: prakerja-load run")
    behavior: dict[str, Any] = choice.behavior.model_dump()
    return JourneyOptions(
        seed=scenario.seed,
        today=today(datetime.datetime.now(datetime.UTC)),
        name=choice.name,
        funnel=choice.funnel,
        think_time_scale=choice.think_time_scale,
        photo_size=choice.photo_size,
        file=choice.file.name if choice.file else "",
        source=choice.file.source if choice.file else "",
        origin=url,
        **behavior,
    )


def introduce(task: Assignment, target: guard.Target) -> None:
    """Make the people of the run known to a laboratory's civil registry; a real system knows its own.

    A laboratory is one whose token is set; that it may be loaded has been checked before.
    """
    token = os.environ.get(LAB_VARIABLE, "")
    if not token:
        return
    connection = guard.CheckedConnection(target, 60.0, target.endpoint(task.authorities).tls)
    people = stream.civil_lines(
        task.seed, task.first_person, task.first_person + task.count, dialable=task.dialable_phones
    )
    headers = {"Lab-Token": token, "Content-Type": "application/x-ndjson"}
    try:
        connection.request("POST", "/lab/civil", people, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise HarnessError(f"the laboratory of {target.authority} does not answer: {error}") from error
    finally:
        connection.close()
    if status not in (http.client.OK, http.client.NOT_FOUND):
        raise HarnessError(f"the laboratory of {target.authority} answered {status}")


def packed_assignment(task: Assignment, number: int) -> dict[str, Any]:
    """Return an assignment as plain values for one worker."""
    return {"worker": number, "task": msgspec.to_builtins(task), "build": this_build()}


def unpack_assignment(packed: dict[str, Any]) -> tuple[Assignment, int]:
    """Return (assignment, number) that the master sent; raises HarnessError when another build of this package did."""
    if packed.get("build") != this_build():
        whose = packed.get("build", "unknown")
        raise HarnessError(
            f"the master plays build {whose} of prakerja-load, this worker {this_build()}: use one image"
        )
    return msgspec.convert(packed["task"], Assignment), int(packed["worker"])
