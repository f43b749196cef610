"""What is said of a ramp so far never promises what only evidence proves, and never accuses on a late generator."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prakerja_load.driver.outlook import EARLY, Ask, rows, verdict_so_far
from prakerja_load.evidence.progress import Progress
from prakerja_load.scenario import Objectives

ASK = Ask("opening", 200_000, 44.7, 200.0, 14, Objectives())
"""The journey's limit is 1 s + 14 · 0.5 s = 8 s; the generator may be late by 10 % of 1.5 s."""
WELL = Progress(
    ramp="opening",
    phase="holding",
    elapsed=30.0,
    remaining=170.0,
    offered=1341,
    started=1340,
    finished=1300,
    in_flight=40,
    offered_rate=44.7,
    finished_rate=44.1,
    request_rate=400.0,
    p50=0.05,
    p99=0.4,
    lateness_p99=0.004,
    requests=12_000,
    workers=2,
    cpu=0.31,
    lag=0.002,
)


def seen(**changes: object) -> Progress:
    return msgspec.structs.replace(WELL, **changes)


def test_the_rows_say_ramp_offered_against_achieved_quantiles_in_flight_soundness_and_verdict() -> None:
    said = dict(rows(ASK, WELL))

    assert said["Ramp"] == "opening: 200 000 registrants, 44.7 arrivals/s held for 3 min 20 s"
    assert said["Offered against achieved"].startswith("1 341 due, 1 340 started, 1 300 finished; 44.7 due and 44.1")
    assert "p50 50 ms, p99 400 ms" in said["Elapsed to a step, last seconds"]
    assert said["In flight"].startswith("40 registrants")
    assert said["Soundness"] == (
        "no doubt so far: lateness p99 4 ms in the last seconds, allowed 150 ms; "
        "the busiest worker used 31 % of a core, its loop at most 2 ms behind"
    )
    assert said["Verdict so far"].startswith("INCONCLUSIVE so far: nothing against it yet")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"p99": 9.0}, "NOT_SUSTAINED so far: elapsed p99 9 s, limit 8 s"),
        ({"errors": 120}, "NOT_SUSTAINED so far: success of requests 99 %, limit 99.5 %"),
        ({"errors": 60}, "INCONCLUSIVE so far: nothing against it yet"),
        ({"dropped": 3}, "INCONCLUSIVE so far: 3 arrivals dropped"),
        ({"lost_workers": 1}, "INCONCLUSIVE so far: 1 of 2 workers lost"),
        ({"lateness_p99": 0.2}, "INCONCLUSIVE so far: lateness p99 200 ms in the last seconds, allowed 150 ms"),
        ({"note": "interrupted"}, "INCONCLUSIVE so far: ended early: interrupted"),
        ({"p99": 9.0, "dropped": 3}, "NOT_SUSTAINED so far: elapsed p99 9 s, limit 8 s"),
        ({"p99": 9.0, "lateness_p99": 0.2}, "INCONCLUSIVE so far: elapsed p99 9 s, limit 8 s, but the generator"),
        ({"cpu": 0.85}, "INCONCLUSIVE so far: a worker used 85 % of a core, allowed 80 %"),
        ({"lag": 0.2}, "INCONCLUSIVE so far: a worker's loop stood still for 200 ms, allowed 150 ms"),
        ({"p99": 9.0, "cpu": 0.85}, "INCONCLUSIVE so far: elapsed p99 9 s, limit 8 s, but the generator"),
        ({"p99": 9.0, "lag": 0.2}, "INCONCLUSIVE so far: elapsed p99 9 s, limit 8 s, but the generator"),
        ({"p99": 9.0, "cpu": 0.8, "lag": 0.15}, "NOT_SUSTAINED so far: elapsed p99 9 s, limit 8 s"),
        ({"p99": 9.0, "requests": EARLY - 1}, "INCONCLUSIVE so far: nothing against it yet"),
    ],
)
def test_what_speaks_against_the_system_or_the_measurement_is_named(changes: dict[str, object], said: str) -> None:
    assert verdict_so_far(ASK, seen(**changes)).startswith(said)


PROGRESS = st.builds(
    Progress,
    ramp=st.just("r"),
    phase=st.sampled_from(["starting", "holding", "draining"]),
    elapsed=st.floats(0, 1e4),
    remaining=st.floats(0, 1e4),
    dropped=st.integers(0, 2),
    p50=st.floats(0, 60),
    p99=st.floats(0, 60),
    lateness_p99=st.floats(0, 1),
    cpu=st.floats(0, 2),
    lag=st.floats(0, 1),
    requests=st.integers(0, 1000),
    errors=st.integers(0, 1000),
    workers=st.just(3),
    lost_workers=st.integers(0, 3),
    note=st.sampled_from(["", "interrupted"]),
)


@given(PROGRESS)
def test_it_is_never_sustained_and_never_accuses_when_late(progress: Progress) -> None:
    verdict = verdict_so_far(ASK, progress)

    assert verdict.startswith(("NOT_SUSTAINED so far: ", "INCONCLUSIVE so far: "))
    if max(progress.lateness_p99, progress.lag) > 0.15 or progress.cpu > 0.8:
        assert verdict.startswith("INCONCLUSIVE")
    assert len(rows(ASK, progress)) == 7
