"""What a run directory's files are called and say, and how parts of a ramp are put together, to the last detail."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import pytest

from prakerja_load.errors import EvidenceError
from prakerja_load.evidence import run_directory
from prakerja_load.evidence.cut import left_by
from prakerja_load.evidence.histogram import Histogram
from prakerja_load.evidence.journal import DTYPES, Kind, SegmentWriter, read_segment
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.evidence.part import Part, join
from prakerja_load.evidence.ramp import load_ramp
from prakerja_load.evidence.run_directory import ABORTED, BEGUN, RAMP, worker_path, write_json
from prakerja_load.evidence.sample import ARRIVAL, LEDGER, SAMPLE, VITAL
from prakerja_load.journey.step import Ending, Outcome


def test_files_keep_their_names_so_that_last_months_run_can_be_judged_again() -> None:
    names = {name: value for name, value in vars(run_directory).items() if name.isupper() and isinstance(value, str)}

    assert names == {
        "SCENARIO": "scenario.toml", "RUN": "run.json", "ENVIRONMENT": "environment.json", "VERDICT": "verdict.json",
        "CAPACITY": "capacity.json", "RAMP": "ramp.json", "BEGUN": "begun.json", "CONTROLLER": "controller.json",
        "TARGET": "target.json", "STORED": "stored.ndjson.gz", "ABORTED": "aborted.json",
    }  # fmt: skip
    assert [kind.file_name for kind in Kind] == ["samples.seg", "arrivals.seg", "ledger.seg", "vitals.seg"]


def begin(folder: Path, arrivals: list[int], wall: float | None = None) -> Path:
    """Write a ramp of one worker with these arrivals on record."""
    records = {kind: np.zeros(0, DTYPES[kind]) for kind in Kind}
    records[Kind.ARRIVALS] = np.zeros(len(arrivals), ARRIVAL)
    records[Kind.ARRIVALS]["index"], records[Kind.ARRIVALS]["ending"] = arrivals, Ending.COMPLETED
    for kind, found in records.items():
        with SegmentWriter(worker_path(folder, 0) / kind.file_name, kind) as segment:
            segment.append(found)
    write_json(folder / RAMP, {"workers": 1, "count": 1_000, "rate": 2.5})
    if wall is not None:
        write_json(folder / BEGUN, {"epoch_wall": wall})
    return folder


@pytest.mark.parametrize(
    ("said", "aborted", "at"),
    [
        ({"reason": "too slow", "elapsed": 31.5}, "too slow", 31.5),
        ({"reason": "too slow"}, "too slow", math.inf),
        ({}, "", math.inf),
        (None, "", math.inf),
    ],
)
def test_why_and_when_the_scenario_ended_a_ramp_is_read(
    said: dict[str, object] | None, aborted: str, at: float, tmp_path: Path
) -> None:
    begin(tmp_path, [0])
    if said is not None:
        write_json(tmp_path / ABORTED, said)

    found = load_ramp(tmp_path)

    assert (found.aborted, found.aborted_at) == (aborted, at)
    assert ABORTED not in found.missing


@pytest.mark.parametrize(
    ("before", "after", "offset"), [(100.0, 160.0, 60.0), (None, 160.0, 0.0), (100.0, None, 0.0), (None, None, 0.0)]
)
def test_the_rest_is_as_much_later_as_both_parts_say_and_no_more_is_known(
    before: float | None, after: float | None, offset: float, tmp_path: Path
) -> None:
    begin(tmp_path, [1], after)
    begin(tmp_path / "part-1", [0], before)

    assert load_ramp(tmp_path).offsets == (offset,)


def test_a_killed_part_may_have_begun_whoever_was_due_in_the_six_seconds_after_its_records_end(tmp_path: Path) -> None:
    """At 2.5 arrivals/s that are 15 after the last on record, which is number 4."""
    begin(tmp_path, [5, 6])
    begin(tmp_path / "part-1", [0, 4])

    assert load_ramp(tmp_path).replayed.tolist() == list(range(5, 20))


def test_attempts_of_a_later_part_are_numbered_on_from_those_before() -> None:
    def part(*attempts: int) -> Part:
        ledger = np.zeros(len(attempts), LEDGER)
        ledger["attempt"] = attempts
        return Part(np.zeros(0, ARRIVAL), np.zeros(0, SAMPLE), ledger)

    whole = join([part(0, 2), part(), part(0, 1)], part(0, 251))

    assert whole.ledger["attempt"].tolist() == [0, 2, 3, 4, 5, 255]
    assert whole.carried == {"arrivals": 0, "samples": 0, "ledger": 4}


def test_a_segment_is_begun_in_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "ramps" / "01-9" / "worker-0" / "samples.seg"
    with SegmentWriter(path, Kind.SAMPLES) as segment:
        segment.append(np.zeros(3, SAMPLE))

    assert (read_segment(path, Kind.SAMPLES).records.size, read_segment(path, Kind.SAMPLES).frames) == (3, 1)


@pytest.mark.parametrize(("beyond", "is_read"), [(-1, True), (0, False), (1, False)])
def test_a_counter_just_beyond_the_last_is_refused(beyond: int, *, is_read: bool) -> None:
    whole = Histogram(5_000)
    slot = whole.counts.size + beyond
    header = whole.to_bytes()[:12] + np.array([1], "<u4").tobytes()
    content = header + zlib.compress(np.array([slot], "<u4").tobytes() + np.array([7], "<i8").tobytes())

    if is_read:
        assert len(Histogram.from_bytes(content)) == 7
    else:
        with pytest.raises(EvidenceError, match="a counter outside its range"):
            Histogram.from_bytes(content)


@pytest.mark.parametrize(("nanoseconds", "is_kept"), [(10**9, True), (10**9 - 1, False)])
def test_who_waited_a_second_for_an_answer_was_kept_waiting_and_is_not_played_again(
    nanoseconds: int, *, is_kept: bool
) -> None:
    arrivals, samples = np.zeros(2, ARRIVAL), np.zeros(1, SAMPLE)
    arrivals["index"], arrivals["ending"] = [3, 4], [Ending.COMPLETED, Ending.IN_FLIGHT]
    samples["index"], samples["outcome"] = 4, Outcome.IN_FLIGHT
    samples["due"], samples["finished"] = 5 * 10**9, 5 * 10**9 + nanoseconds

    part = Part(arrivals, samples, np.zeros(0, LEDGER))

    assert part.closed.tolist() == ([3, 4] if is_kept else [3])


@pytest.mark.parametrize(("nanoseconds", "is_waiting"), [(10**9, True), (10**9 - 1, False)])
def test_a_write_that_a_killed_worker_sent_a_second_before_its_last_word_was_waiting(
    nanoseconds: int, *, is_waiting: bool
) -> None:
    ledger, arrivals = np.zeros(1, LEDGER), np.zeros(1, ARRIVAL)
    ledger["index"], ledger["step"], ledger["state"], ledger["at"] = 4, 2, LedgerState.INTENT, 7 * 10**9
    arrivals["index"], arrivals["finished"] = 3, 7 * 10**9 + nanoseconds

    left = left_by(np.zeros(0, SAMPLE), arrivals, ledger, np.zeros(0, VITAL))

    assert left.waiting["index"].tolist() == ([4] if is_waiting else [])
    assert left.unheard == 0
