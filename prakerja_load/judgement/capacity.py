"""The capacity search as a pure function: from the attempts so far to the next one, and to the interval they prove.

    widen until a rate does not pass → bisect to the stated precision → confirm the lower end over a longer hold
                                     → probe above the upper end

Nothing is kept between calls: whoever runs the attempts asks `decide` what comes next and `conclude` what is proven,
at any time (method.md §5). An attempt that failed or stayed inconclusive is repeated once before it counts.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from prakerja_load.judgement.verdict import Verdict
from prakerja_load.units import PerSecond


class Purpose(enum.StrEnum):
    """Why a rate is tried."""

    WIDEN = "widen"  # find one rate that passes and one that does not
    BISECT = "bisect"  # bring them together
    CONFIRM = "confirm"  # the lower end once more, over a longer hold: the independent repeat
    PROBE = "probe"  # above the upper end: does everything above a failure fail as well?


class Standing(enum.Enum):
    """What all attempts at one rate come to."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"  # inconclusive twice: never a pass
    OPEN = "to be repeated"  # not passed at the first attempt


Standings: TypeAlias = Mapping[PerSecond, Standing]


@dataclass(frozen=True)
class Attempt:
    """One rate held once, and its verdict."""

    rate: PerSecond
    verdict: Verdict
    purpose: Purpose


@dataclass(frozen=True)
class Next:
    """What is to be tried next."""

    rate: PerSecond
    purpose: Purpose
    is_repeat: bool = False


class Ending(enum.StrEnum):
    """Why a search is over."""

    FOUND = "found"
    NOTHING_PASSES = "nothing passes"
    CEILING = "ceiling"  # the highest rate that may be tried passes
    EXHAUSTED = "exhausted"  # as many attempts as were allowed


@dataclass(frozen=True)
class Search:
    """How a capacity is looked for; rates are arrivals per second."""

    start: PerSecond  # tried first
    precision: float = 0.05  # the search ends when upper ÷ lower end − 1 is not larger
    widening: float = 2.0  # factor between rates until the capacity lies between two of them
    lowest: PerSecond = 0.0  # nothing below is tried
    highest: PerSecond = math.inf  # nothing above is tried
    probes: tuple[float, ...] = (1.25,)  # tried at the end, in upper ends
    most: int = 60  # attempts


@dataclass(frozen=True)
class CapacityInterval:
    """What the attempts prove: the capacity is at least `passed` and below `failed`, None where no rate shows it."""

    passed: PerSecond | None
    failed: PerSecond | None
    is_confirmed: bool  # the lower end passed again over a longer hold
    undecided: tuple[PerSecond, ...] = ()  # rates above the lower end that came out neither way
    unrepeated: tuple[PerSecond, ...] = ()  # rates that did not pass once and were not tried again
    unsteady: tuple[PerSecond, ...] = ()  # rates that passed one time and not another
    above_a_fail: tuple[PerSecond, ...] = ()  # rates that passed although a lower one failed


def standing(verdicts: Sequence[Verdict]) -> Standing:
    """Return what the verdicts of one rate, in order, come to: the repeat decides, a doubt never passes.

    A failure whose repeat is inconclusive stays a failure: it was beyond doubt, and nothing spoke against it.
    """
    if verdicts[-1] is Verdict.SUSTAINED:
        return Standing.PASSED
    if len(verdicts) < 2:
        return Standing.OPEN
    return Standing.FAILED if Verdict.NOT_SUSTAINED in verdicts else Standing.UNDECIDED


def standings(attempts: Sequence[Attempt]) -> Standings:
    """Return the standing of every rate, probes aside, from the lowest to the highest; a confirmation outranks."""
    first: dict[PerSecond, list[Verdict]] = {}
    longer: dict[PerSecond, list[Verdict]] = {}
    for attempt in attempts:
        if attempt.purpose is not Purpose.PROBE:
            said = longer if attempt.purpose is Purpose.CONFIRM else first
            said.setdefault(attempt.rate, []).append(attempt.verdict)
    return {rate: standing(verdicts) for rate, verdicts in sorted((first | longer).items())}


def decide(attempts: Sequence[Attempt], search: Search) -> Next | Ending:
    """Return the next rate to try, or why the search is over."""
    if len(attempts) >= search.most:
        return Ending.EXHAUSTED
    stands = standings(attempts)
    if attempts and (repeat := _repeat(attempts[-1], stands)) is not None:
        return repeat
    return _bracket(stands, search) or _settle(attempts, stands, search)


def _bracket(stands: Standings, search: Search) -> Next | Ending | None:
    """Return what brings the two ends as close as the precision asks, None when they are."""
    lower, upper = _ends(stands)
    if lower is None and upper is None:
        return Next(min(max(search.start, search.lowest), search.highest), Purpose.WIDEN)
    if lower is None:
        assert upper is not None
        down = max(upper / search.widening, search.lowest)
        return Next(down, Purpose.WIDEN) if down < upper else Ending.NOTHING_PASSES
    if upper is None:
        up = min(lower * search.widening, search.highest)
        return Next(up, Purpose.WIDEN) if up > lower else None
    return Next(math.sqrt(lower * upper), Purpose.BISECT) if upper / lower - 1 > search.precision else None


def _settle(attempts: Sequence[Attempt], stands: Standings, search: Search) -> Next | Ending:
    """Return what is left to try once the ends are close: the lower one for longer, then above the upper one."""
    lower, upper = _ends(stands)
    assert lower is not None
    if not _confirmations(attempts, lower):
        return Next(lower, Purpose.CONFIRM)
    if upper is None:
        return Ending.CEILING
    if stands[upper] is not Standing.FAILED:
        return Ending.FOUND
    return next(_unprobed(attempts, search, upper), Ending.FOUND)


def conclude(attempts: Sequence[Attempt]) -> CapacityInterval:
    """Return what the attempts prove so far; a pass above a failure is told, and proves nothing."""
    stands = standings(attempts)
    lower, _ = _ends(stands)
    above = [rate for rate in stands if lower is None or rate > lower]
    fails = [rate for rate in above if stands[rate] is Standing.FAILED]
    failed = min(fails, default=None)
    passes = {attempt.rate for attempt in attempts if attempt.verdict is Verdict.SUSTAINED}
    return CapacityInterval(
        passed=lower,
        failed=failed,
        is_confirmed=lower is not None and Verdict.SUSTAINED in _confirmations(attempts, lower),
        undecided=tuple(rate for rate in above if stands[rate] is Standing.UNDECIDED),
        unrepeated=tuple(rate for rate in above if stands[rate] is Standing.OPEN),
        unsteady=tuple(sorted(passes & {a.rate for a in attempts if a.verdict is not Verdict.SUSTAINED})),
        above_a_fail=tuple(sorted(rate for rate in passes if failed is not None and rate > failed)),
    )


def _confirmations(attempts: Sequence[Attempt], rate: PerSecond) -> list[Verdict]:
    return [a.verdict for a in attempts if a.rate == rate and a.purpose is Purpose.CONFIRM]


def _repeat(last: Attempt, stands: Standings) -> Next | None:
    """Return the last attempt once more if it is to be repeated; a failed probe says what was expected."""
    if last.purpose is Purpose.PROBE or stands[last.rate] is not Standing.OPEN:
        return None
    return Next(last.rate, last.purpose, is_repeat=True)


def _ends(stands: Standings) -> tuple[PerSecond | None, PerSecond | None]:
    """Return the highest pass below every rate that did not pass, and the lowest of those."""
    others = (rate for rate, stand in stands.items() if stand is Standing.FAILED or stand is Standing.UNDECIDED)
    upper = min(others, default=None)
    passes = (rate for rate, stand in stands.items() if stand is Standing.PASSED)
    return max((rate for rate in passes if upper is None or rate < upper), default=None), upper


def _unprobed(attempts: Sequence[Attempt], search: Search, upper: PerSecond) -> Iterator[Next]:
    """Yield the probes that no attempt stands for yet."""
    probed = [attempt.rate for attempt in attempts if attempt.purpose is Purpose.PROBE]
    for factor in search.probes:
        rate = min(upper * factor, search.highest)
        if rate > upper and not any(abs(other / rate - 1) < search.precision for other in probed):
            yield Next(rate, Purpose.PROBE)
