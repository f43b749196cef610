"""The fixed words of a report: what the claims, verdicts, counts and times mean, and how far they reach."""

from __future__ import annotations

from prakerja_load.judgement.verdict import RampJudgement

CLAIMS = {
    "peak": "the arrival rate of the busiest minute, held against a store that already contains N "
    "registrants. It tests the rate with real data volume; it does not send N registrants.",
    "volume": "every one of the registrants goes through the journey over HTTP, the curve of "
    "arrivals played faster than real by the factor stated.",
    "real": "every one of the registrants goes through the journey over HTTP, in real time.",
}

EXIT_CODES = {
    0: "every ramp SUSTAINED",
    1: "a ramp NOT_SUSTAINED (speed, success or integrity)",
    2: "usage, scenario or authorization: nothing was sent",
    3: "INCONCLUSIVE: unsound, too few samples, a worker lost, interrupted or a crash while judging",
    4: "the harness could not do its work",
}

_LINES = (
    (
        "Three verdicts",
        "SUSTAINED (LAYAK): shown, with the pessimistic bound inside every limit. NOT_SUSTAINED (TIDAK LAYAK): shown "
        "not to hold. INCONCLUSIVE (BELUM TERBUKTI): this run cannot tell; it is never a pass.",
    ),
    (
        "Four counts",
        "Registrants offered (due by the schedule), started, acknowledged (the system said “stored”) and verified "
        "(found in its store afterwards, every field correct).",
    ),
    (
        "Elapsed (gated)",
        "From the moment a registrant was due to the end of the step, think times taken out. A stall anywhere before "
        "the step shows in it, so the verdict stands on it.",
    ),
    (
        "Service time",
        "From sending one request to its answer. It stands beside the gated times because it hides the wait before "
        "sending: where the two differ, people queued.",
    ),
    (
        "Response (dependent)",
        "From the end of the step before, think time taken out. A stall hides part of itself in later steps, so it "
        "is shown and never gates alone.",
    ),
    (
        "[low, high]",
        "One-sided 95 % bounds, autocorrelation counted. A dash or ∞ is a bound that the sample does not earn.",
    ),
    (
        "∞",
        "Everything that is neither ok nor an expected refusal counts as never finished: failing fast does not "
        "improve a quantile.",
    ),
    (
        "Soundness",
        "A failed “flattering” check forbids SUSTAINED; a failed “accusing” check makes every timing INCONCLUSIVE. "
        "Neither excuses a lost, duplicate or corrupted write.",
    ),
)


def claim_sentence(claim: str) -> str:
    """Return what a claim means in one sentence, or nothing for a word that is no claim."""
    return f"Claim “{claim}”: {CLAIMS[claim]}" if claim in CLAIMS else ""


def capital(text: str) -> str:
    """Return the text with its first letter as a sentence has it."""
    return text[:1].upper() + text[1:]


def lines(ramps: tuple[RampJudgement, ...], tried: str = "") -> tuple[tuple[str, str], ...]:
    """Return (term, explanation) pairs: the tries before this run, the claims it makes, how every report is read."""
    claims = dict.fromkeys(ramp.claim for ramp in ramps)
    told = tuple((f"Claim “{claim}”", capital(CLAIMS[claim])) for claim in claims if claim in CLAIMS)
    return ((("Earlier runs", tried),) if tried else ()) + told + _LINES
