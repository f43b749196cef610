"""One ramp's case: plan, evidence and limits laid side by side for the rules to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.arrivals.ramp import RampPlan
from prakerja_load.evidence.ramp import RampEvidence
from prakerja_load.journey.step import Ending, Outcome, Step
from prakerja_load.judgement.cut_off import cut_off, undecided
from prakerja_load.judgement.estimate import ALPHA, Array, Estimate, quantiles, ratio
from prakerja_load.judgement.history import Elapsed, History, Mask, lay_out
from prakerja_load.judgement.window import Window
from prakerja_load.scenario import Objectives, Scenario
from prakerja_load.units import SECOND_NS, Seconds

CURVE_WINDOW: Seconds = 60.0
MOST_RESENT = 0.001
"""The share of requests that may be sent again, their connections having died, without counting as failures."""
SHOWN = (0.5, 0.95, 0.99)
"""The quantiles that stand in every table."""


@dataclass(frozen=True)
class Case:
    """What the rules look at; everything derived from it is computed once, when first asked for."""

    evidence: RampEvidence
    scenario: Scenario
    plan: RampPlan
    steps: tuple[Step, ...]
    history: History
    digest: str  # of the schedule that the plan gives today
    stored_before: int | None = None  # registrants the store held before the ramp, None where nothing says so

    @property
    def objectives(self) -> Objectives:
        """Return the limits of the scenario."""
        return self.scenario.objectives

    @property
    def controller(self) -> Mapping[str, Any]:
        """Return the controller's last record, empty when it left none."""
        return self.evidence.controller or {}

    @property
    def workers(self) -> list[Mapping[str, Any]]:
        """Return what the controller's record says of each worker."""
        return list(self.controller.get("workers") or ())

    @property
    def alpha(self) -> float:
        """Return the error allowed on each side: 5 %, shared by the looks that were declared."""
        return ALPHA / self.objectives.looks

    @property
    def window(self) -> Window:
        """Return what is judged, by intended time; the last arrival of a curve may be due at its very end.

        A ramp that abort_on ended is judged as far as it was offered, which never makes it green.
        """
        start, stop = self.plan.window
        stop = math.nextafter(stop, math.inf) if self.is_curve else stop
        return Window(start, min(stop, self.evidence.aborted_at))

    @property
    def is_curve(self) -> bool:
        """Tell whether the claim plays a curve, which has no steady state."""
        return self.plan.claim != "peak"

    @property
    def window_length(self) -> Seconds | None:
        """Return the length of the windows that are judged each on its own, None when only the whole is."""
        asked = self.objectives.every_window
        return asked if asked is not None or not self.is_curve else CURVE_WINDOW

    @cached_property
    def judged(self) -> Mask:
        """Tell, for each planned arrival, whether it is due in the judged window."""
        return self.window.contains(self.history.intended)

    @property
    def gated(self) -> tuple[Step, ...]:
        """Return the steps of the system under test in their order."""
        return tuple(sorted((step for step in self.steps if step.is_gated), key=lambda step: step.number))

    @property
    def last_step(self) -> Step:
        """Return the step that ends the journey of who means to finish."""
        return self.gated[-1]

    def elapsed_limit(self, number: int) -> Seconds:
        """Return the limit of the elapsed time to a step: base + per_step · k."""
        return self.objectives.elapsed_base + self.objectives.elapsed_per_step * number

    @property
    def lateness_limit(self) -> Seconds:
        """Return how late the generator may be: the larger of 10 ms and 10 % of the tightest objective."""
        return max(0.010, 0.1 * min(self.elapsed_limit(step.number) for step in self.gated))

    @cached_property
    def elapsed(self) -> Mapping[int, Elapsed]:
        """Return the judged elapsed times by step number."""
        return {step.number: self.history.elapsed_to(step.number, self.judged) for step in self.gated}

    @cached_property
    def elapsed_estimates(self) -> Mapping[int, Mapping[float, Estimate]]:
        """Return the shown and the gated quantiles of the judged elapsed times by step number."""
        shares = sorted({*SHOWN, self.objectives.quantile})
        return {
            number: quantiles(elapsed.seconds, shares, self.alpha, is_whole=self.is_curve)
            for number, elapsed in self.elapsed.items()
        }

    @cached_property
    def step_success(self) -> Mapping[int, Estimate]:
        """Return the judged success ratio by step number: the last attempt of each registrant counts."""
        return {
            step.number: self.success_of(self.history.outcomes_at(step.number, self.judged)[1] > Outcome.REJECTED)
            for step in self.gated
        }

    def success_of(self, failures: Mask) -> Estimate:
        """Return a success ratio over all that is judged; a curve is played whole and speaks for itself alone."""
        return ratio(failures, self.alpha, is_whole=self.is_curve)

    @cached_property
    def finishers(self) -> tuple[NDArray[np.int64], Mask]:
        """Return the judged arrivals that mean to finish, and which of them did not."""
        history = self.history
        means_to = history.arrivals["meant"] == self.last_step.number
        indices = np.flatnonzero(self.judged & history.is_recorded & means_to & ~history.is_undecided)
        return indices, ~history.has_ended(Ending.COMPLETED)[indices]

    @cached_property
    def resent(self) -> int:
        """Return how many judged requests were sent again because their connection had died."""
        return int(np.count_nonzero(self.history.is_resent & self.judged_requests))

    @property
    def has_too_many_resent(self) -> bool:
        """Tell whether so many were sent again that each counts as a failure of its step.

        A server that closes an idle connection just as a request comes costs a handful; one that takes requests and
        drops the connections instead of answering must not pass because its clients are stubborn.
        """
        return self.resent > MOST_RESENT * int(np.count_nonzero(self.judged_requests))

    @cached_property
    def judged_requests(self) -> Mask:
        """Tell, for each request, whether its arrival is judged."""
        inside: Mask = self.judged[self.history.samples["index"]]
        return inside


def p99(seconds: Array) -> Seconds:
    """Return the plain 99 % quantile by nearest rank, 0 of nothing; for checks and labels, never judged."""
    return float(np.quantile(seconds, 0.99, method="inverted_cdf")) if seconds.size else 0.0


def open_case(
    evidence: RampEvidence,
    scenario: Scenario,
    plan: RampPlan,
    steps: Sequence[Step],
    stored_before: int | None = None,
) -> Case:
    """Return the case of one ramp; the due times are those of the plan, never of the records."""
    schedule = plan.schedule()
    due = np.rint(schedule.times(0, plan.count) * SECOND_NS) / SECOND_NS
    case = Case(
        evidence=evidence,
        scenario=scenario,
        plan=plan,
        steps=tuple(steps),
        history=lay_out(due, evidence.arrivals, evidence.samples),
        digest=schedule.digest(),
        stored_before=stored_before,
    )
    is_cut_off = cut_off(case.history, evidence)
    history = replace(
        case.history,
        is_cut_off=is_cut_off,
        is_undecided=undecided(case.history, is_cut_off, case.elapsed_limit),
        counts_resent=case.has_too_many_resent,
    )
    return replace(case, history=history)
