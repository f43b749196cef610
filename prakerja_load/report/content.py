"""Turns a judgement into a finished report: all arithmetic and every decision about words happens here."""

from __future__ import annotations

import math
import textwrap

from prakerja_load.judgement import tries
from prakerja_load.judgement.verdict import Counts, ObjectiveResult, RampJudgement, RunJudgement, Verdict
from prakerja_load.report import guide
from prakerja_load.report.curves import (
    completed_rate,
    curve_charts,
    journey_objective,
    overview_charts,
    quantile_text,
    timed_objectives,
)
from prakerja_load.report.document import Cell, Column, Count, RampSection, Report, Rung, Table
from prakerja_load.report.tables import (
    badge_of,
    findings_table,
    integrity_table,
    limit_text,
    objectives_tables,
    steps_table,
)
from prakerja_load.report.wording import (
    NOTHING,
    REACHED,
    UNKNOWN,
    at_least,
    estimate_text,
    indonesian_count,
    seed_text,
    share_text,
    stored_text,
    time_text,
    withhold_identities,
)
from prakerja_load.units import format_count, format_duration, format_rate


def build(run: RunJudgement) -> Report:
    """Return the finished report of one run; the same judgement gives the same report."""
    run = withhold_identities(run)
    return Report(
        title=run.scenario,
        description=run.description,
        headline=headline(run.ramps),
        headline_indonesian=headline_indonesian(run.ramps),
        badge=badge_of(run.verdict),
        summary=_summary(run),
        facts=_run_facts(run),
        ladder=tuple(_rung(ramp) for ramp in run.ramps),
        overview=overview_charts(run.ramps),
        ramps=tuple(_section(ramp) for ramp in run.ramps),
        not_tested=run.not_tested,
        environment=_environment(run.environment),
        guide=guide.lines(run.ramps, tries.sentences(tries.tries_of(run))),
    )


def carried(ramps: tuple[RampJudgement, ...]) -> int | None:
    """Return the highest N that is SUSTAINED together with every ramp up to it, or None."""
    highest = None
    for registrants in sorted({ramp.registrants for ramp in ramps}):
        here = [ramp.verdict for ramp in ramps if ramp.registrants == registrants]
        if any(verdict is not Verdict.SUSTAINED for verdict in here):
            break
        highest = registrants
    return highest


def headline(ramps: tuple[RampJudgement, ...]) -> str:
    """Return the answer in one sentence: "Carries the peak of 600 000; not shown for 2 000 000".

    Of claim `peak` only a rate was held, on a store of so many: that nobody must read as so many registrations.
    """
    if not ramps:
        return "Nothing was judged"
    highest = carried(ramps)
    parts = [] if highest is None else [("carries", format_count(highest))]
    parts += _beyond(ramps, Verdict.INCONCLUSIVE, "not shown for")
    parts += _beyond(ramps, Verdict.NOT_SUSTAINED, "does not carry")
    later = [
        ramp.registrants for ramp in ramps if ramp.verdict is Verdict.SUSTAINED and ramp.registrants > (highest or 0)
    ]
    if later:
        parts.append(("passed at", f"{_numbers(later)} all the same"))
    text = _told(parts, "the peak of" if ramps[0].claim == "peak" else "")
    return guide.capital(text) + (" registrants" if len(parts) == 1 else "")


def _told(parts: list[tuple[str, str]], of: str) -> str:
    """Return the parts (verb, numbers) as one sentence that says once, at its first number, of what they are."""
    words = [(verb, "" if place else of, numbers) for place, (verb, numbers) in enumerate(parts)]
    return "; ".join(" ".join(filter(None, part)) for part in words)


def _beyond(ramps: tuple[RampJudgement, ...], verdict: Verdict, words: str) -> list[tuple[str, str]]:
    found = [ramp.registrants for ramp in ramps if ramp.verdict is verdict]
    return [(words, _numbers(found))] if found else []


def _numbers(counts: list[int]) -> str:
    texts = [format_count(count) for count in sorted(set(counts))]
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def headline_indonesian(ramps: tuple[RampJudgement, ...]) -> str:
    """Return the same answer in the words and number style of the ministry."""
    parts = []
    highest = carried(ramps)
    if highest is not None:
        parts.append((f"{Verdict.SUSTAINED.indonesian} sampai", f"{indonesian_count(highest)} pendaftar"))
    for verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_SUSTAINED):
        found = sorted({ramp.registrants for ramp in ramps if ramp.verdict is verdict})
        if found:
            parts.append((f"{verdict.indonesian} untuk", " dan ".join(indonesian_count(count) for count in found)))
    return _told(parts, "puncak" if ramps and ramps[0].claim == "peak" else "") or "Tidak ada yang dinilai"


def _summary(run: RunJudgement) -> tuple[str, ...]:
    if not run.ramps:
        return ("No ramp has been judged, so nothing is shown about this system.",)
    worst = max(run.ramps, key=lambda ramp: (ramp.verdict, -ramp.registrants))
    if worst.verdict is Verdict.SUSTAINED:
        worst = max(run.ramps, key=lambda ramp: ramp.registrants)
    return tuple(filter(None, (worst.sentence, guide.claim_sentence(worst.claim))))


def _run_facts(run: RunJudgement) -> tuple[tuple[str, str], ...]:
    tried = tries.line(tries.tries_of(run))
    return (
        ("Run", run.run),
        ("Seed", seed_text(run.seed)),
        ("Created", run.created),
        ("Exit code", f"{run.exit_code}: {guide.EXIT_CODES.get(run.exit_code, 'unknown')}"),
        *((("Earlier runs", tried),) if tried else ()),
    )


def _anchor(ramp: RampJudgement) -> str:
    return f"ramp-{ramp.number}"


def _rung(ramp: RampJudgement) -> Rung:
    lines = [f"{format_rate(ramp.rate)} asked"]
    objective = journey_objective(ramp)
    if objective is not None:
        lines.append(f"journey {quantile_text(objective)} {_within(objective)}")
    if ramp.verdict is Verdict.SUSTAINED:
        lines.append(f"headroom {at_least(ramp.headroom)}")
    elif ramp.reasons:
        lines.append(textwrap.shorten(ramp.reasons[0], 110, placeholder=" …"))
    return Rung(_anchor(ramp), format_count(ramp.registrants), badge_of(ramp.verdict), tuple(lines))


def _within(objective: ObjectiveResult) -> str:
    text, note = estimate_text(objective.estimate, objective.unit)
    measured = f"{text} {note}" if text in {"∞", NOTHING} else text
    return f"{measured}, limit {limit_text(objective).split(maxsplit=1)[1]}"


def _section(ramp: RampJudgement) -> RampSection:
    return RampSection(
        anchor=_anchor(ramp),
        title=_title(ramp),
        badge=badge_of(ramp.verdict),
        sentence=ramp.sentence,
        reasons=ramp.reasons,
        counts=_counts(ramp.counts, is_whole=ramp.integrity.is_whole),
        gaps=_gaps(ramp.counts),
        facts=_ramp_facts(ramp),
        disclosures=ramp.disclosures,
        charts=curve_charts(ramp),
        tables=(
            *objectives_tables(ramp),
            steps_table(ramp),
            integrity_table(ramp.integrity),
            findings_table(ramp.findings),
        ),
        integrity_notes=ramp.integrity.reasons,
        integrity_examples=ramp.integrity.examples,
        arithmetic=ramp.arithmetic,
    )


def _title(ramp: RampJudgement) -> str:
    number = format_count(ramp.registrants)
    name = "" if ramp.name in {str(ramp.registrants), number} else f" ({ramp.name})"
    return f"Ramp {ramp.number}: {number} registrants{name}"


def _counts(counts: Counts, *, is_whole: bool) -> tuple[Count, ...]:
    rows = (
        ("offered", counts.offered, "due by the schedule"),
        ("started", counts.started, "really begun"),
        ("acknowledged", counts.acknowledged, "the system said: stored"),
        ("verified", counts.verified, "found in the store, all correct"),
    )
    gaps = [0, *(rows[place][1] - rows[place + 1][1] for place in range(3))]
    texts = [*(format_count(number) for _, number, _ in rows[:3]), stored_text(counts.verified, is_whole=is_whole)]
    return tuple(
        Count(label, text, meaning, "" if text == UNKNOWN else _gap_text(gap))
        for (label, _, meaning), text, gap in zip(rows, texts, gaps, strict=True)
    )


def _gap_text(gap: int) -> str:
    if gap == 0:
        return ""
    return f"{format_count(gap)} fewer" if gap > 0 else f"{format_count(-gap)} more"


def _gaps(counts: Counts) -> tuple[str, ...]:
    has_gap = len({counts.offered, counts.started, counts.acknowledged, counts.verified}) > 1
    if has_gap and not counts.gaps:
        return ("No reason is recorded for the difference between these counts.",)
    return counts.gaps


def _ramp_facts(ramp: RampJudgement) -> tuple[tuple[str, str], ...]:
    facts = [
        ("Claim", f"{ramp.claim}, judged over {format_duration(ramp.hold)}"),
        ("Asked for", format_rate(ramp.rate)),
        ("Offered", format_rate(ramp.offered_rate)),
        ("Completed", _completed(ramp)),
        ("Requests", format_rate(ramp.request_rate, "requests")),
        ("Backlog", _backlog(ramp)),
        ("Headroom", at_least(ramp.headroom)),
        ("Generator lateness", f"p50 {time_text(ramp.lateness_p50)}, p99 {time_text(ramp.lateness_p99)}"),
        ("Closest to its limit", _tightest(ramp)),
        ("Slowest step", _slowest(ramp)),
    ]
    return tuple(facts)


def _completed(ramp: RampJudgement) -> str:
    if ramp.throughput is not None:
        return " ".join(estimate_text(ramp.throughput, "journeys/s")).strip()
    completed = completed_rate(ramp)
    return NOTHING if math.isnan(completed) else format_rate(completed, "journeys")


def _backlog(ramp: RampJudgement) -> str:
    objective = next((objective for objective in ramp.objectives if objective.kind == "backlog"), None)
    if objective is None:
        return " ".join(estimate_text(ramp.backlog, "ratio"))
    estimate = objective.estimate or (ramp.backlog if objective.unit == "ratio" else None)
    text, note = estimate_text(estimate, objective.unit)
    return f"{text} {note}".strip() + f", limit {limit_text(objective).split(maxsplit=1)[1]}"


def _tightest(ramp: RampJudgement) -> str:
    used = [
        (objective.estimate.value / objective.limit, objective)
        for objective in timed_objectives(ramp)
        if objective.estimate is not None and objective.limit > 0
    ]
    used = [(share, objective) for share, objective in used if not math.isnan(share)]
    if not used:
        return NOTHING
    share, objective = max(used, key=lambda pair: pair[0])
    of_limit = f" ({share_text(round(share, 2))})" if math.isfinite(share) else ""
    return f"{objective.name}: {_within(objective)}{of_limit}"


def _slowest(ramp: RampJudgement) -> str:
    timed = [
        (step.service["p99"].value, step)
        for step in ramp.steps
        if step.is_gated and "p99" in step.service and not math.isnan(step.service["p99"].value)
    ]
    if not timed:
        return NOTHING
    seconds, step = max(timed, key=lambda pair: pair[0])
    text = time_text(seconds) if math.isfinite(seconds) else f"∞ {REACHED}"
    return f"{step.number} {step.name}: service p99 {text}"


def _environment(environment: dict[str, str]) -> Table:
    rows = tuple((Cell(name), Cell(text)) for name, text in environment.items())
    columns = (Column("What"), Column("Value"))
    return Table("Environment", f"{len(rows)} facts about this machine and these versions", columns, rows)
