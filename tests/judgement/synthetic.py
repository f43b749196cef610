"""Ramps made up in memory: a schedule played against a formula instead of a system, with whatever went wrong."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from prakerja_load import scenario as scenarios
from prakerja_load.applicants.population import Population
from prakerja_load.applicants.profile import ApplicantProfile
from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.evidence.journal import Kind, SegmentWriter
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.evidence.ramp import RampEvidence, load_ramp
from prakerja_load.evidence.run_directory import (
    CONTROLLER,
    ENVIRONMENT,
    RAMP,
    RUN,
    SCENARIO,
    STORED,
    TARGET,
    RunDirectory,
    worker_path,
    write_json,
)
from prakerja_load.evidence.sample import ARRIVAL, LEDGER, SAMPLE, VITAL
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.options import JourneyOptions
from prakerja_load.journey.step import Ending, Outcome, key_of
from prakerja_load.judgement.ramp import judge_ramp
from prakerja_load.judgement.verdict import RampJudgement
from prakerja_load.scenario import Scenario
from prakerja_load.units import SECOND_NS

STEPS = 4  # log-in, wave-page, join-wave, read-status
JOIN = 3
WAVE = 7
THINK = 0.2  # s before every step but the first
UNANSWERED = 30.0  # s of patience
TEXT = """
name = "synthetic"
seed = 11
claim = "peak"
[demand]
peak_minute_share = 0.01
process = "uniform"
[[ramps]]
name = "600 000"
registrants = 600_000
hold = "60s"
[journey]
name = "returning-applicant"
funnel = "none"
think_time_scale = 0.01
[load]
warm_up = "5s"
"""
OPTIONS = JourneyOptions(
    seed=11,
    today=datetime.date(2020, 4, 11),
    name="returning-applicant",
    funnel="none",
    wave=WAVE,
    returning_password="x",
)
NOBODY = ApplicantProfile(
    "3171016504900000", "3171010000000000", "Sri", "P", datetime.date(1990, 4, 25), "sri@example.id", "0800",
    "DKI JAKARTA", "JAKARTA PUSAT", "GAMBIR", "Jl. 1", "SMA", "unemployed", "x",
)  # fmt: skip

Floats = NDArray[np.float64]


def parse(*overrides: str) -> Scenario:
    """Return the scenario of these tests: 100 arrivals/s, 5 s of warm-up, 60 s judged, 4 steps."""
    return scenarios.parse(TEXT, overrides=overrides)


CURVE = parse("claim=volume", "demand={window='60s', process='uniform'}", "ramps=[{name='6 000', registrants=6000}]")
"""All of 6 000 registrants along a flat curve of 60 s."""


@dataclass
class Ramp:
    """One ramp before it is written down; change anything, then ask for its evidence."""

    scenario: Scenario = field(default_factory=parse)
    number: int = 1
    seed: int = 1
    workers: int = 1
    run: str = "k1r1"
    is_closed: bool = True
    cpu: float = 0.3
    loop_lag: float = 0.002
    gc_pause: float = 0.001
    gauge: float = 1.0  # factor on what the gauges show
    controller: dict[str, Any] | None = field(default_factory=dict)  # laid over what a sound controller says
    worker: dict[str, Any] = field(default_factory=dict)  # laid over what worker 0 says
    rows: Callable[[list[dict[str, Any]]], Iterable[dict[str, Any]]] = list
    end: dict[str, Any] | None = field(default_factory=dict)  # laid over the end line; None: no end line
    has_export: bool = True
    unrecorded: slice = field(default_factory=lambda: slice(0, 0))  # arrivals whose worker died
    dropped: slice = field(default_factory=lambda: slice(0, 0))
    digest: str | None = None
    owner: Callable[[int], str] = lambda _: NOBODY.email  # whose account an arrival's rows stand on
    state: dict[int, LedgerState] = field(default_factory=dict)  # fate of joins that is not what their outcome says

    def __post_init__(self) -> None:
        self.plan: RampPlan = scenarios.plan_ramp(self.scenario, self.number)
        schedule = self.plan.schedule()
        self.due = np.rint(schedule.times(0, self.plan.count) * SECOND_NS) / SECOND_NS
        random = np.random.default_rng(self.seed)
        shape = (self.plan.count, STEPS)
        self.service = 0.02 * random.exponential(size=shape) + 0.005
        self.outcome = np.full(shape, Outcome.OK, np.uint8)
        self.lateness = np.full(self.plan.count, 0.0004)
        self.meant = np.full(self.plan.count, STEPS, np.uint8)

    def fail(self, step: int, indices: slice | NDArray[Any], outcome: Outcome, seconds: float = UNANSWERED) -> Ramp:
        """Make a step of these arrivals fail."""
        self.outcome[indices, step - 1] = outcome
        self.service[indices, step - 1] = seconds
        return self

    def stall(self, at: float, seconds: float, capacity: float) -> Ramp:
        """Let step 1 stand still from `at` for `seconds`, then be served in order at `capacity` a second."""
        free = 0.0
        for index, due in enumerate(self.due):
            start = at + seconds if at <= due < at + seconds else due
            free = max(free, start) + 1 / capacity
            self.service[index, 0] = free - due
        return self

    # --- what the parts look like on disk --------------------------------------------------------------------------

    def played(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return samples, arrivals and ledger."""
        count = self.plan.count
        samples: list[NDArray[Any]] = []
        ledger: NDArray[Any] = np.zeros(0, LEDGER)
        now = self.due + self.lateness
        is_going = np.ones(count, np.bool_)
        is_going[self.dropped] = False
        is_known = np.ones(count, np.bool_)
        is_known[self.unrecorded] = False
        arrivals = np.zeros(count, ARRIVAL)
        arrivals["index"], arrivals["intended"] = np.arange(count), _ns(self.due)
        arrivals["started"], arrivals["meant"], arrivals["ending"] = _ns(now), self.meant, Ending.COMPLETED
        think = np.zeros(count)
        for step in range(1, STEPS + 1):
            is_going &= self.meant >= step
            who = np.flatnonzero(is_going)
            if step > 1:
                think[who] += THINK
                now[who] += THINK
            records = np.zeros(who.size, SAMPLE)
            outcome = self.outcome[who, step - 1]
            records["index"], records["step"], records["outcome"] = who, step, outcome
            records["status"] = np.where(outcome == Outcome.TIMEOUT, 0, 200)
            records["intended"], records["think"] = _ns(self.due[who]), _ns(think[who])
            records["due"] = _ns(self.due[who] if step == 1 else now[who])
            records["started"] = _ns(now[who])
            now[who] += self.service[who, step - 1]
            records["finished"] = _ns(now[who])
            samples.append(records)
            if step == JOIN:
                ledger = self._ledger(who, outcome, records)
            arrivals["reached"][who[outcome <= Outcome.REJECTED]] = step
            failed = who[outcome > Outcome.REJECTED]
            arrivals["ending"][failed] = np.where(
                self.outcome[failed, step - 1] == Outcome.TIMEOUT, Ending.GAVE_UP, Ending.FAILED
            )
            arrivals["ending"][who[outcome == Outcome.IN_FLIGHT]] = Ending.IN_FLIGHT
            is_going[failed] = False
        arrivals["finished"], arrivals["think"] = _ns(now), _ns(think)
        arrivals["finished"][arrivals["ending"] == Ending.IN_FLIGHT] = -1
        for name, value in (("started", -1), ("finished", -1), ("ending", Ending.DROPPED)):
            arrivals[name][self.dropped] = value
        merged = np.concatenate(samples)
        return merged[is_known[merged["index"]]], arrivals[is_known], ledger[is_known[ledger["index"]]]

    def _ledger(self, who: NDArray[Any], outcome: NDArray[Any], records: NDArray[Any]) -> NDArray[Any]:
        entries = np.zeros(2 * who.size, LEDGER)
        entries["index"], entries["step"] = np.repeat(who, 2), JOIN
        entries["state"][0::2] = LedgerState.INTENT
        fates = {Outcome.OK: LedgerState.ACKNOWLEDGED, Outcome.REJECTED: LedgerState.REJECTED}
        fates[Outcome.SHED] = LedgerState.NOT_DONE
        entries["state"][1::2] = [
            self.state.get(index, fates.get(Outcome(said), LedgerState.IN_DOUBT))
            for index, said in zip(who.tolist(), outcome.tolist(), strict=True)
        ]
        entries["at"] = np.repeat(records["finished"], 2)
        return entries

    def _vitals(self, samples: NDArray[Any], arrivals: NDArray[Any]) -> NDArray[Any]:
        seconds = int(max(samples["finished"].max(initial=0) / SECOND_NS, self.plan.warm_up + self.plan.hold)) + 2
        vitals = np.zeros(seconds, VITAL)
        vitals["at"] = _ns(np.arange(1, seconds + 1, dtype=np.float64))
        vitals["cpu"], vitals["loop_lag"], vitals["gc_pause"] = self.cpu, self.loop_lag, self.gc_pause
        share = self.gauge / self.workers
        started = arrivals[arrivals["started"] >= 0]
        left = np.where(started["finished"] < 0, seconds * SECOND_NS, started["finished"])
        vitals["in_flight"] = _presence(started["started"], left, seconds) * share
        vitals["in_system"] = _presence(samples["started"], samples["finished"], seconds) * share
        return vitals

    def _stored(self, ledger: NDArray[Any]) -> Iterable[dict[str, Any]]:
        acknowledged = ledger["index"][ledger["state"] == LedgerState.ACKNOWLEDGED]
        rows = [
            {"kind": "join-wave", "key": key_of(self.run, index, JOIN), "owner": self.owner(index), "wave": WAVE}
            for index in acknowledged.tolist()
        ]
        return self.rows(rows)

    # --- the evidence ----------------------------------------------------------------------------------------------

    def write(self, folder: Path) -> Path:
        """Write the ramp's folder as a driver would."""
        folder.mkdir(parents=True, exist_ok=True)
        samples, arrivals, ledger = self.played()
        parts = {Kind.SAMPLES: samples, Kind.ARRIVALS: arrivals, Kind.LEDGER: ledger}
        for worker in range(self.workers):
            for kind, records in parts.items():
                with SegmentWriter(worker_path(folder, worker) / kind.file_name, kind) as segment:
                    segment.append(records[records["index"] % self.workers == worker])
            with SegmentWriter(worker_path(folder, worker) / Kind.VITALS.file_name, Kind.VITALS) as segment:
                segment.append(self._vitals(samples, arrivals))
        write_json(folder / RAMP, self._ramp())
        if self.controller is not None:
            write_json(folder / CONTROLLER, self._controller(samples, ledger) | self.controller)
        write_json(folder / TARGET, {"healthz": {"lab": True, "password_hash": "argon2id m=8KiB t=1"}, "wave": WAVE})
        if self.has_export:
            self._write_export(folder / STORED, ledger)
        return folder

    def _ramp(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "number": self.number, "name": plan.name, "run": self.run, "registrants": plan.registrants,
            "prefill": plan.prefill, "first_person": 0, "rate": plan.rate, "count": plan.count,
            "warm_up": plan.warm_up, "hold": plan.hold, "drain": 60.0, "workers": self.workers,
            "wave": WAVE, "target_url": "http://127.0.0.1:1",
            "schedule_digest": plan.schedule().digest() if self.digest is None else self.digest,
            "closed": self.is_closed, "journey": msgspec.to_builtins(OPTIONS), "curve": [[65.0, 100.0, 100.0]],
        }  # fmt: skip

    def _controller(self, samples: NDArray[Any], ledger: NDArray[Any]) -> dict[str, Any]:
        workers = [
            {"worker": worker, "state": "finished", "reason": "",
             "samples": int((samples["index"] % self.workers == worker).sum()),
             "ledger": int((ledger["index"] % self.workers == worker).sum())}
            for worker in range(self.workers)
        ]  # fmt: skip
        workers[0] |= self.worker
        return {
            "workers": workers, "issued": self.plan.count, "not_started": 0, "merged_samples": int(samples.size),
            "foreign_messages": 0, "interrupted": False, "stopped": "",
            "vitals": controller_vitals(self.plan.warm_up + self.plan.hold),
        }  # fmt: skip

    def _write_export(self, path: Path, ledger: NDArray[Any]) -> None:
        rows = list(self._stored(ledger))
        places = {"joined": {str(WAVE): len(rows)}, "quota": {str(WAVE): 10**9}}
        end = {"kind": "end", "rows": len(rows), "before": self.plan.prefill, **places}
        lines = [*rows, *([end | self.end] if self.end is not None else [])]
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.writelines(msgspec.json.encode(line) + b"\n" for line in lines)

    def evidence(self, folder: Path) -> RampEvidence:
        """Return the evidence as it is read back from disk."""
        return load_ramp(self.write(folder))

    def judge(self, folder: Path) -> RampJudgement:
        """Return the judgement of this ramp."""
        journey = make_journey(OPTIONS)
        return judge_ramp(self.evidence(folder), self.scenario, self.plan, journey, lambda _: NOBODY)


def controller_vitals(seconds: float, changed: Iterable[int] = (), **changes: float) -> list[dict[str, float]]:
    """Return what a controller says of itself each second of a ramp, some of whose seconds were otherwise."""
    usual = {"cpu": 0.1, "loop_lag": 0.001, "gc_pause": 0.001, "rss": 80_000_000}
    otherwise = set(changed)
    return [
        {"at": at * SECOND_NS, **usual, **(changes if at in otherwise else {})} for at in range(1, int(seconds) + 2)
    ]


def run_directory(path: Path, ramps: Iterable[Ramp], text: str = TEXT) -> Path:
    """Write a whole run directory."""
    directory = RunDirectory.create(path)
    directory.file(SCENARIO).write_text(text)
    directory.write(RUN, {"schema": 1, "run": "k1", "name": "synthetic", "created": "2020-04-11", "overrides": []})
    directory.write(ENVIRONMENT, {"cores": 2, "machine": "made up"})
    for number, ramp in enumerate(ramps, 1):
        people = Population(ramp.scenario.seed, ramp.scenario.applicants.dialable_phones)
        ramp.owner = lambda index, people=people: people.applicant(index).email  # type: ignore[misc]
        ramp.write(directory.ramp_path(number, ramp.plan.registrants))
    return path


def _ns(seconds: Floats) -> NDArray[np.int64]:
    return np.rint(seconds * SECOND_NS).astype(np.int64)


def _presence(starts: NDArray[Any], stops: NDArray[Any], seconds: int) -> Floats:
    """Return, second by second, the time-weighted mean of how many intervals are open."""
    edges = np.arange(seconds + 1) * SECOND_NS
    ordered = [np.sort(starts), np.sort(stops)]
    sums = [np.concatenate([[0], np.cumsum(times, dtype=np.float64)]) for times in ordered]
    before = [np.searchsorted(times, edges) for times in ordered]
    # time spent before an edge: Σ (edge − start) − Σ (edge − stop) over those that began or ended before it
    spent = [edges * number - total[number] for number, total in zip(before, sums, strict=True)]
    present: Floats = np.diff(spent[0] - spent[1]) / SECOND_NS
    return present
