"""What a case hands to its rules, and who is looked at: the error that looks share, the judged, those who started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from synthetic import CURVE, OPTIONS, Ramp, parse

from prakerja_load.evidence.sample import VITAL
from prakerja_load.journey.journeys import make_journey
from prakerja_load.journey.step import Outcome
from prakerja_load.judgement import accusing
from prakerja_load.judgement.case import Case, open_case
from prakerja_load.judgement.estimate import quantile, ratio
from prakerja_load.judgement.lookup import Lookup, TableOrder
from prakerja_load.judgement.rule import Seen
from prakerja_load.judgement.soundness import is_steady
from prakerja_load.judgement.window import Window
from prakerja_load.units import SECOND_NS


def case_of(ramp: Ramp, folder: Path) -> Case:
    return open_case(ramp.evidence(folder), ramp.scenario, ramp.plan, make_journey(OPTIONS).steps, ramp.plan.prefill)


@pytest.mark.parametrize(("looks", "alpha"), [(1, 0.05), (2, 0.025), (3, 0.05 / 3)])
def test_looks_that_were_declared_share_the_error_of_every_bound(looks: int, alpha: float, tmp_path: Path) -> None:
    ramp = Ramp(scenario=parse(f"objectives.looks={looks}")).fail(2, slice(3_000, 3_030), Outcome.ERROR, 0.01)
    case = case_of(ramp, tmp_path)
    failed = case.history.outcomes_at(2, case.judged)[1] > Outcome.REJECTED

    assert case.alpha == pytest.approx(alpha)
    for number, shares in case.elapsed_estimates.items():
        assert shares == {share: quantile(case.elapsed[number].seconds, share, alpha) for share in (0.5, 0.95, 0.99)}
    assert case.step_success[2] == ratio(failed, alpha)
    assert case.step_success[2].value < 1


def test_a_curve_speaks_for_itself_alone_and_a_hold_for_what_it_stands_for(tmp_path: Path) -> None:
    """A stall leaves alike values one after the other: of a curve they count one by one, of a hold for fewer."""
    for scenario, is_whole in ((CURVE, True), (parse(), False)):
        case = case_of(Ramp(scenario=scenario).stall(30, 2, 400), tmp_path / str(is_whole))
        seconds = case.elapsed[1].seconds
        estimate = case.elapsed_estimates[1][0.99]

        assert (estimate.n_effective == estimate.n) is is_whole
        assert estimate == quantile(seconds, 0.99, is_whole=is_whole)


@pytest.mark.parametrize(
    ("base", "per_step", "limit"), [("1s", "500ms", 0.15), ("50ms", "10ms", 0.01), ("90ms", "11ms", 0.0101)]
)
def test_a_generator_may_be_late_by_a_tenth_of_the_tightest_limit_or_10_ms(
    base: str, per_step: str, limit: float, tmp_path: Path
) -> None:
    ramp = Ramp(scenario=parse(f"objectives.elapsed_base={base}", f"objectives.elapsed_per_step={per_step}"))

    assert case_of(ramp, tmp_path).lateness_limit == pytest.approx(limit)


def test_who_was_late_before_the_judged_time_or_never_started_makes_no_generator_late(tmp_path: Path) -> None:
    """Judged is who is due from 5 s on: arrivals 500 to 6 499."""
    for late, holds in ((slice(0, 500), True), (slice(500, 600), False)):
        ramp = Ramp(dropped=slice(700, 1_000))
        ramp.lateness[late] = 3.0

        seen = accusing.is_punctual(case_of(ramp, tmp_path / str(holds)))

        assert seen.holds is holds
        assert seen.observed == ("0.4 ms" if holds else "3 s")


def vitals(seconds: int) -> Any:
    told = np.zeros(seconds, VITAL)
    told["at"] = (np.arange(seconds) + 1) * SECOND_NS
    return told


@pytest.mark.parametrize(
    ("workers", "seen", "told"),
    [
        (1, {}, Seen(False, "0 s at least")),
        (0, {}, Seen(False, "0 s at least")),
        (1, {0: vitals(8)}, Seen(True, "8 s at least")),
        (1, {0: vitals(7)}, Seen(False, "7 s at least")),
        (2, {0: vitals(10)}, Seen(False, "10 s at least")),
        (2, {0: vitals(10), 1: vitals(3)}, Seen(False, "3 s at least")),
    ],
)
def test_every_worker_must_show_how_it_was(workers: int, seen: dict[int, Any], told: Seen) -> None:
    """Of 10 judged seconds 90 %, less the one that the window's edge cuts."""
    evidence = SimpleNamespace(
        vitals=seen, ramp=SimpleNamespace(workers=workers), controller=None, cut_at=(), led=vitals(0)
    )
    case = cast(Case, SimpleNamespace(evidence=evidence, window=Window(0.0, 10.0), controller={}))

    found = accusing.shows_vitals(case)
    assert (found.holds, found.observed) == (told.holds, f"{told.observed} of each worker, 0 s of the controller")


@pytest.mark.parametrize(
    ("cuts", "is_curve", "told"),
    [
        ((), False, Seen(True, "one")),
        ((30.0,), False, Seen(False, "2 parts")),
        ((30.0, 50.0), False, Seen(False, "3 parts")),
        ((30.0,), True, Seen(True, "2 parts")),
    ],
)
def test_a_peak_is_offered_in_one_piece(cuts: tuple[float, ...], told: Seen, *, is_curve: bool) -> None:
    case = cast(Case, SimpleNamespace(evidence=SimpleNamespace(cut_at=cuts), is_curve=is_curve))

    assert accusing.is_in_one_piece(case) == told


@pytest.mark.parametrize(
    ("until", "times", "holds", "told"),
    [
        (0, 1.0, True, "cuts "),
        (15, 4.0, False, "cuts 20 s, "),
        (32, 4.0, False, "no steady part, "),
    ],
)
def test_another_regime_beyond_the_warm_up_is_told_with_how_far_it_is_apart(
    until: int, times: float, told: str, tmp_path: Path, *, holds: bool
) -> None:
    ramp = Ramp()
    ramp.service[:] = 0.02 + 1e-4 * np.random.default_rng(3).random(ramp.service.shape)
    ramp.service[ramp.due < until] *= times

    seen = is_steady(case_of(ramp, tmp_path))

    assert seen.holds is holds
    assert seen.observed.startswith(told), seen.observed


def test_a_tables_order_is_read_option_by_option(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    order = TableOrder(
        stored=path, key="nik=citizen_id", columns=("email=mail", " phone = tel "), step="identity", is_recorded=True
    )

    table, lookup = order.opened()

    assert table.name == "people.csv"
    assert lookup == Lookup("nik", {"email": "mail", "phone": "tel", "nik": "citizen_id"}, "identity", False, True)
    assert replace(order, ignores_others=True).opened()[1].ignores_others
    assert lookup.compared.fields == ("email", "phone")
    assert [lookup.column(field) for field in ("nik", "email", "birth")] == ["citizen_id", "mail", "birth"]
