"""One registrant: every time, attempt, ledger entry and ending as the definitions say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from still_loop import StillLoop

from prakerja_load.driver.agenda import Agenda
from prakerja_load.driver.gauge import Gauge
from prakerja_load.driver.recorder import Recorder
from prakerja_load.driver.registrant import LiveRegistrant, Surroundings, fate_of
from prakerja_load.evidence.journal import DTYPES, Kind
from prakerja_load.evidence.ledger import LedgerState
from prakerja_load.journey.step import Answer, Ending, Outcome, Pause, Request, Response, Script, Step

SECOND = 1_000_000_000
PAGE = Step(1, "page")
WRITE = Step(2, "write", is_stored=True)
LAB = Step(9, "lab", is_gated=False)
GET = Request(PAGE, "GET", "/page")
POST = Request(WRITE, "POST", "/write", b"{}", key="k1r1-7-2", ok=(201,), rejected=("no",))


class FakeLine:
    """Answers each request after its latency, from a list of (latency in seconds, response)."""

    def __init__(self, still: StillLoop, answers: Iterable[tuple[float, Response]]) -> None:
        self.still, self.answers = still, iter(answers)
        self.asked: list[int] = []
        self.is_hung_up = self.is_dropped = False

    def ask(self, request: Request, respond: Callable[[Response], None], _now: int | None = None) -> None:
        self.asked.append(self.still.now_ns)
        latency, response = next(self.answers)
        if latency >= 0:
            self.still.call_later(latency, lambda: respond(response))

    def hang_up(self) -> None:
        self.is_hung_up = True

    def drop(self) -> None:
        self.is_dropped = True


class FakeClient:
    """Has one line to give."""

    def __init__(self, line: FakeLine) -> None:
        self._line = line

    def line(self, index: int) -> FakeLine:
        return self._line


class Stage:
    """A registrant of index 7, due at 1 s, on a loop without real time."""

    def __init__(self, script: Script, answers: Iterable[tuple[float, Response]], late: float = 0.0) -> None:
        self.still = StillLoop()
        self.line = FakeLine(self.still, answers)
        self.recorder = Recorder(None)
        self.in_system = Gauge(0)
        self.left: list[LiveRegistrant] = []
        self.faults: list[BaseException] = []
        around = Surroundings(
            FakeClient(self.line),  # type: ignore[arg-type]
            Agenda(self.still, self.still.clock),  # type: ignore[arg-type]
            self.recorder,
            self.still.clock,
            self.in_system,
            {},
            self.left.append,
            self.faults.append,
        )
        self.methods = around.methods
        self.live = LiveRegistrant(around, script, 7, 2, SECOND)
        self.still.call_later(1.0 + late, self.live.start)

    def play(self, seconds: float = 100.0) -> Stage:
        self.still.run_to(seconds)
        return self

    def records(self, kind: Kind) -> Any:
        return np.frombuffer(bytes(self.recorder._pending[kind]), DTYPES[kind])


def stage(script: Script, *answers: tuple[float, Response], late: float = 0.0) -> Stage:
    return Stage(script, answers, late)


def visit(*moves: Request | Pause, ending: Ending = Ending.COMPLETED) -> Script:
    for move in moves:
        answer = yield move
        assert (answer is None) == isinstance(move, Pause)
    return ending


def ok(status: int = 200) -> Response:
    return Response(status, b"{}")


def test_the_first_request_is_due_when_the_arrival_is() -> None:
    (sample,) = stage(visit(GET), (0.25, ok()), late=0.003).play().records(Kind.SAMPLES)

    assert (sample["index"], sample["step"], sample["attempt"], sample["status"]) == (7, 1, 0, 200)
    assert (sample["intended"], sample["due"], sample["think"]) == (SECOND, SECOND, 0)
    assert (sample["started"], sample["finished"]) == (1_003_000_000, 1_253_000_000)


def test_later_requests_are_due_when_the_one_before_finished_and_the_think_time_is_over() -> None:
    played = stage(visit(GET, Pause(2.0), POST), (0.25, ok()), (0.5, ok(201))).play()

    _, second = played.records(Kind.SAMPLES)
    (arrival,) = played.records(Kind.ARRIVALS)
    assert second["think"] == 2 * SECOND
    assert second["due"] == 3_250_000_000 == second["started"]
    assert second["finished"] == 3_750_000_000
    assert (arrival["intended"], arrival["started"], arrival["finished"]) == (SECOND, SECOND, 3_750_000_000)
    assert (arrival["think"], arrival["meant"], arrival["reached"]) == (2 * SECOND, 2, 2)
    assert arrival["ending"] == Ending.COMPLETED


def test_a_pause_before_the_first_request_is_planned_too() -> None:
    (sample,) = stage(visit(Pause(0.5), GET), (0.1, ok())).play().records(Kind.SAMPLES)

    assert (sample["due"], sample["think"]) == (1_500_000_000, 500_000_000)


def test_a_wait_that_the_system_imposed_is_no_think_time() -> None:
    shed = Response(503, b"", 3.0)
    played = stage(visit(POST, Pause(3.0, is_planned=False), POST), (0.1, shed), (0.1, ok(201))).play()

    first, second = played.records(Kind.SAMPLES)
    assert (first["outcome"], first["attempt"]) == (Outcome.SHED, 0)
    assert (second["outcome"], second["attempt"]) == (Outcome.OK, 1)
    assert second["think"] == 0
    assert second["due"] == first["finished"]
    assert second["started"] == first["finished"] + 3 * SECOND


def test_a_stored_step_leaves_its_intent_before_it_is_sent_and_its_fate_after() -> None:
    started = stage(visit(POST), (0.5, ok(201)))
    started.play(1.2)
    (intent,) = started.records(Kind.LEDGER)
    assert (intent["index"], intent["step"], intent["attempt"]) == (7, 2, 0)
    assert (intent["state"], intent["at"]) == (LedgerState.INTENT, SECOND)

    _, fate = started.play().records(Kind.LEDGER)

    assert (fate["state"], fate["status"], fate["at"]) == (LedgerState.ACKNOWLEDGED, 201, 1_500_000_000)


def test_a_page_leaves_nothing_in_the_ledger() -> None:
    assert stage(visit(GET), (0.1, ok())).play().records(Kind.LEDGER).size == 0


def test_a_repeated_step_counts_its_attempts_in_samples_and_ledger() -> None:
    played = stage(visit(POST, POST, GET, POST), *[(0.1, ok(201))] * 4).play()

    assert played.records(Kind.SAMPLES)["attempt"].tolist() == [0, 1, 0, 2]
    assert played.records(Kind.LEDGER)["attempt"].tolist() == [0, 0, 1, 1, 2, 2]


def test_a_request_that_died_with_its_connection_is_a_failed_attempt_and_is_sent_again() -> None:
    heard: list[Any] = []

    def script() -> Script:
        heard.append((yield POST))
        return Ending.COMPLETED

    died = Response(failure=Outcome.ERROR, may_be_sent_again=True)
    played = stage(script(), (0.25, died), (0.5, ok(201))).play()

    first, second = played.records(Kind.SAMPLES)
    assert [answer.outcome for answer in heard] == [Outcome.OK]
    assert (first["attempt"], first["outcome"], first["status"]) == (0, Outcome.ERROR, 0)
    assert (second["attempt"], second["outcome"], second["status"]) == (1, Outcome.OK, 201)
    assert second["due"] == second["started"] == first["finished"] == 1_250_000_000
    ledger = played.records(Kind.LEDGER)
    assert ledger["attempt"].tolist() == [0, 0, 1, 1]
    assert ledger["state"].tolist() == [
        LedgerState.INTENT,
        LedgerState.IN_DOUBT,
        LedgerState.INTENT,
        LedgerState.ACKNOWLEDGED,
    ]
    assert played.in_system.level == 0


def test_what_is_reached_is_the_last_gated_step_with_an_expected_answer() -> None:
    lab = Request(LAB, "GET", "/lab")
    refused = Response(422, b'{"type":"/problems/no"}')
    played = stage(visit(lab, POST, GET), (0.1, ok()), (0.1, refused), (0.1, Response(500))).play()

    (arrival,) = played.records(Kind.ARRIVALS)
    assert arrival["reached"] == 2
    assert played.records(Kind.SAMPLES)["outcome"].tolist() == [Outcome.OK, Outcome.REJECTED, Outcome.ERROR]


@pytest.mark.parametrize(
    ("answer", "fate"),
    [
        (Answer(Outcome.OK, 201), LedgerState.ACKNOWLEDGED),
        (Answer(Outcome.REJECTED, 409), LedgerState.REJECTED),
        (Answer(Outcome.SHED, 503, retry_after=1.0), LedgerState.NOT_DONE),
        (Answer(Outcome.ERROR, 503), LedgerState.IN_DOUBT),
        (Answer(Outcome.ERROR, 500), LedgerState.IN_DOUBT),
        (Answer(Outcome.ERROR, 0), LedgerState.IN_DOUBT),
        (Answer(Outcome.TIMEOUT), LedgerState.IN_DOUBT),
        (Answer(Outcome.MALFORMED, 201), LedgerState.IN_DOUBT),
        (Answer(Outcome.ERROR, 400), LedgerState.NOT_DONE),
        (Answer(Outcome.ERROR, 429), LedgerState.NOT_DONE),
        (Answer(Outcome.ERROR, 408), LedgerState.IN_DOUBT),
        (Answer(Outcome.ERROR, 409), LedgerState.IN_DOUBT),
        (Answer(Outcome.ERROR, 201), LedgerState.IN_DOUBT),
        (Answer(Outcome.ERROR, 302), LedgerState.IN_DOUBT),
    ],
)
def test_only_a_definite_no_says_that_nothing_is_stored(answer: Answer, fate: LedgerState) -> None:
    assert fate_of(POST, answer) == fate


@pytest.mark.parametrize(
    ("answer", "fate"),
    [
        (Answer(Outcome.ERROR, 201), LedgerState.FORBIDDEN),
        (Answer(Outcome.ERROR, 500), LedgerState.FORBIDDEN),
        (Answer(Outcome.TIMEOUT), LedgerState.FORBIDDEN),
        (Answer(Outcome.REJECTED, 409), LedgerState.REJECTED),
        (Answer(Outcome.SHED, 503, retry_after=1.0), LedgerState.NOT_DONE),
        (Answer(Outcome.ERROR, 400), LedgerState.NOT_DONE),
    ],
)
def test_where_only_a_no_is_right_whatever_is_none_leaves_a_write_that_must_not_be_stored(
    answer: Answer, fate: LedgerState
) -> None:
    assert fate_of(replace(POST, ok=()), answer) == fate


@pytest.mark.parametrize("ending", [Ending.COMPLETED, Ending.FAILED, Ending.GAVE_UP])
def test_a_journey_that_ends_hangs_up_and_says_how(ending: Ending) -> None:
    played = stage(visit(GET, ending=ending), (0.1, ok())).play()

    assert played.records(Kind.ARRIVALS)["ending"].tolist() == [ending]
    assert played.line.is_hung_up
    assert played.left == [played.live]
    assert played.faults == []


def test_a_journey_that_is_cut_leaves_its_request_in_flight_and_its_write_in_doubt() -> None:
    played = stage(visit(GET, POST), (0.5, ok()), (-1, ok()))
    played.play(5.0)
    played.live.cut()

    sample = played.records(Kind.SAMPLES)[1]
    (arrival,) = played.records(Kind.ARRIVALS)
    assert (sample["outcome"], sample["status"], sample["finished"]) == (Outcome.IN_FLIGHT, 0, 5 * SECOND)
    assert played.records(Kind.LEDGER)["state"].tolist() == [LedgerState.INTENT, LedgerState.IN_DOUBT]
    assert (arrival["ending"], arrival["finished"], arrival["reached"]) == (Ending.IN_FLIGHT, -1, 1)
    assert played.line.is_dropped
    assert played.in_system.level == 0


def test_a_journey_that_is_cut_while_it_thinks_has_no_request_in_flight() -> None:
    played = stage(visit(GET, Pause(50.0), POST), (0.5, ok()))
    played.play(5.0)
    played.live.cut()

    assert played.records(Kind.SAMPLES)["outcome"].tolist() == [Outcome.OK]
    assert played.records(Kind.ARRIVALS)["think"].tolist() == [50 * SECOND]


def test_the_gauge_counts_requests_and_not_pauses() -> None:
    played = stage(visit(GET, Pause(2.0), GET), (0.5, ok()), (0.5, ok())).play(10.0)

    assert played.in_system.level == 0
    assert played.in_system.mean(10 * SECOND) == pytest.approx(0.1)


def test_a_script_that_raises_is_a_fault_and_its_arrival_failed() -> None:
    def broken() -> Script:
        yield GET
        raise KeyError("token")

    played = stage(broken(), (0.1, ok())).play()

    assert [type(fault) for fault in played.faults] == [KeyError]
    assert played.records(Kind.ARRIVALS)["ending"].tolist() == [Ending.FAILED]


def test_methods_are_noted_for_whoever_shows_them() -> None:
    assert stage(visit(GET, POST), (0.1, ok()), (0.1, ok(201))).play().methods == {1: "GET", 2: "POST"}
