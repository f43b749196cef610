"""Feeds Locust's own statistics in batches, so that its web UI, CSV and reports show the same counts as the evidence.

Locust's response time is the service time of a request in milliseconds; what it calls a failure is an outcome that is
neither ok nor an expected "no". Its statistics are for habit and for the eye: no verdict reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from locust import stats as locust_stats
from locust.stats import RequestStats, StatsEntry, StatsError
from numpy.typing import NDArray

from prakerja_load.evidence.journal import Records
from prakerja_load.journey.step import Outcome, Step
from prakerja_load.units import SECOND_NS, Seconds

np.unique([0])  # its first call imports 60 ms of NumPy: now, not while the load runs


class Feed:
    """Adds batches of samples to Locust's statistics; one entry a step, named "05 identity"."""

    def __init__(
        self,
        stats: RequestStats,
        steps: Sequence[Step],
        methods: Mapping[int, str],
        wall_epoch: Callable[[], Seconds],  # wall-clock time of the epoch, for Locust's counts per second
    ) -> None:
        self._stats, self._wall_epoch = stats, wall_epoch
        self._names = {step.number: f"{step.number:02d} {step.name}" for step in steps}
        self._methods = methods

    def add(self, samples: Records) -> None:
        """Add one batch (evidence.sample.SAMPLE)."""
        stats = self._stats
        for number in np.unique(samples["step"]).tolist():
            name, method = self._names.get(number, str(number)), self._methods.get(number, "")
            of_step = samples[samples["step"] == number]
            batch = self._entry(of_step, name, method)
            stats.entries[(name, method)].extend(batch)
            stats.total.extend(batch)
            self._add_errors(of_step, name, method)

    def _entry(self, samples: Records, name: str, method: str) -> StatsEntry:
        """Return the batch as an entry that Locust's own merge adds to what it has."""
        batch = StatsEntry(self._stats, name, method)
        wall_epoch = self._wall_epoch()
        milliseconds = (samples["finished"] - samples["started"]) / 1e6
        failed = samples["outcome"] > Outcome.REJECTED
        seconds = (wall_epoch + samples["finished"] / SECOND_NS).astype(np.int64)
        batch.num_requests = int(samples.size)
        batch.num_failures = int(failed.sum())
        batch.total_response_time = round(milliseconds.sum())
        batch.min_response_time = round(milliseconds.min())
        batch.max_response_time = round(milliseconds.max())
        batch.last_request_timestamp = wall_epoch + float(samples["finished"].max()) / SECOND_NS
        batch.start_time = wall_epoch + float(samples["started"].min()) / SECOND_NS
        for value, times in _counted(np.rint(milliseconds)):
            # looked up each time, because a locustfile may replace it
            batch.response_times[locust_stats.bucket_response_time(value)] += times
        batch.num_reqs_per_sec.update(_counted(seconds))
        batch.num_fail_per_sec.update(_counted(seconds[failed]))
        return batch

    def _add_errors(self, samples: Records, name: str, method: str) -> None:
        failed, wall_epoch = samples[samples["outcome"] > Outcome.REJECTED], self._wall_epoch()
        for outcome, status in np.unique(failed[["outcome", "status"]]).tolist():
            of_kind = failed[(failed["outcome"] == outcome) & (failed["status"] == status)]
            text = Outcome(outcome).name.lower().replace("_", " ") + (f" (HTTP {status})" if status else "")
            key = StatsError.create_key(method, name, text)
            error = self._stats.errors.setdefault(key, StatsError(method, name, text))
            last = wall_epoch + float(of_kind["finished"].max()) / SECOND_NS
            error.occurrences += int(of_kind.size)
            error.first_seen = error.first_seen or last
            error.last_seen = last


def _counted(values: NDArray[np.generic]) -> Iterator[tuple[int, int]]:
    found, times = np.unique(values, return_counts=True)
    return zip(found.astype(np.int64).tolist(), times.tolist(), strict=True)
