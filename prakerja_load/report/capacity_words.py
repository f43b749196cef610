"""What a capacity search shows, in sentences: the interval, the limits, the knee, headroom, registrants, the model."""

from __future__ import annotations

import math
from collections.abc import Callable

from prakerja_load.judgement.capacity import CapacityInterval, Ending, Purpose
from prakerja_load.judgement.carrying import (
    CapacityJudgement,
    Knee,
    RampHeadroom,
    Registrants,
    has_throughput,
    shape_of,
)
from prakerja_load.judgement.projection import Projected, ScalabilityLaw, Unidentified
from prakerja_load.judgement.verdict import Verdict
from prakerja_load.report.wording import NOTHING, estimate_text
from prakerja_load.units import PerSecond, format_count, format_duration, format_rate

_PURPOSES = {
    Purpose.WIDEN: "widening",
    Purpose.BISECT: "bisecting",
    Purpose.CONFIRM: "confirming",
    Purpose.PROBE: "probing above",
}
_ENDINGS = {
    Ending.FOUND: "found to the precision asked for",
    Ending.CEILING: "the highest rate that might be tried passed",
    Ending.NOTHING_PASSES: "not even the lowest rate passed",
    Ending.EXHAUSTED: "as many steps as are allowed were run",
    "interrupted": "interrupted; this is what was proven until then",
}


def purpose_text(purpose: Purpose, *, is_repeat: bool) -> str:
    """Return why a rate is tried."""
    return f"{_PURPOSES[purpose]} once more" if is_repeat else _PURPOSES[purpose]


def ending_text(judged: CapacityJudgement) -> str:
    """Return why the search was over; to the precision asked for only where the upper end failed beyond doubt."""
    interval = judged.interval
    above = min(interval.undecided, default=math.inf)
    if judged.ending == Ending.FOUND and above < (interval.failed or math.inf):
        return f"found from below; from above it is open, because {rate_text(above)} arrivals/s stayed undecided"
    return _ENDINGS.get(judged.ending, judged.ending)


def rate_text(rate: PerSecond) -> str:
    """Return a rate with four significant digits, so that the two ends of a narrow interval differ."""
    return f"{rate:.0f}" if rate >= 1000 else f"{rate:.4g}"


def passed_text(rate: PerSecond) -> str:
    """Return a rate that passed, rounded down: nothing is said to pass that was not tried."""
    return rate_text(_rounded(rate, math.floor, -1e-9))


def failed_text(rate: PerSecond) -> str:
    """Return a rate that failed, rounded up."""
    return rate_text(_rounded(rate, math.ceil, 1e-9))


def _rounded(rate: PerSecond, to_whole: Callable[[float], int], slack: float) -> float:
    """Return a rate of as many digits as `rate_text` shows; what is whole but for its last bits stays as it is."""
    decimals = max(0, 3 - math.floor(math.log10(rate)))  # four digits
    scale = 10.0**decimals
    return to_whole(rate * scale * (1 - slack)) / scale


def interval_text(interval: CapacityInterval) -> str:
    """Return the interval in a few words: "[632, 664) arrivals/s"."""
    if interval.passed is None and interval.failed is None:
        return "no rate passed, none failed"
    if interval.passed is None and interval.failed is not None:
        return f"below {failed_text(interval.failed)} arrivals/s; no rate passed"
    assert interval.passed is not None
    if interval.failed is None:
        return f"at least {passed_text(interval.passed)} arrivals/s; no higher rate failed"
    return f"[{passed_text(interval.passed)}, {failed_text(interval.failed)}) arrivals/s"


def headline(judged: CapacityJudgement) -> str:
    """Return the capacity in one sentence."""
    interval = judged.interval
    if interval.passed is None:
        if interval.failed is None:
            return "No rate was decided"
        return f"Does not carry {failed_text(interval.failed)} arrivals/s, nor was a lower rate shown to pass"
    text = f"Carries {passed_text(interval.passed)} arrivals/s"
    text += " at least" if interval.failed is None else f", not {failed_text(interval.failed)}"
    return f"{text}, on speed alone" if judged.on_speed_alone else text


def headline_indonesian(judged: CapacityJudgement) -> str:
    """Return the same in the words of the ministry."""
    interval = judged.interval
    if interval.passed is None:
        return "Tidak ada laju yang terbukti"
    text = f"sampai {passed_text(interval.passed)} pendaftar per detik"
    if judged.on_speed_alone:
        text = f"{Verdict.INCONCLUSIVE.indonesian}: {text} menurut kecepatannya saja"
    else:
        text = f"{Verdict.SUSTAINED.indonesian} {text}"
    if interval.failed is not None:
        text += f"; {Verdict.NOT_SUSTAINED.indonesian} pada {failed_text(interval.failed)}"
    return text


def sentence(judged: CapacityJudgement) -> str:
    """Return the result so that it can be quoted without the report: interval, confirmation, store, scale."""
    store = "a store that was taken as found" if judged.stored is None else f"a store of {format_count(judged.stored)}"
    parts = [f"CAPACITY: {interval_text(judged.interval)}", f"claim `peak` on {store}"]
    if judged.interval.passed is not None:
        held = "its lower end held again for longer" if judged.interval.is_confirmed else "its lower end NOT confirmed"
        parts.append(held)
    if judged.on_speed_alone:
        parts.append("speed and success alone: what the system stored was NOT looked up")
    parts.append(f"scaled down: {', '.join(judged.disclosures)}" if judged.disclosures else "nothing scaled down")
    return "; ".join(parts)


def doubts(judged: CapacityJudgement) -> tuple[str, ...]:
    """Return what qualifies the interval: rates undecided, unsteady, passed above a failure, or not reached."""
    interval = judged.interval
    told = []
    for rate in interval.undecided:
        here = [step for step in judged.steps if step.rate == rate]
        bound = [step for step in here if step.is_generator_bound]
        why = next((text for step in reversed(bound or here) for text in (step.doubts or step.reasons)), "")
        what = "not reached by this generator" if bound else "undecided twice"
        told.append(f"{rate_text(rate)} arrivals/s: {what}: {why}")
    told += [f"{rate_text(rate)} arrivals/s did not pass once and was not repeated" for rate in interval.unrepeated]
    told += [f"{rate_text(rate)} arrivals/s passed one time and not another" for rate in interval.unsteady]
    if interval.above_a_fail and interval.failed is not None:
        above = ", ".join(map(rate_text, interval.above_a_fail))
        told.append(f"{above} arrivals/s passed although {failed_text(interval.failed)} failed: it proves nothing")
    return tuple(told)


def knee_text(knee: Knee | None) -> str:
    """Return where response time leaves its flat part."""
    if knee is None:
        return "not measured"
    flat = f"the median journey takes {format_duration(knee.level)} at best"
    if knee.bent_from is None:
        return f"not reached up to {format_rate(knee.flat_to)}: {flat}"
    return f"between {rate_text(knee.flat_to)} and {rate_text(knee.bent_from)} arrivals/s: {flat}, twice that beyond"


def saturation_text(judged: CapacityJudgement) -> str:
    """Return the throughput at which it no longer follows what is offered."""
    if judged.saturation is None:
        is_known = has_throughput(judged.steps)
        return "not reached: throughput followed what was offered" if is_known else "not measured: no step was sound"
    value, bounds = estimate_text(judged.saturation, "registrants/s")
    return f"{value} {bounds}".strip()


def headroom_text(ramp: RampHeadroom) -> str:
    """Return how far above a ramp's rate the capacity lies: "at least 41 %, less than 49 %"."""
    if ramp.proven is None and ramp.refuted is None:
        return "not shown"
    parts = []
    if ramp.proven is not None:
        down = math.floor(ramp.proven * 1000 + 1e-9) / 10
        parts.append(f"at least {down:g} %" if down >= 0 else f"proven to {_tenths(100 + down)} of it")
    if ramp.refuted is not None:
        up = math.ceil(ramp.refuted * 1000 - 1e-9) / 10
        parts.append(f"less than {up:g} %" if up > 0 else f"failed at {_tenths(100 + up)} of it")
    return ", ".join(parts)


def _tenths(per_cent: float) -> str:
    return f"{round(per_cent, 1):g} %"


def registrants_lines(registrants: Registrants | None) -> tuple[str, ...]:
    """Return how many registrants are proven, and what the next doubling needs."""
    if registrants is None:
        return ("Registrants: not told, because nothing passed or the scenario's peak does not depend on their number",)
    at_peak = f"at the scenario's peak the proven rate is that of {format_count(registrants.by_rate)}"
    if registrants.proven is None or registrants.doubled is None or registrants.doubled_rate is None:
        held = "nobody counted what the store held" if registrants.stored is None else "the store held nobody"
        return (f"Proven: the rate alone and no number of registrants, because {held}; {at_peak}",)
    doubled = f"{format_count(registrants.doubled)} would need {format_rate(registrants.doubled_rate)}"
    return (
        f"Proven: {format_count(registrants.proven)} registrants; {at_peak}, "
        f"and the store held {format_count(registrants.stored or 0)}",
        f"The next doubling: {doubled}, {registrants.doubled_factor:.3g} × the proven rate, "
        f"on a store of {format_count(registrants.doubled)}",
    )


def model_text(model: ScalabilityLaw | Unidentified) -> str:
    """Return what the fitted law says, labeled as a model."""
    if isinstance(model, Unidentified):
        return f"Universal Scalability Law: not identifiable ({model.reason})"
    peak, where = model.peak, model.peak_at
    contention, crosstalk = shape_of(model)
    return (
        f"A model, not a measurement: the Universal Scalability Law fitted to {model.points} steps has its peak of "
        f"{rate_text(peak.value)} [{rate_text(peak.low)}, {rate_text(peak.high)}] registrants/s with "
        f"{_projected_text(where)} waiting for an answer; γ = {_projected_text(model.gamma)}, "
        f"α = {_projected_text(contention)}, β = {_projected_text(crosstalk)}; "
        f"nothing is said beyond {format_count(model.reach)} waiting"
    )


def _projected_text(number: Projected) -> str:
    return f"{number.value:.3g} [{number.low:.3g}, {number.high:.3g}]"


def limit_text(rate: PerSecond | None) -> str:
    """Return the rate proven for a limit, a dash where none is."""
    return NOTHING if rate is None else passed_text(rate)


def summary_lines(judged: CapacityJudgement) -> tuple[str, ...]:
    """Return the whole result as plain lines, for a terminal."""
    limits = ", ".join(f"{format_duration(one.limit)}: {limit_text(one.rate)}" for one in judged.limits)
    return (
        sentence(judged),
        f"The search: {ending_text(judged)}, {len(judged.steps)} steps",
        *doubts(judged),
        f"Rates proven by limit of the journey's p99 (arrivals/s): {limits}",
        f"First to fail: {judged.first_failing or 'nothing failed'}",
        f"Knee: {knee_text(judged.knee)}",
        f"Saturation: {saturation_text(judged)}",
        *(
            f"Headroom of {format_count(ramp.registrants)} ({format_rate(ramp.rate)}): {headroom_text(ramp)}"
            for ramp in judged.ramps
        ),
        *registrants_lines(judged.registrants),
        model_text(judged.model),
    )
