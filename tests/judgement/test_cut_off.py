"""Journeys that somebody cut off: late beyond doubt, or not known, and no proof against a system that was quick."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import CURVE, JOIN, NOBODY, OPTIONS, Ramp, parse

from prakerja_load.evidence.journal import Kind, SegmentWriter
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.evidence.ramp import RampEvidence, load_ramp
from prakerja_load.evidence.run_directory import BEGUN, RAMP, worker_path, write_json
from prakerja_load.evidence.sample import VITAL
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.judgement.case import Case, open_case
from prakerja_load.judgement.flattering import BOOK
from prakerja_load.judgement.ramp import judge_ramp
from prakerja_load.judgement.verdict import RampJudgement, Verdict
from prakerja_load.units import SECOND_NS

WITHDRAWN: dict[str, Any] = {"stopped": "the target withdrew its consent"}
STEPS = make_journey(OPTIONS).steps


@dataclass
class CutOff(Ramp):
    """A ramp that somebody ended at `until`, with no drain: whoever is under way then is cut off."""

    until: float = 40.0

    def played(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        samples, arrivals, ledger = super().played()
        end = round(self.until * SECOND_NS)
        arrivals = arrivals[arrivals["started"] <= end]
        under_way = (arrivals["finished"] > end) | (arrivals["finished"] < 0)
        arrivals["ending"][under_way], arrivals["finished"][under_way] = Ending.IN_FLIGHT, -1
        samples = samples[samples["started"] <= end]
        unanswered = samples["finished"] > end
        samples["outcome"][unanswered], samples["finished"][unanswered] = Outcome.IN_FLIGHT, end
        reached = np.zeros(self.plan.count, np.uint8)
        np.maximum.at(reached, samples["index"], np.where(samples["outcome"] == Outcome.OK, samples["step"], 0))
        arrivals["reached"] = reached[arrivals["index"]]
        writes = samples[samples["step"] == JOIN]
        ledger = np.concatenate([self._sent(writes), ledger[(ledger["state"] != LedgerState.INTENT)]])
        ledger["at"] = np.where(ledger["state"] == LedgerState.INTENT, ledger["at"], np.minimum(ledger["at"], end))
        open_ = np.isin(ledger["index"], writes["index"][writes["outcome"] == Outcome.IN_FLIGHT])
        ledger["state"][open_ & (ledger["state"] != LedgerState.INTENT)] = LedgerState.IN_DOUBT
        return samples, arrivals, ledger[np.isin(ledger["index"], writes["index"])]

    def _sent(self, writes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        intents = np.zeros(writes.size, super().played()[2].dtype)
        intents["index"], intents["step"], intents["at"] = writes["index"], JOIN, writes["started"]
        intents["state"] = LedgerState.INTENT
        return intents


def case_of(ramp: Ramp, folder: Path) -> Case:
    return open_case(ramp.evidence(folder), ramp.scenario, ramp.plan, STEPS, ramp.plan.prefill)


def slow_to_think() -> CutOff:
    """Return a quick system whose owner ends the load while a third of the judged people are under way."""
    ramp = CutOff(until=9.0, controller=dict(WITHDRAWN))
    ramp.service[:, 1] = 1.5  # of 2 s that the first two steps may take
    return ramp


def test_a_load_that_was_ended_early_is_no_proof_against_a_quick_system(tmp_path: Path) -> None:
    ramp = slow_to_think()
    case = case_of(ramp, tmp_path / "case")
    judged = ramp.judge(tmp_path / "ramp")

    assert case.history.is_undecided.sum() > 0.3 * np.count_nonzero(case.judged & case.history.is_recorded)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert {one.verdict for one in judged.objectives} <= {Verdict.SUSTAINED, Verdict.INCONCLUSIVE}
    assert max(case.elapsed[2].seconds) < math.inf
    # they count as started all the same
    assert judged.counts.started == np.count_nonzero(case.history.is_started)


def test_who_had_waited_beyond_the_limit_when_the_load_was_ended_is_late(tmp_path: Path) -> None:
    ramp = CutOff(until=40.0, controller=dict(WITHDRAWN))
    ramp.service[ramp.due > 30.0, JOIN - 1] = 60.0
    case = case_of(ramp, tmp_path / "case")
    judged = ramp.judge(tmp_path / "ramp")

    cut = np.flatnonzero(case.history.is_cut_off)
    waited = 40.0 - ramp.due[cut] - 2 * 0.2  # think time taken out
    limit = case.elapsed_limit(JOIN)
    is_asking = case.history.arrivals["reached"][cut] == JOIN - 1
    assert is_asking.sum() > 500
    late = np.isin(cut, np.flatnonzero(case.history.is_cut_off & ~case.history.is_undecided))
    assert late[waited > limit + 0.01].all()
    assert not late[waited < limit - 0.01].any()
    assert judged.verdict is Verdict.NOT_SUSTAINED


def test_a_journey_in_flight_after_a_whole_drain_is_late_whoever_is_thinking(tmp_path: Path) -> None:
    case = case_of(CutOff(until=40.0), tmp_path)

    assert not case.history.is_cut_off.any()
    assert np.isinf(case.elapsed[4].seconds).sum() > 0


def test_what_the_scenario_itself_aborted_was_not_cut_off(tmp_path: Path) -> None:
    ramp = CutOff(until=40.0, controller={"stopped": "abort_on"})
    evidence = ramp.evidence(tmp_path)
    write_json(tmp_path / "aborted.json", {"reason": "journey p99 beyond 9 s", "elapsed": 40.0})
    aborted = load_ramp(tmp_path)

    assert open_case(evidence, ramp.scenario, ramp.plan, STEPS).history.is_cut_off.any()
    assert not open_case(aborted, ramp.scenario, ramp.plan, STEPS).history.is_cut_off.any()


def test_a_curve_that_was_ended_early_was_not_given_its_drain(tmp_path: Path) -> None:
    judged = CutOff(scenario=CURVE, until=30.0, controller=dict(WITHDRAWN)).judge(tmp_path / "early")
    (drain,) = (one for one in judged.objectives if one.rule == "backlog")
    whole = CutOff(scenario=CURVE, until=59.9).judge(tmp_path / "whole")
    (never,) = (one for one in whole.objectives if one.rule == "backlog")

    assert judged.verdict is Verdict.INCONCLUSIVE
    assert drain.verdict is Verdict.SUSTAINED
    assert never.verdict is Verdict.NOT_SUSTAINED


# --- a killed generator, and the rest played by another


@dataclass
class Rest(Ramp):
    """What was left of a ramp, played to its end."""

    begins_at: int = 0

    def played(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        samples, arrivals, ledger = (part[part["index"] >= self.begins_at] for part in super().played())
        return samples, arrivals, ledger

    def _stored(self, ledger: np.ndarray[Any, Any]) -> Iterable[dict[str, Any]]:
        return super()._stored(super().played()[2])  # with what the part before wrote


def killed(folder: Path, hang_at: float, until: float, step: int = JOIN) -> RampEvidence:
    """Return a curve whose worker was killed at `until`, its system hanging since `hang_at`, the rest played well."""
    first = CutOff(scenario=CURVE, until=until)
    first.service[:] = 0.01
    began = first.due + 0.0004 + (step - 1) * 0.21
    first.service[began >= hang_at, step - 1] = 1_000.0
    samples, arrivals, ledger = first.played()
    vitals = first._vitals(samples, arrivals)[: int(until)]
    # the kill: nobody under way has a closing record, no request without an answer a sample, nor a write its fate
    arrivals = arrivals[arrivals["ending"] != Ending.IN_FLIGHT]
    samples = samples[samples["outcome"] != Outcome.IN_FLIGHT]
    ledger = ledger[ledger["state"] != LedgerState.IN_DOUBT]
    begins_at = int(np.setdiff1d(np.arange(first.plan.count), arrivals["index"])[0])
    rest = Rest(scenario=CURVE, begins_at=begins_at)
    rest.service[:] = 0.01
    rest.controller = {"issued": rest.plan.count - begins_at}
    rest.write(folder)
    part = folder / "part-1"
    for kind, records in zip(Kind, (samples, arrivals[arrivals["index"] < begins_at], ledger, vitals), strict=True):
        with SegmentWriter(worker_path(part, 0) / kind.file_name, kind) as segment:
            segment.append(records)
    write_json(part / RAMP, first._ramp() | {"closed": False})
    write_json(part / BEGUN, {"epoch_wall": 1_000.0})
    return load_ramp(folder)


def judge(evidence: RampEvidence) -> RampJudgement:
    ramp = Ramp(scenario=CURVE)
    return judge_ramp(evidence, CURVE, ramp.plan, make_journey(OPTIONS), lambda _: NOBODY)


def test_a_system_that_hung_is_not_excused_by_the_death_of_the_generator(tmp_path: Path) -> None:
    evidence = killed(tmp_path, hang_at=25.0, until=30.0)
    judged = judge(evidence)

    # 100 a second, 4 s long: those who had asked for more than 1 s by the last word
    assert evidence.kept.size == pytest.approx(400, abs=5)
    assert judged.verdict is Verdict.NOT_SUSTAINED
    assert any("elapsed to step 3" in reason or "step 3" in reason for reason in judged.reasons)
    assert f"{evidence.kept.size} kept waiting until then, the longest for 4.99 s" in judged.sentence
    assert (judged.integrity.lost, judged.integrity.unexpected) == (0, 0)
    held = {finding.rule: finding.holds for finding in judged.findings}
    assert (held["records complete"], held["arrivals issued"], held["arrivals accounted for"]) == (True, True, True)
    assert held["waiting when killed"]  # every one of them by name


def test_a_read_that_hung_leaves_no_name_and_forbids_green(tmp_path: Path) -> None:
    evidence = killed(tmp_path, hang_at=25.0, until=30.0, step=2)
    judged = judge(evidence)

    assert evidence.kept.size == 0
    # in the second from 28 s to 29 s, those who asked since 25 s
    assert evidence.unheard == pytest.approx(350, rel=0.02)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "waiting when killed: at least 350" in "; ".join(judged.reasons)


def test_a_quick_system_is_not_accused_of_the_death_of_the_generator(tmp_path: Path) -> None:
    evidence = killed(tmp_path, hang_at=30.0, until=30.0)
    judged = judge(evidence)

    assert (evidence.kept.size, evidence.unheard) == (0, 0.0)
    assert judged.verdict is Verdict.SUSTAINED, judged.reasons


def test_nothing_is_said_of_a_ramp_in_one_piece(tmp_path: Path) -> None:
    (rule,) = (rule for rule in BOOK.rules if rule.name == "waiting when killed")

    assert rule.check(case_of(Ramp(scenario=parse()), tmp_path)).holds


def test_the_gauge_of_a_second_is_all_that_is_asked_of_the_vitals(tmp_path: Path) -> None:
    evidence = killed(tmp_path, hang_at=25.0, until=30.0)

    assert evidence.vitals[0].dtype == VITAL
    assert evidence.cut_at == (pytest.approx(30.0, abs=0.5),)
