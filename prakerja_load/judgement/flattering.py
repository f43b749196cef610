"""Flattering unsoundness: what could make the system look better than it is forbids SUSTAINED."""

from __future__ import annotations

import numpy as np

from prakerja_load.journey.own import load_journey
from prakerja_load.journey.step import Ending, Outcome
from prakerja_load.judgement.case import Case, p99
from prakerja_load.judgement.estimate import ratio
from prakerja_load.judgement.rule import Rulebook, Seen
from prakerja_load.judgement.sentence import resumed
from prakerja_load.units import SECOND_NS, format_count, format_duration, format_number, format_share

BOOK = Rulebook("flattering")


@BOOK.rule(
    "data",
    allowed="at least one judged arrival",
    reason="nothing follows from nothing",
    advice="look at the workers' errors in the run directory",
)
def has_data(case: Case) -> Seen:
    """Check that anything was recorded in the judged window."""
    judged = int(np.count_nonzero(case.judged & case.history.is_recorded))
    return Seen(judged > 0, f"{format_count(judged)} judged arrivals")


@BOOK.rule(
    "schedule kept",
    allowed="the digest of the plan's schedule, and every record due when the schedule says",
    reason="another schedule is another, perhaps easier, question",
    advice="judge with the version that ran, or run again",
)
def keeps_schedule(case: Case) -> Seen:
    """Check that the ramp played the schedule that the scenario gives."""
    written = case.evidence.ramp.schedule_digest
    due = case.history.arrivals["intended"][case.history.is_recorded] / SECOND_NS
    apart = np.abs(due - case.history.intended[case.history.is_recorded])
    astray = int(np.count_nonzero(apart > 1e-6))
    if written != case.digest:
        return Seen(False, f"digest {written or 'missing'}, the scenario gives {case.digest}")
    return Seen(not astray, f"same digest, {format_count(astray)} arrivals due at another time")


@BOOK.rule(
    "store filled",
    allowed="what the ramp is said to begin with",
    reason="a store that holds less is a smaller, quicker one",
    advice="see what the import answered, or state the true `ramps.N.prefill`",
)
def fills_the_store(case: Case) -> Seen:
    """Check that the store held the registrants of the sentence, by the rows that were not the ramp's own."""
    wanted, found = case.plan.prefill, case.stored_before
    if not wanted:
        return Seen(True, "nothing was to be stored beforehand")
    if found is None:
        return Seen(False, "no count of what is stored", f"{format_count(wanted)} registrants")
    return Seen(found >= wanted, f"{format_count(found)} registrants", f"{format_count(wanted)} registrants")


@BOOK.rule(
    "arrivals accounted for",
    allowed="a record of every planned arrival",
    reason="whoever never came, or whose end is unknown, cannot have been slow",
    advice="find out which worker stopped early",
)
def accounts_for_arrivals(case: Case) -> Seen:
    """Check that no planned arrival is without a record: fewer arrivals than planned."""
    recorded = int(case.history.is_recorded.sum())
    planned = case.history.count
    return Seen(recorded == planned, f"{format_count(recorded)} of {format_count(planned)}")


@BOOK.rule(
    "dropped arrivals",
    allowed="0",
    reason="an arrival that was due and never sent is load that the system was spared",
    advice="raise load.in_flight_limit or add workers, unless the system is simply too slow",
)
def drops_none(case: Case) -> Seen:
    """Check that no arrival was dropped at the in-flight limit."""
    dropped = int(case.history.has_ended(Ending.DROPPED).sum())
    return Seen(not dropped, format_count(dropped))


@BOOK.rule(
    "in flight at the end",
    allowed="0 journeys unfinished when the drain ended",
    reason="the slowest answers of all would be missing",
    advice="raise load.drain above load.patience and the longest journey",
)
def ends_all(case: Case) -> Seen:
    """Check that every journey that started also ended."""
    unfinished = int(case.history.has_ended(Ending.IN_FLIGHT).sum())
    return Seen(not unfinished, format_count(unfinished))


@BOOK.rule(
    "waiting when killed",
    allowed="0 requests under way for 1 s or more of which no record tells",
    reason="a system that hangs is not excused by whoever kills the generator",
    advice="run it again with --redo",
)
def knows_who_waited(case: Case) -> Seen:
    """Check that of a killed worker's requests none had waited without a record, by the gauge of its last seconds."""
    unheard = case.evidence.unheard
    return Seen(not unheard, f"at least {format_number(unheard)}" if unheard else "0")


@BOOK.rule(
    "controller record",
    allowed="controller.json",
    reason="without the controller's last word nobody knows what the workers were asked to do",
    advice="the run was killed; run it again",
)
def has_controller(case: Case) -> Seen:
    """Check that the controller closed the ramp."""
    return Seen(case.evidence.controller is not None, "there" if case.evidence.controller is not None else "missing")


@BOOK.rule(
    "workers",
    allowed="every worker finished",
    reason="a lost worker takes its unfinished, perhaps slowest, journeys with it",
    advice="see why the worker died; too little memory is the usual cause",
)
def loses_no_worker(case: Case) -> Seen:
    """Check that every worker that the ramp was started with reported its end."""
    lost = [
        f"worker {worker.get('worker')} {worker.get('state')}: {worker.get('reason') or 'no reason given'}"
        for worker in case.workers
        if worker.get("state") != "finished"
    ]
    absent = max(0, case.evidence.ramp.workers - len(case.workers))
    if absent:
        lost.append(f"{absent} without a report")
    if lost and (taken := int(case.controller.get("taken_over", 0))):
        lost.append(f"{format_count(taken)} taken over by others")
    return Seen(not lost, "; ".join(lost) or f"{len(case.workers)} finished")


@BOOK.rule(
    "uninterrupted",
    allowed="the whole schedule was offered",
    reason="a ramp cut short was not the ramp that was asked for",
    advice="let it run to its end",
)
def runs_to_its_end(case: Case) -> Seen:
    """Check that neither a person nor an abort ended the ramp early; a curve may be played in parts."""
    controller = case.controller
    if parts := resumed(case.evidence):
        return Seen(case.is_curve and not controller.get("stopped"), parts)
    stopped = case.evidence.aborted or str(
        controller.get("stopped") or ("interrupted" if controller.get("interrupted") else "")
    )
    return Seen(not stopped, stopped or "ran to its end")


@BOOK.rule(
    "arrivals issued",
    allowed="every planned arrival issued to a worker and started or dropped there",
    reason="fewer arrivals than planned are less load than asked for",
    advice="find out why the controller held arrivals back",
)
def issues_all(case: Case) -> Seen:
    """Check the controller's own counts against the plan."""
    issued = int(case.controller.get("issued", 0))
    not_started = int(case.controller.get("not_started", 0))
    issued += case.evidence.carried.get("arrivals", 0)  # in the parts before
    observed = (
        f"{format_count(issued)} of {format_count(case.plan.count)} issued, {format_count(not_started)} not started"
    )
    return Seen(issued == case.plan.count and not not_started, observed)


@BOOK.rule(
    "records complete",
    allowed="as many records on disk as the workers counted, no torn segment, no missing file",
    reason="samples cut off are never the quick ones only",
    advice="free disk space, and run again",
)
def keeps_records(case: Case) -> Seen:
    """Check that the records on disk are all that the workers made."""
    evidence = case.evidence
    found = {"samples": evidence.samples.size, "ledger": evidence.ledger.size}
    # of a part that was cut off nobody counted the records; what it had not written was played again
    found = {name: size - evidence.carried.get(name, 0) for name, size in found.items()}
    made = {name: sum(int(worker.get(name, 0)) for worker in case.workers) for name in found}
    gone = [name for name in evidence.missing if name.endswith(".seg")]
    faults = [f"torn: {', '.join(evidence.torn)}"] * bool(evidence.torn)
    faults += [f"missing: {', '.join(gone)}"] * bool(gone)
    counts = [f"{format_count(found[name])} {name} of {format_count(made[name])}" for name in found]
    return Seen(found == made and not faults, "; ".join([*counts, *faults]))


@BOOK.rule(
    "reports merged",
    allowed="as many requests merged from the workers' reports as they counted",
    reason="a report that was lost on its way may not have been the only one",
    advice="look for a worker that was cut off at the end",
)
def merges_reports(case: Case) -> Seen:
    """Check the controller's merged count against the totals that the workers acknowledged at their end."""
    made = sum(int(worker.get("samples", 0)) for worker in case.workers)
    merged = int(case.controller.get("merged_samples", 0))
    return Seen(merged == made, f"{format_count(merged)} of {format_count(made)}")


@BOOK.rule(
    "records of this ramp only",
    allowed="0 records of unknown or repeated arrivals",
    reason="foreign reports could dilute what was slow",
    advice="see that no other generator writes into this run directory",
)
def keeps_to_itself(case: Case) -> Seen:
    """Check that no record of another ramp, and none twice, was merged."""
    strange, repeated = case.history.strange, case.history.repeated
    return Seen(not strange and not repeated, f"{strange} of unknown arrivals, {repeated} repeated")


@BOOK.rule(
    "refusals",
    allowed="no larger share of registrants refused than the journey declares",
    reason="whoever is told a declared no asks for nothing more: a system that refuses many has little to do",
    advice="find out why they are refused, or state the true share as `refusals` of the journey",
)
def refuses_as_declared(case: Case) -> Seen:
    """Check the share of judged registrants whom a gated step of somebody's own journey refused, beyond chance."""
    choice = case.scenario.journey
    if choice.file is None:
        return Seen(True, "none but those whose behaviour asks for it", "a built-in journey knows whom")
    declared = load_journey(choice.file.source, choice.file.name, choice.name).refusals
    samples = case.history.samples[case.judged_requests]
    is_no = (samples["outcome"] == Outcome.REJECTED) & np.isin(samples["step"], [step.number for step in case.gated])
    asked = np.flatnonzero(case.judged & case.history.is_started)
    refused = ratio(np.isin(asked, samples["index"][is_no]), case.alpha, is_whole=case.is_curve)
    share, least = 1 - refused.value, 1 - refused.high
    is_more = bool(asked.size) and least > declared
    observed = f"{format_share(share)} of {format_count(asked.size)}" if asked.size else "nobody asked"
    return Seen(not is_more, observed, f"≤ {format_share(declared)}")


@BOOK.rule(
    "warm-up",
    allowed="at least the p99 journey time",
    reason="a system that is still empty looks quick",
    advice="declare a longer load.warm_up",
)
def warms_up(case: Case) -> Seen:
    """Check that the declared warm-up is not shorter than the p99 journey time of who finished."""
    if case.is_curve:
        return Seen(True, "a curve is judged whole", "none for a curve")
    seconds = case.elapsed[case.last_step.number].seconds
    longest = p99(seconds[np.isfinite(seconds)])
    allowed = f"at least the p99 journey time, {format_duration(longest)}"
    return Seen(case.plan.warm_up >= longest, format_duration(case.plan.warm_up), allowed)
