"""From registrants asked for to arrivals per second, with the arithmetic in words.

    λ_peak = s·m·N / 60 s        s: share of the accounts in the busiest minute of one opening
    λ_peak = P·m·N / W           P: peak to mean over a window W
    λ      = L / T               L: people present at once, T: mean journey time (Little's law)
    λ      = m·N / W             a window played flat

N is what the ramp counts and m the accounts that reach the system for each; the month in k openings is λ_peak / k.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from prakerja_load.errors import Problem
from prakerja_load.units import PerSecond, Seconds, format_count, format_duration, format_number, format_rate

if TYPE_CHECKING:
    from prakerja_load.arrivals.curve import RateCurve
    from prakerja_load.arrivals.shape import WaveShape

AGREEMENT = 0.01
"""How far two statements of one rate may differ: published figures have three digits."""


class StatedDemand(Protocol):
    """What a scenario states about how registrants become arrivals."""

    @property
    def multiplier(self) -> float: ...
    @property
    def counts(self) -> str: ...
    @property
    def peak_minute_share(self) -> float | None: ...
    @property
    def peak_to_mean(self) -> float | None: ...
    @property
    def window(self) -> Seconds | None: ...
    @property
    def in_system(self) -> int | None: ...
    @property
    def curve(self) -> WaveShape | None: ...
    @property
    def compression(self) -> float: ...
    @property
    def openings(self) -> int: ...
    @property
    def process(self) -> Literal["poisson", "uniform"]: ...


class Reading(NamedTuple):
    """One way in which the demand states its peak."""

    key: str
    rate: PerSecond
    words: str


def accounts(demand: StatedDemand, registrants: int) -> float:
    """Return m·N, the accounts that reach the system."""
    return demand.multiplier * registrants


def peak_rate(demand: StatedDemand, registrants: int, journey_seconds: Seconds | None = None) -> PerSecond:
    """Return λ_peak in arrivals per second, before any compression.

    `journey_seconds` is the mean journey time with think times as scaled; only `in_system` needs it. Raises
    ValueError when the demand states no peak, or when `in_system` is stated and the journey time is not given.
    """
    return _reading(demand, registrants, journey_seconds).rate


def registrants_at(demand: StatedDemand, rate: PerSecond) -> float | None:
    """Return the N whose λ_peak is `rate`: the inverse of `peak_rate`; None where the peak does not depend on N."""
    if demand.peak_minute_share is not None:
        return rate * 60 / demand.peak_minute_share / demand.multiplier
    window = _peak_window(demand)
    if demand.peak_to_mean is not None and window is not None:
        return rate * window / demand.peak_to_mean / demand.multiplier
    return None


def arithmetic(demand: StatedDemand, registrants: int, journey_seconds: Seconds | None = None) -> list[str]:
    """Return how λ_peak comes about, a line of words a step: `0.0134 × 1 × 200 000 / 60 s = 44.7 arrivals/s`."""
    reading = _reading(demand, registrants, journey_seconds)
    lines = [
        f"N = {format_count(registrants)} {demand.counts}, m = {demand.multiplier:.6g}: "
        f"{format_count(accounts(demand, registrants))} accounts reach the system",
        reading.words,
    ]
    if demand.compression != 1:
        k = demand.compression
        lines.append(
            f"played {k:.6g} × as fast: {format_number(reading.rate)} × {k:.6g} = {format_rate(reading.rate * k)}"
        )
    if demand.openings > 1:
        lines.append(
            f"read as the month in {demand.openings} openings: {format_number(reading.rate)} / {demand.openings} = "
            f"{format_rate(reading.rate / demand.openings)}"
        )
    return lines


def rate_curve(demand: StatedDemand, registrants: int) -> RateCurve:
    """Return the curve of all m·N accounts over the window, compressed: its area is m·N.

    A `curve` is played with the stated peak as its highest rate; a bare `window` is played flat. Raises ValueError
    when neither is stated.
    """
    from prakerja_load.arrivals.curve import RateCurve

    total = accounts(demand, registrants)
    if demand.curve is not None:
        peak = _stated(demand, registrants, None)
        return _wave(demand.curve, total, peak.rate if peak else None).compressed(demand.compression)
    if demand.window is None:
        raise ValueError("all registrants are played over a window: state demand.curve or demand.window")
    return RateCurve.constant(total / demand.window, demand.window).compressed(demand.compression)


def contradictions(demand: StatedDemand, claim: str) -> list[Problem]:
    """Return what of the demand is missing, unused or at odds for claim peak, volume or real, with the arithmetic."""
    checks = _peak_claim(demand) if claim == "peak" else _curve_claim(demand, claim)
    return [*_peak_problems(demand), *checks]


def _reading(demand: StatedDemand, registrants: int, journey_seconds: Seconds | None) -> Reading:
    """Return the reading that counts: the stated peak, else the highest rate of the curve or of the flat window."""
    stated = _stated(demand, registrants, journey_seconds)
    if stated is not None:
        return stated
    total, product = accounts(demand, registrants), _product(demand, registrants)
    if demand.curve is not None:
        rate = _wave(demand.curve, total, None).peak_rate
        words = f"{product} along a curve over {format_duration(demand.curve.window)}: at most {format_rate(rate)}"
        return Reading("curve", rate, words)
    if demand.window is not None:
        rate = total / demand.window
        return Reading("window", rate, f"{product} / {format_number(demand.window)} s = {format_rate(rate)}")
    raise ValueError("the demand states no peak: peak_minute_share, peak_to_mean, in_system, curve or window")


def _stated(demand: StatedDemand, registrants: int, journey_seconds: Seconds | None) -> Reading | None:
    total, product = accounts(demand, registrants), _product(demand, registrants)
    if demand.peak_minute_share is not None:
        share = demand.peak_minute_share
        rate = share * total / 60
        return Reading("peak_minute_share", rate, f"{share:.6g} × {product} / 60 s = {format_rate(rate)}")
    if demand.peak_to_mean is not None:
        window = _peak_window(demand)
        if window is None:
            raise ValueError("peak_to_mean needs the window it refers to")
        rate = demand.peak_to_mean * total / window
        words = f"{demand.peak_to_mean:.6g} × {product} / {format_number(window)} s = {format_rate(rate)}"
        return Reading("peak_to_mean", rate, words)
    if demand.in_system is not None:
        if not journey_seconds:
            raise ValueError(
                "in_system needs the mean journey time: arrivals per second = people present / journey time"
            )
        rate = demand.in_system / journey_seconds
        present = f"{format_count(demand.in_system)} people present"
        return Reading(
            "in_system", rate, f"{present} / {format_number(journey_seconds)} s a journey = {format_rate(rate)}"
        )
    return None


def _product(demand: StatedDemand, registrants: int) -> str:
    return f"{demand.multiplier:.6g} × {format_count(registrants)}"


def _peak_window(demand: StatedDemand) -> Seconds | None:
    return demand.window if demand.window is not None or demand.curve is None else demand.curve.window


def _wave(shape: WaveShape, total: float, peak: PerSecond | None) -> RateCurve:
    from prakerja_load.arrivals.shape import wave_curve

    return wave_curve(shape, total, peak)


def _peak_problems(demand: StatedDemand) -> Iterator[Problem]:
    """Yield what is wrong with the stated peak whatever the claim."""
    share, ratio, window = demand.peak_minute_share, demand.peak_to_mean, _peak_window(demand)
    if share == 0:
        yield Problem("demand.peak_minute_share", "0", "a share above 0", "nobody would arrive")
    if ratio is not None and window is None:
        hint = "λ_peak = peak_to_mean × m × N / window"
        yield Problem("demand.window", "nothing", "the window that peak_to_mean refers to, such as 117h", hint)
    if demand.in_system is not None and (share is not None or ratio is not None):
        hint = "λ = in_system / mean journey time is another statement of the same rate"
        yield Problem(
            "demand.in_system", str(demand.in_system), "one statement of the peak: leave out the others", hint
        )
    if share and ratio is not None and window is not None and abs(share / 60 - ratio / window) > AGREEMENT * share / 60:
        yield Problem(
            "demand.peak_to_mean",
            f"{ratio:.6g} / {format_number(window)} s = {ratio / window:.3g} of the accounts a second",
            f"what peak_minute_share says: {share:.6g} / 60 s = {share / 60:.3g} a second",
            f"leave one out, or write peak_to_mean = {share / 60 * window:.3g}",
        )


def _peak_claim(demand: StatedDemand) -> Iterator[Problem]:
    """Yield what claim peak needs and does not have, and what it has and does not use."""
    if demand.peak_minute_share is None and demand.peak_to_mean is None and demand.in_system is None:
        allowed = "one of peak_minute_share, peak_to_mean with window, or in_system"
        yield Problem("demand", "no peak", allowed, "claim peak holds λ_peak; wave 1 had peak_minute_share = 0.0134")
    if demand.curve is not None:
        yield Problem(
            "demand.curve",
            "a table",
            "nothing for claim peak",
            "claim peak holds one rate; volume and real play curves",
        )
    if demand.compression != 1:
        given = f"{demand.compression:.6g}"
        yield Problem("demand.compression", given, "1 for claim peak", "claim peak holds λ_peak as it is")
    if demand.window is not None and demand.peak_to_mean is None:
        yield Problem(
            "demand.window", format_duration(demand.window), "nothing unless peak_to_mean is stated", "nothing uses it"
        )


def _curve_claim(demand: StatedDemand, claim: str) -> Iterator[Problem]:
    """Yield what the claims that play every registrant need and do not have, and what contradicts their curve."""
    if claim == "real" and demand.compression != 1:
        given = f"{demand.compression:.6g}"
        yield Problem("demand.compression", given, "1 for claim real", "a compressed curve makes claim volume")
    if demand.in_system is not None:
        yield Problem(
            "demand.in_system",
            str(demand.in_system),
            f"nothing for claim {claim}",
            "people present are held by claim peak",
        )
    shape = demand.curve
    if shape is None:
        yield from _flat_window(demand, claim)
        return
    if demand.window is not None and demand.window != shape.window:
        given, allowed = format_duration(demand.window), f"{format_duration(shape.window)}, as demand.curve.window says"
        yield Problem("demand.window", given, allowed, "leave one out")
    if (shape.opening_share or 0) + shape.deadline_share > 1:
        given = f"{shape.opening_share:.6g} beside a deadline_share of {shape.deadline_share:.6g}"
        yield Problem("demand.curve.opening_share", given, "shares that add up to at most 1")
    elif not any(_peak_problems(demand)):
        yield from _unreachable(demand, shape)


def _flat_window(demand: StatedDemand, claim: str) -> Iterator[Problem]:
    """Yield what contradicts a window without a curve: it is played flat, so its peak is its mean."""
    window, share = demand.window, demand.peak_minute_share
    if window is None:
        yield Problem(
            "demand.curve", "nothing", f"a table [demand.curve], or demand.window for a flat one, for claim {claim}"
        )
        return
    ratio = demand.peak_to_mean if share is None else share / 60 * window
    if ratio is not None and abs(ratio - 1) > AGREEMENT:
        key = "peak_to_mean" if share is None else "peak_minute_share"
        given = f"a peak {format_number(ratio)} × the mean over {format_duration(window)}"
        yield Problem(
            f"demand.{key}",
            given,
            "a peak equal to the mean: a window without [demand.curve] is flat",
            "add [demand.curve]",
        )


def _unreachable(demand: StatedDemand, shape: WaveShape) -> Iterator[Problem]:
    """Yield why no curve of this shape has the stated peak; both scale with m·N, so 1 account decides it."""
    peak = demand.peak_minute_share / 60 if demand.peak_minute_share is not None else None
    if peak is None and demand.peak_to_mean is not None:
        peak = demand.peak_to_mean / shape.window
    if peak is None:
        return
    try:
        _wave(shape, 1.0, peak)
    except ValueError as problem:
        given, _, allowed = str(problem).partition("; ")
        yield Problem("demand.curve", given, allowed)
