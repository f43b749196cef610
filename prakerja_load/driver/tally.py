"""What a worker's recent samples come to, for whoever watches live; never judged."""

from __future__ import annotations

import numpy as np

from prakerja_load.evidence.histogram import Histogram
from prakerja_load.evidence.journal import Records
from prakerja_load.journey.step import Outcome
from prakerja_load.units import Nanoseconds

HIGHEST: Nanoseconds = 3600 * 10**9
"""Times above an hour are shown as an hour."""


class Tally:
    """Errors so far, and histograms of elapsed times and of lateness since they were last taken."""

    def __init__(self) -> None:
        self.errors = 0
        self._elapsed, self._lateness = Histogram(HIGHEST), Histogram(HIGHEST)

    def add(self, samples: Records) -> None:
        """Count a batch of samples (evidence.sample.SAMPLE)."""
        self.errors += int(np.count_nonzero(samples["outcome"] > Outcome.REJECTED))
        self._elapsed.record_array(_shown(samples["finished"] - samples["intended"] - samples["think"]))
        # the first request of an arrival is due when the arrival is; no other is
        first = samples[samples["due"] == samples["intended"] + samples["think"]]
        self._lateness.record_array(_shown(first["started"] - first["due"]))

    def take(self) -> tuple[bytes, bytes]:
        """Return (elapsed, lateness) as compact histograms, and begin anew."""
        taken = self._elapsed.to_bytes(), self._lateness.to_bytes()
        self._elapsed, self._lateness = Histogram(HIGHEST), Histogram(HIGHEST)
        return taken


def _shown(times: Records) -> Records:
    return np.clip(times, 0, HIGHEST)
