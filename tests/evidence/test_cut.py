"""Who was waiting when a worker was killed: the intents without a fate, and what only the gauge saw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from prakerja_load.evidence.cut import KEPT_WAITING, left_by
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.evidence.sample import ARRIVAL, LEDGER, SAMPLE, VITAL

SECOND = 10**9
INTENT, ACKNOWLEDGED = LedgerState.INTENT, LedgerState.ACKNOWLEDGED


def records(dtype: np.dtype[Any], names: str, *rows: tuple[float, ...]) -> np.ndarray[Any, Any]:
    """Return records of these fields; times are given in seconds."""
    made = np.zeros(len(rows), dtype)
    for place, name in enumerate(names.split()):
        is_time = name in {"at", "started", "finished"}
        made[name] = [round(row[place] * SECOND) if is_time else row[place] for row in rows]
    return made


NO_SAMPLES, NO_ARRIVALS, NO_LEDGER, NO_VITALS = (np.zeros(0, kind) for kind in (SAMPLE, ARRIVAL, LEDGER, VITAL))


def test_a_write_that_went_unanswered_until_the_last_word_had_waited_that_long() -> None:
    ledger = records(
        LEDGER,
        "index step attempt state at",
        (1, 3, 0, INTENT, 4.0),
        (2, 3, 0, INTENT, 10.0 - KEPT_WAITING),
        (3, 3, 0, INTENT, 10.001 - KEPT_WAITING),  # not long enough for anything to be said
        (4, 3, 0, INTENT, 4.0),
        (4, 3, 0, ACKNOWLEDGED, 4.1),
        (5, 3, 0, INTENT, 4.0),
        (5, 3, 0, LedgerState.IN_DOUBT, 4.2),
        (5, 3, 1, INTENT, 4.2),  # sent again, and unanswered this time
        (6, 3, 0, INTENT, 4.0),
    )
    arrivals = records(ARRIVAL, "index finished", (6, 5.0))  # whoever has a closing record waits no more
    left = left_by(NO_SAMPLES, arrivals, ledger, records(VITAL, "at", (10.0,)))

    assert [(row["index"], row["attempt"]) for row in left.waiting] == [(1, 0), (2, 0), (5, 1)]
    assert ((left.waiting["until"] - left.waiting["at"]) / SECOND).tolist() == pytest.approx([6.0, 1.0, 5.8])


def test_of_a_worker_of_which_nothing_is_known_nobody_waited() -> None:
    left = left_by(NO_SAMPLES, NO_ARRIVALS, NO_LEDGER, NO_VITALS)

    assert (left.waiting.size, left.unheard) == (0, 0.0)


# one request answered in the middle of the second 7 to 8, one write from 7.5 s on without an answer
ASKED = records(SAMPLE, "index started finished", (1, 7.25, 7.75), (2, 0.1, 7.0))
SENT = records(LEDGER, "index step state at", (3, 3, INTENT, 7.5))


@pytest.mark.parametrize(
    ("gauge", "unheard"),
    [
        (1.0, 0.0),  # half a request of arrival 1 and half of arrival 3
        (4.0, 3.0),  # three more were under way all of that second
        (1.04, 0.0),
        (0.5, 0.0),
    ],
)
def test_what_the_gauge_saw_a_second_before_the_end_and_no_record_tells_was_waiting(
    gauge: float, unheard: float
) -> None:
    vitals = records(VITAL, "at in_system", (7.0, 9.0), (8.0, gauge), (9.0, 50.0))

    assert left_by(ASKED, NO_ARRIVALS, SENT, vitals).unheard == pytest.approx(unheard)


def test_the_last_second_alone_does_not_tell_who_waited_long() -> None:
    vitals = records(VITAL, "at in_system", (8.0, 50.0))

    assert left_by(ASKED, NO_ARRIVALS, SENT, vitals).unheard == 0
