"""Requests that were sent again because their connection died: shown always, and failures when they are many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import OPTIONS, STEPS, Ramp

from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement.case import MOST_RESENT, Case, open_case
from prakerja_load.judgement.objective import judge_objectives
from prakerja_load.judgement.soundness import judge_soundness
from prakerja_load.judgement.verdict import Finding, Verdict

COUNT = 6_500  # arrivals of a synthetic ramp, of which those after 500 are judged


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Case:
    ramp = Ramp()
    return open_case(
        ramp.evidence(tmp_path_factory.mktemp("ramp")), ramp.scenario, ramp.plan, make_journey(OPTIONS).steps
    )


def sent_again(case: Case, step: int, every: int, *, status: int = 0, outcome: Outcome = Outcome.ERROR) -> Case:
    """Return the case with a failed attempt before every n-th arrival's request of a step."""
    samples = case.evidence.samples
    chosen = samples[(samples["step"] == step) & (samples["index"] % every == 0)]
    first, second = chosen.copy(), chosen.copy()
    middle = (chosen["started"] + chosen["finished"]) // 2
    first["finished"], first["outcome"], first["status"] = middle, outcome, status
    second["started"], second["attempt"] = middle, 1
    kept = samples[~((samples["step"] == step) & (samples["index"] % every == 0))]
    evidence = replace(case.evidence, samples=np.concatenate([kept, first, second]))
    return open_case(evidence, case.scenario, case.plan, case.steps)


def finding(case: Case) -> Finding:
    return next(finding for finding in judge_soundness(case) if finding.rule == "sent again")


def success(case: Case, step: int) -> Verdict:
    name = f"success of step {step} "
    return next(one.verdict for one in judge_objectives(case) if one.name.startswith(name))


def test_where_nothing_was_sent_again_that_is_said(sound: Case) -> None:
    assert finding(sound).holds
    assert finding(sound).observed.startswith("0 of ")


def test_a_few_are_shown_and_forgiven(sound: Case) -> None:
    case = sent_again(sound, 2, 600)

    assert finding(case).holds
    assert finding(case).kind == "note"
    assert finding(case).observed == "10 of 24 010 requests were sent again because the connection died"
    assert success(case, 2) is Verdict.SUSTAINED


def test_many_are_failures_of_their_step(sound: Case) -> None:
    case = sent_again(sound, 3, 10)

    assert not finding(case).holds
    assert finding(case).observed == "600 of 24 600 requests were sent again because the connection died"
    assert success(case, 3) is Verdict.NOT_SUSTAINED
    assert success(case, 2) is Verdict.SUSTAINED
    assert np.isinf(case.elapsed[3].seconds).sum() == 600


@pytest.mark.parametrize(("status", "outcome"), [(503, Outcome.SHED), (500, Outcome.ERROR), (0, Outcome.TIMEOUT)])
def test_what_a_person_sends_again_is_another_matter(sound: Case, status: int, outcome: Outcome) -> None:
    case = sent_again(sound, 3, 10, status=status, outcome=outcome)

    assert case.resent == 0
    assert success(case, 3) is Verdict.SUSTAINED


@given(st.integers(2, 2_000), st.integers(1, STEPS))
@settings(deadline=None, max_examples=15)
def test_more_than_a_thousandth_counts_and_no_fewer(sound: Case, every: int, step: int) -> None:
    case = sent_again(sound, step, every)
    asked = int(np.count_nonzero(case.judged_requests))
    failed = int((case.history.outcomes_at(step, case.judged)[1] == Outcome.ERROR).sum())

    assert case.resent == sum(1 for index in range(500, COUNT) if index % every == 0)
    assert failed == (case.resent if case.resent > MOST_RESENT * asked else 0)
