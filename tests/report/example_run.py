"""A made-up run with everything a report must be able to show; the numbers are plausible, not measured."""

from __future__ import annotations

import math
import random
from pathlib import Path

from prakerja_load.judgement.estimate import Estimate
from prakerja_load.judgement.verdict import (
    Counts,
    Finding,
    Integrity,
    ObjectiveResult,
    RampJudgement,
    RunJudgement,
    Series,
    StepRow,
    Verdict,
)
from prakerja_load.units import format_count, format_duration

STEPS = (
    "wave-page",
    "create-account",
    "confirm-email",
    "log-in",
    "identity",
    "personal-data",
    "ktp-photo",
    "selfie",
    "phone-code",
    "confirm-phone",
    "test-questions",
    "submit-test",
    "join-wave",
    "read-status",
)
RATES = {200_000: 44.67, 300_000: 67.0, 600_000: 134.0, 2_000_000: 446.67}
HOLDS = {200_000: 120.0, 300_000: 80.0, 600_000: 60.0, 2_000_000: 60.0}
WARM_UP = 20.0


def around(value: float, n: int, spread: float = 0.08) -> Estimate:
    """Return an estimate with bounds that lie `spread` beside its value."""
    return Estimate(value, value * (1 - spread), value * (1 + spread), n, n * 0.6)


def exactly(count: int) -> Estimate:
    """Return a count that is known, not estimated."""
    return Estimate(count, count, count, count, count)


def share(good: float, n: int) -> Estimate:
    """Return a success ratio; without a failure in n its lower bound is 1 − 3/n."""
    return Estimate(good, good - 3 / n, 1.0 if good == 1 else good + 0.0004, n, float(n))


def step_rows(arrivals: int, slowness: float, failing_from: int | None = None) -> tuple[StepRow, ...]:
    """Return the rows of the whole journey, two looks into the outbox included."""
    rows = []
    for number, name in enumerate(STEPS, 1):
        requests = round(arrivals * (1 - 0.045 * (number - 1)))
        is_failing = failing_from is not None and number >= failing_from
        elapsed = 0.011 * slowness * number
        errors = round(requests * 0.02) if is_failing else 0
        rejected = round(requests * 0.035) if name == "identity" else 0
        rows.append(
            StepRow(
                number=number,
                name=name,
                is_gated=True,
                requests=requests,
                outcomes={"ok": requests - errors - rejected, "rejected": rejected, "timeout": errors},
                elapsed={
                    "p50": around(elapsed, requests),
                    "p95": around(elapsed * 2.2, requests),
                    "p99": Estimate(math.inf, elapsed * 4, math.inf, requests, requests * 0.6)
                    if is_failing
                    else around(elapsed * 3.4, requests),
                },
                service={
                    "p50": around(0.006 * slowness, requests),
                    "p95": around(0.014 * slowness, requests),
                    "p99": around(0.026 * slowness, requests),
                },
                response={"p99": around(0.031 * slowness, requests)},
                success=share(1 - errors / requests, requests),
            )
        )
    outbox = {"p50": around(0.002, arrivals), "p95": around(0.004, arrivals), "p99": around(0.008, arrivals)}
    for number, name in ((15, "read-email"), (16, "read-sms")):
        rows.append(StepRow(number, name, False, arrivals, {"ok": arrivals}, {}, outbox, {}, None))
    return tuple(rows)


def series(rate: float, hold: float, slowness: float, *, stall: bool, seed: int) -> Series:
    """Return curves per second; with a stall the system stops for eight seconds and then never catches up."""
    draw = random.Random(seed)
    seconds = [float(second) for second in range(round(WARM_UP + hold) + 12)]
    offered = [max(0.0, draw.gauss(rate, rate**0.5)) if second < WARM_UP + hold else 0.0 for second in seconds]
    slow = [slowness * (1 + (60 if stall and second > 48 else 0) + 0.2 * draw.random()) for second in seconds]
    stopped = [stall and 48 <= second < 56 for second in seconds]
    return Series(
        second=tuple(seconds),
        offered=tuple(offered),
        started=tuple(offered),
        finished=tuple(
            0.0 if halted else value * draw.uniform(0.95, 1.02) * (0.7 if stall and second > 56 else 1)
            for second, value, halted in zip(seconds, offered, stopped, strict=True)
        ),
        elapsed_p50=tuple(math.nan if value == 0 else 0.15 * s for value, s in zip(offered, slow, strict=True)),
        elapsed_p99=tuple(
            math.nan if value == 0 else math.inf if halted else 0.5 * s
            for value, s, halted in zip(offered, slow, stopped, strict=True)
        ),
        service_p99=tuple(0.03 * s for s in slow),
        in_flight=tuple(min(9000.0, rate * 25 * (1 + (s - slowness) / 20)) for s in slow),
    )


def objectives(rows: tuple[StepRow, ...], journey: StepRow, verdict: Verdict) -> tuple[ObjectiveResult, ...]:
    """Return one timing and one success objective a step, the journey's, the backlog and the sample."""
    results = []
    for row in (row for row in rows if row.is_gated):
        is_last = row.name == STEPS[-1]
        limit, value = 1 + 0.5 * row.number, (journey if is_last else row).elapsed["p99"]
        name = f"elapsed to step {row.number} {row.name}"
        failed = value.value > limit
        results.append(
            ObjectiveResult(
                f"journey time ({name}), p99" if is_last else f"{name}, p99",
                "timing",
                limit,
                "s",
                value,
                verdict if failed else Verdict.SUSTAINED,
                f"{format_duration(value.value)}, limit {format_duration(limit)}"
                if failed
                else "upper bound inside the limit",
                quantile=0.99,
            )
        )
        results.append(
            ObjectiveResult(
                f"success of step {row.number} {row.name}",
                "success",
                0.995,
                "ratio",
                row.success,
                Verdict.SUSTAINED if row.success and row.success.value > 0.995 else Verdict.NOT_SUSTAINED,
                "lower bound against the limit",
            )
        )
    results += [
        ObjectiveResult(
            "backlog growth", "backlog", 0.01, "ratio", around(0.0004, 30, 0.5), Verdict.SUSTAINED, "batches of 2 s"
        ),
        ObjectiveResult(
            "arrivals judged",
            "sample",
            5000,
            "arrivals",
            exactly(journey.requests),
            Verdict.SUSTAINED,
            "enough of them",
        ),
    ]
    return tuple(results)


def findings(*, lateness_holds: bool = True) -> tuple[Finding, ...]:
    """Return a few checks of both kinds; lateness can be broken."""
    return (
        Finding("dropped arrivals", "flattering", True, "0", "0"),
        Finding("worker reports", "flattering", True, "all 1 worker finished", "none lost"),
        Finding("samples complete", "flattering", True, "no segment torn", "none torn"),
        Finding(
            "lateness",
            "accusing",
            lateness_holds,
            "p99 4.1 ms" if lateness_holds else "p99 212 ms",
            "p99 ≤ 150 ms",
            "use more workers, or a machine for the generator alone",
        ),
        Finding(
            "generator CPU", "accusing", True, "at most 61 % over 10 s", "≤ 80 % over any 10 s", "use more workers"
        ),
        Finding("warm-up long enough", "note", False, "MSER-5 would cut 24 s", "cut at 20 s", "declare 25s of warm-up"),
    )


def integrity(writes: int, lost: int = 0, in_doubt: int = 0) -> Integrity:
    """Return a reconciled ledger, clean unless writes are lost."""
    return Integrity(
        acknowledged=writes,
        verified=writes - lost,
        lost=lost,
        duplicate=0,
        corrupted=0,
        unexpected=0,
        contradicted=0,
        in_doubt=in_doubt,
        landed=in_doubt // 2,
        not_landed=in_doubt - in_doubt // 2,
        unverified=0,
        oversold=0,
        verdict=Verdict.NOT_SUSTAINED if lost else Verdict.SUSTAINED,
        reasons=(f"{lost} acknowledged writes are not in the store",) if lost else (),
        examples=("k3f9a2c1r4-104-2 create-account: acknowledged at 61.204 s, not stored",) if lost else (),
        is_whole=True,
    )


def ramp(number: int, registrants: int, verdict: Verdict, *, slowness: float = 1.0, lost: int = 0) -> RampJudgement:
    """Return one ramp of the ministry's ladder with the verdict wanted."""
    rate = RATES[registrants]
    hold = HOLDS[registrants]
    arrivals = round(rate * hold)
    is_bad = verdict is Verdict.NOT_SUSTAINED
    rows = step_rows(arrivals, slowness, failing_from=13 if is_bad else None)
    time = Estimate(math.inf, 6.1, math.inf, arrivals, 90.0) if is_bad else around(0.62 * slowness, arrivals, 0.22)
    journey = StepRow(
        0,
        "journey",
        True,
        arrivals,
        {"ok": arrivals - (400 if is_bad else 0), "timeout": 400 if is_bad else 0},
        {"p50": around(0.21 * slowness, arrivals), "p95": around(0.44 * slowness, arrivals), "p99": time},
        {},
        {},
        share(1 - (400 / arrivals if is_bad else 0), arrivals),
    )
    words = {
        Verdict.SUSTAINED: "sustains",
        Verdict.INCONCLUSIVE: "is not shown to sustain",
        Verdict.NOT_SUSTAINED: "does not sustain",
    }
    reasons = {
        Verdict.SUSTAINED: (
            f"every objective holds with its pessimistic bound; {format_count(arrivals)} arrivals judged",
        ),
        Verdict.INCONCLUSIVE: ("the generator was late: lateness p99 212 ms, allowed 150 ms",),
        Verdict.NOT_SUSTAINED: (
            "3 acknowledged writes are not in the store",
            "success of step 13 join-wave is 98 %, below 99.5 %",
            "journey time, p99: failures reach this quantile",
        ),
    }
    return RampJudgement(
        number=number,
        name=str(registrants),
        registrants=registrants,
        claim="peak",
        rate=rate,
        hold=hold,
        verdict=verdict,
        sentence=f"The system {words[verdict]} {format_count(registrants)} registrants (claim peak, m = 1 account per "
        f"registrant): {rate:.1f} arrivals/s held for {hold:.0f} s; think time × 0.02, photos of 4 KiB.",
        reasons=reasons[verdict],
        counts=Counts(
            offered=arrivals,
            started=arrivals - (12 if is_bad else 0),
            acknowledged=arrivals - (412 if is_bad else 0),
            verified=arrivals - (412 + lost if is_bad else 0),
            gaps=(
                "12 arrivals were dropped at the in-flight limit of 9 000",
                "400 registrants gave up",
                "3 writes lost",
            )
            if is_bad
            else (),
        ),
        integrity=integrity(arrivals * 9, lost, in_doubt=8 if is_bad else 0),
        findings=findings(lateness_holds=verdict is not Verdict.INCONCLUSIVE),
        objectives=objectives(rows, journey, verdict),
        steps=rows,
        journey=journey,
        backlog=around(0.0004, 30, 0.5),
        headroom=0.0 if verdict is Verdict.SUSTAINED else None,
        offered_rate=rate * 1.003,
        request_rate=rate * 12.4,
        lateness_p50=0.0004,
        lateness_p99=0.0041 if verdict is not Verdict.INCONCLUSIVE else 0.212,
        arithmetic=(
            f"λ_peak = s·m·N ÷ 60 s = 0.0134 · 1 · {registrants} ÷ 60 = {rate} arrivals/s",
            f"the month in four openings: {rate / 4:.1f} arrivals/s",
        ),
        disclosures=(
            "think time × 0.02",
            "photos of 4 KiB instead of 0.3–2 MB",
            "argon2id m=8KiB t=1 p=1",
            "generator and system share one machine",
        ),
        series=series(rate, hold, slowness, stall=is_bad, seed=number),
        warm_up=WARM_UP,
        throughput=around(rate * (0.74 if is_bad else 0.998), 60, 0.02),
    )


def run() -> RunJudgement:
    """Return the run: two ramps carried, one that cannot be told, one that fails with lost writes."""
    return RunJudgement(
        scenario="ministry-ramp",
        description="The ministry's four asks, each held at its busiest minute",
        run="20261124T043300Z-ministry-ramp-2020",
        seed=2020,
        created="2026-11-24 11:33 WIB",
        verdict=Verdict.NOT_SUSTAINED,
        exit_code=1,
        ramps=(
            ramp(1, 200_000, Verdict.SUSTAINED),
            ramp(2, 300_000, Verdict.SUSTAINED, slowness=1.3),
            ramp(3, 600_000, Verdict.INCONCLUSIVE, slowness=11.0),
            ramp(4, 2_000_000, Verdict.NOT_SUSTAINED, slowness=9.0, lost=3),
        ),
        environment={
            "machine": "2 cores, 24 GiB, Linux 6.1",
            "python": "3.11.2",
            "database": "SQLite 3.54.1, WAL, synchronous FULL",
            "password hash": "argon2id m=8KiB t=1 p=1",
        },
        not_tested=(
            "real photo sizes (0.3–2 MB) and slow uploads",
            "the e-mail and SMS providers",
            "networks between citizens and the data center",
        ),
    )


def empty_ramp() -> RampJudgement:
    """Return a ramp of which nothing at all was measured."""
    reasons = ("the store could not be read",)
    nothing = Integrity(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, Verdict.INCONCLUSIVE, reasons, is_whole=False)
    objective = ObjectiveResult(
        "journey time, p99", "timing", 8.0, "s", None, Verdict.INCONCLUSIVE, "no data", quantile=0.99
    )
    return RampJudgement(
        number=1,
        name="first",
        registrants=200_000,
        claim="peak",
        rate=44.67,
        hold=60.0,
        verdict=Verdict.INCONCLUSIVE,
        sentence="Nothing was measured.",
        reasons=("no data",),
        counts=Counts(0, 0, 0, 0),
        integrity=nothing,
        objectives=(objective,),
    )


GOLDEN = Path(__file__).with_name("golden")


if __name__ == "__main__":  # python -m tests.report.example_run writes the golden files anew
    from prakerja_load.report import content, markdown

    (GOLDEN / "report.md").write_text(markdown.render(content.build(run())), encoding="utf-8")
