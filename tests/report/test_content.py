from __future__ import annotations

import dataclasses
import math

import example_run
import pytest

from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.verdict import (
    Counts,
    EarlierRun,
    ObjectiveResult,
    RampJudgement,
    RunJudgement,
    Verdict,
)
from prakerja_load.report import content, html, markdown
from prakerja_load.report.document import Report

YES, OPEN, NO = Verdict.SUSTAINED, Verdict.INCONCLUSIVE, Verdict.NOT_SUSTAINED
ASKS = (200_000, 300_000, 600_000, 2_000_000)
EMPTY = example_run.empty_ramp()


def ladder(*verdicts: Verdict, asks: tuple[int, ...] = ASKS) -> tuple[RampJudgement, ...]:
    return tuple(
        dataclasses.replace(EMPTY, number=number, registrants=registrants, verdict=verdict)
        for number, (registrants, verdict) in enumerate(zip(asks, verdicts, strict=False), 1)
    )


@pytest.mark.parametrize(
    ("verdicts", "headline"),
    [
        ((YES, YES, YES, YES), "Carries the peak of 2 000 000 registrants"),
        ((YES, YES, YES, OPEN), "Carries the peak of 600 000; not shown for 2 000 000"),
        ((YES, YES, YES, NO), "Carries the peak of 600 000; does not carry 2 000 000"),
        ((YES, YES, OPEN, NO), "Carries the peak of 300 000; not shown for 600 000; does not carry 2 000 000"),
        ((OPEN, OPEN, NO, NO), "Not shown for the peak of 200 000 and 300 000; does not carry 600 000 and 2 000 000"),
        ((NO,), "Does not carry the peak of 200 000 registrants"),
        (
            (OPEN, YES, YES, YES),
            "Not shown for the peak of 200 000; passed at 300 000, 600 000 and 2 000 000 all the same",
        ),
        ((), "Nothing was judged"),
    ],
)
def test_the_headline_is_the_answer(verdicts: tuple[Verdict, ...], headline: str) -> None:
    assert content.headline(ladder(*verdicts)) == headline


def test_only_of_a_peak_the_headline_says_that_it_is_one() -> None:
    played = tuple(dataclasses.replace(ramp, claim="volume") for ramp in ladder(YES, NO))

    assert content.headline(played) == "Carries 200 000; does not carry 300 000"
    assert content.headline_indonesian(played).startswith("LAYAK sampai 200.000 pendaftar")


def test_what_is_carried_needs_every_ramp_below_it() -> None:
    assert content.carried(ladder(YES, OPEN, YES)) == 200_000
    assert content.carried(ladder(NO, YES, YES)) is None


def test_two_ramps_of_the_same_size_must_both_be_sustained() -> None:
    assert content.carried(ladder(YES, YES, NO, asks=(100, 200, 200))) == 100


def test_the_indonesian_headline_gives_the_same_answer() -> None:
    assert content.headline_indonesian(ladder(YES, YES, OPEN, NO)) == (
        "LAYAK sampai puncak 300.000 pendaftar; BELUM TERBUKTI untuk 600.000; TIDAK LAYAK untuk 2.000.000"
    )


def test_the_same_judgement_gives_the_same_report(run: RunJudgement, report: Report) -> None:
    assert content.build(run) == report


def test_every_ramp_has_a_rung_and_a_section_with_both_words(report: Report) -> None:
    words = [(rung.badge.english, rung.badge.indonesian, rung.anchor) for rung in report.ladder]

    assert words == [(section.badge.english, section.badge.indonesian, section.anchor) for section in report.ramps]
    assert words[2:] == [
        ("INCONCLUSIVE", "BELUM TERBUKTI", "ramp-3"),
        ("NOT_SUSTAINED", "TIDAK LAYAK", "ramp-4"),
    ]


def test_the_summary_speaks_of_the_lowest_ramp_that_fails(report: Report, run: RunJudgement) -> None:
    assert report.summary[0] == run.ramps[3].sentence


def test_the_summary_of_a_clean_run_speaks_of_its_highest_ramp() -> None:
    ramps = (example_run.ramp(1, 200_000, YES), example_run.ramp(2, 300_000, YES))
    built = content.build(dataclasses.replace(example_run.run(), ramps=ramps, verdict=YES))

    assert built.summary[0] == ramps[1].sentence


def test_a_rung_that_is_not_carried_says_why(report: Report) -> None:
    assert "the generator was late: lateness p99 212 ms, allowed 150 ms" in report.ladder[2].lines


def test_the_exit_code_is_given_with_its_meaning(report: Report) -> None:
    assert ("Exit code", "1: a ramp NOT_SUSTAINED (speed, success or integrity)") in report.facts


def test_the_four_counts_show_the_distance_to_the_one_before(report: Report) -> None:
    shown = [(count.label, count.number, count.gap) for count in report.ramps[3].counts]

    assert shown == [
        ("offered", "26 800", ""),
        ("started", "26 788", "12 fewer"),
        ("acknowledged", "26 388", "400 fewer"),
        ("verified", "26 385", "3 fewer"),
    ]


@pytest.mark.parametrize(
    ("is_whole", "verified", "shown"),
    [
        (True, 0, ("0", "9 fewer")),
        (False, 0, ("not known", "")),  # nobody counted what is stored
        (False, 4, ("at least 4", "5 fewer")),  # an export that was cut off
    ],
)
def test_a_count_of_none_is_shown_only_where_it_was_counted(
    is_whole: bool, verified: int, shown: tuple[str, str]
) -> None:
    integrity = dataclasses.replace(EMPTY.integrity, is_whole=is_whole)
    ramp = dataclasses.replace(EMPTY, counts=Counts(9, 9, 9, verified), integrity=integrity)
    report = content.build(with_ramp(ramp))
    last = report.ramps[0].counts[3]

    assert (last.number, last.gap) == shown
    assert f"verified **{shown[0]}**" in markdown.render(report)
    assert f"<span>verified</span> <strong>{shown[0]}</strong>" in html.render(report)


def test_a_gap_without_a_reason_is_called_that() -> None:
    section = content.build(with_ramp(dataclasses.replace(EMPTY, counts=Counts(10, 9, 9, 9)))).ramps[0]

    assert section.gaps == ("No reason is recorded for the difference between these counts.",)


def test_counts_without_a_gap_need_no_reason(report: Report) -> None:
    assert report.ramps[0].gaps == ()


def test_the_facts_name_what_comes_closest_to_its_limit(report: Report) -> None:
    facts = dict(report.ramps[2].facts)

    assert facts["Closest to its limit"] == (
        "journey time (elapsed to step 14 read-status), p99: 6.82 s, limit 8 s (85 %)"
    )
    assert facts["Slowest step"] == "1 wave-page: service p99 286 ms"


def test_a_time_without_end_is_closer_to_its_limit_than_any_other(report: Report) -> None:
    assert dict(report.ramps[3].facts)["Closest to its limit"] == (
        "elapsed to step 13 join-wave, p99: ∞ (failures reach this quantile), limit 7.5 s"
    )


def test_the_backlog_stands_beside_its_limit(report: Report) -> None:
    assert dict(report.ramps[0].facts)["Backlog"] == "0.04 % [0.02, 0.06 %], limit 1 %"


def test_the_drain_of_a_curve_is_told_as_a_time() -> None:
    drain = ObjectiveResult(
        "drain time after the last arrival", "backlog", 60.0, "s", Estimate(4.0, 4.0, 4.0, 1, 1.0), YES, ""
    )
    section = content.build(with_ramp(dataclasses.replace(EMPTY, objectives=(drain,)))).ramps[0]

    assert dict(section.facts)["Backlog"] == "4 s, limit 60 s"


def test_the_completed_rate_carries_its_bounds(report: Report) -> None:
    assert dict(report.ramps[0].facts)["Completed"] == "44.6 journeys/s [43.7, 45.5 journeys/s]"


def test_headroom_is_told_as_at_least(run: RunJudgement) -> None:
    ramp = dataclasses.replace(run.ramps[0], headroom=0.1299)
    section = content.build(dataclasses.replace(run, ramps=(ramp,))).ramps[0]

    assert dict(section.facts)["Headroom"] == "at least 12 %"


def test_a_ramp_without_any_data_is_told_without_a_number() -> None:
    section = content.build(with_ramp(EMPTY)).ramps[0]
    facts = dict(section.facts)

    assert section.badge.english == "INCONCLUSIVE"
    assert section.charts == ()
    assert (facts["Completed"], facts["Closest to its limit"], facts["Slowest step"]) == ("–", "–", "–")
    assert facts["Backlog"] == "– (no data)"


def test_a_run_without_ramps_says_that_nothing_is_shown() -> None:
    built = content.build(dataclasses.replace(example_run.run(), ramps=(), verdict=OPEN, exit_code=3))

    assert built.headline == "Nothing was judged"
    assert built.summary == ("No ramp has been judged, so nothing is shown about this system.",)


def test_a_ramp_named_by_something_else_than_its_size_shows_its_name() -> None:
    assert content.build(with_ramp(EMPTY)).ramps[0].title == "Ramp 1: 200 000 registrants (first)"
    assert content.build(example_run.run()).ramps[0].title == "Ramp 1: 200 000 registrants"


def test_the_guide_explains_the_claims_that_the_run_makes() -> None:
    built = content.build(with_ramp(dataclasses.replace(EMPTY, claim="volume")))

    assert built.guide[0][0] == "Claim “volume”"
    assert all("peak" not in term for term, _ in built.guide)


def test_an_unbounded_headroom_or_lateness_breaks_nothing() -> None:
    ramp = dataclasses.replace(EMPTY, lateness_p99=math.nan, lateness_p50=math.nan)

    assert dict(content.build(with_ramp(ramp)).ramps[0].facts)["Generator lateness"] == "p50 –, p99 –"


def with_ramp(ramp: RampJudgement) -> RunJudgement:
    return dataclasses.replace(example_run.run(), ramps=(ramp,), verdict=ramp.verdict, exit_code=3)


def test_a_first_run_tells_of_no_others(report: Report) -> None:
    assert "Earlier runs" not in dict(report.facts)
    assert "Earlier runs" not in dict(report.guide)


def test_a_green_after_tries_is_told_as_one_above_and_how_to_read_it_below(run: RunJudgement) -> None:
    before = tuple(EarlierRun(f"run-{number}", "2020-04-11", verdict) for number, verdict in enumerate((NO, OPEN, NO)))
    green = dataclasses.replace(run, earlier_runs=before, verdict=YES)
    report = content.build(green)
    above, below = dict(report.facts)["Earlier runs"], dict(report.guide)["Earlier runs"]

    assert above.endswith("of the 3 before, 2 were NOT_SUSTAINED and 1 INCONCLUSIVE")
    assert below.startswith(f"This is the {above}. ")
    assert "up to 1 − 0.95^4 = 18.55 %" in below
    assert below in html.render(report).replace("\N{NO-BREAK SPACE}", " ")
    assert markdown.escape(below) in markdown.render(report)
    assert report.badge == content.build(dataclasses.replace(green, earlier_runs=())).badge
