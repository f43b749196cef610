"""The conductor on a clock that stands still: leases, losses, drains and totals."""

from __future__ import annotations

import itertools
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load import __version__
from prakerja_load.arrivals.curve import RateCurve
from prakerja_load.arrivals.schedule import Schedule
from prakerja_load.clock import VirtualClock
from prakerja_load.driver.alignment import ENOUGH, timebase
from prakerja_load.driver.archive import Archive
from prakerja_load.driver.build import PACKAGE, digest, this_build
from prakerja_load.driver.conductor import GATHERING, HORIZON, LAST_WORDS, LEAD, LOST_AFTER, STANDSTILL, Conductor
from prakerja_load.driver.message import (
    Beat,
    Begin,
    Final,
    Finish,
    Hello,
    Join,
    Leases,
    Order,
    Parcel,
    Place,
    Question,
    Quit,
    Reading,
    Received,
    Report,
    Stop,
    Totals,
    pack,
    unpack_order,
)
from prakerja_load.driver.roster import Elsewhere

RUN = "k1r1"
SCHEDULE = Schedule(RateCurve.constant(50, 10.0), 500, 3)


class Crew:
    """A conductor with workers that do at once whatever they are told, until they are silenced."""

    def __init__(self, workers: int = 2, *, tolerates_loss: bool = False, drain: float = 5.0) -> None:
        self.clock = VirtualClock(1_000)
        self.orders: dict[str, list[Order]] = {f"c{number}": [] for number in range(workers)}
        self.conductor = Conductor(
            RUN,
            SCHEDULE,
            self.send,
            self.clock.now_ns,
            workers=workers,
            drain=drain,
            tolerates_loss=tolerates_loss,
        )
        self.silent: set[int] = set()
        self.held: dict[int, list[tuple[int, int]]] = {number: [] for number in range(workers)}
        self.done = dict.fromkeys(range(workers), 0)
        self.is_final: set[int] = set()

    def send(self, client: str, order: Order) -> None:
        order = unpack_order(pack(order))
        self.orders.setdefault(client, []).append(order)
        if isinstance(order, Leases):
            self.held[int(client[1:])] += order.spans

    def say(self, report: Report, client: str | None = None) -> None:
        self.conductor.hear(client or f"c{report.worker}", pack(report))

    def hello(self) -> None:
        for number in self.held:
            self.say(Hello(RUN, number, 100 + number))
        self.conductor.tick()

    def heard(self, kind: type[Order], number: int) -> list[Any]:
        return [order for order in self.orders[f"c{number}"] if isinstance(order, kind)]

    def totals(self, number: int) -> Totals:
        count = self.done[number]
        return Totals(issued=count, started=count, finished=count, samples=3 * count)

    def work(self, number: int) -> None:
        """Handle every lease in hand and say so; say the last word once there is nothing more."""
        handled, self.held[number] = self.held[number], []
        self.done[number] += sum(stop - start for start, stop in handled)
        over = self.heard(Finish, number) or self.heard(Stop, number)
        if over and number not in self.is_final:
            self.is_final.add(number)
            self.say(Final(RUN, number, self.totals(number), handled, []))
        elif not over:
            self.say(Beat(RUN, number, self.totals(number), handled, None))

    def pass_time(self, seconds: float, step: float = 0.25) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(round(step * 1e9))
            for number in self.held:
                if number not in self.silent:
                    self.work(number)
            self.conductor.tick()

    @property
    def record(self) -> dict[str, Any]:
        return self.conductor.record()


def everything_has_a_place(crew: Crew) -> bool:
    record = crew.record
    return bool(record["issued"] + record["not_issued"] == len(SCHEDULE))


def test_nothing_begins_before_every_worker_has_said_hello() -> None:
    crew = Crew(2)
    crew.say(Hello(RUN, 0, 1))
    crew.conductor.tick()
    assert crew.conductor.epoch is None

    crew.say(Hello(RUN, 1, 2))
    crew.conductor.tick()

    epoch = crew.clock.now_ns() + round(LEAD * 1e9)
    assert [crew.heard(Begin, number) for number in (0, 1)] == [[Begin(RUN, epoch)]] * 2


def test_arrivals_are_leased_ahead_of_their_time_and_no_further() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 3.0)

    leased = sorted(span for number in (0, 1) for order in crew.heard(Leases, number) for span in order.spans)
    assert leased[0][0] == 0
    assert leased[-1][1] == SCHEDULE.due_before(crew.conductor.elapsed / 1e9 + HORIZON)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(leased))


def test_every_arrival_is_played_and_every_total_acknowledged() -> None:
    crew = Crew(3)
    crew.hello()
    crew.pass_time(LEAD + 11.0)

    assert crew.conductor.is_over
    assert [worker["state"] for worker in crew.record["workers"]] == ["finished"] * 3
    assert (crew.record["issued"], crew.record["not_started"], crew.record["not_issued"]) == (500, 0, 0)
    assert crew.conductor.totals().finished == 500
    assert crew.record["stopped"] == ""
    assert all(crew.heard(Quit, number) for number in range(3))


def test_the_drain_ends_after_the_last_arrival_and_its_length() -> None:
    crew = Crew(1, drain=7.0)
    crew.hello()
    crew.pass_time(LEAD + 9.0)

    assert [order.deadline for order in crew.heard(Finish, 0)] == [17 * 10**9]


def test_a_silent_worker_is_lost_within_five_seconds_and_its_leases_are_not_started() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 2.0)
    crew.silent.add(1)
    reported = crew.done[1]
    crew.pass_time(5.0)

    lost = crew.record["workers"][1]
    assert lost["state"] == "lost"
    assert "no word" in lost["reason"]
    assert lost["started"] == reported
    crew.pass_time(10.0)
    held = sum(stop - start for start, stop in crew.held[1])
    assert crew.conductor.is_over
    assert crew.record["not_started"] == held > 0
    assert crew.conductor.totals().started == 500 - held
    assert sum(stop - start for start, stop in crew.record["not_started_ranges"]) == held
    assert everything_has_a_place(crew)


def test_a_worker_is_not_given_up_while_it_may_still_speak() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 2.0)
    crew.silent.add(1)
    crew.pass_time(LOST_AFTER - 0.5)

    assert crew.record["workers"][1]["state"] == "running"


def test_with_tolerance_others_take_over_what_is_not_due_yet() -> None:
    crew = Crew(2, tolerates_loss=True)
    crew.hello()
    crew.pass_time(LEAD + 2.0)
    crew.silent.add(1)
    crew.pass_time(5.0)
    strict = Crew(2)
    strict.hello()
    strict.pass_time(LEAD + 2.0)
    strict.silent.add(1)
    for one in (crew, strict):
        one.pass_time(15.0)

    assert crew.record["workers"][1]["state"] == "lost"
    assert 0 < crew.record["not_started"] < strict.record["not_started"]
    assert crew.conductor.totals().started + crew.record["not_started"] == 500


def test_when_every_worker_is_lost_it_is_over() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 2.0)
    crew.silent |= {0, 1}
    crew.pass_time(6.0)

    assert crew.conductor.is_over
    assert crew.record["stopped"] == "every worker was lost"
    assert not crew.conductor.is_failed
    assert everything_has_a_place(crew)


@pytest.mark.parametrize(
    "report",
    [
        Beat("other", 0, Totals(started=99), [], None),
        Beat(RUN, 5, Totals(started=99), [], None),
        Hello(RUN, 2, 9),
        Hello(RUN, -1, 9),
    ],
)
def test_messages_of_strangers_are_refused_and_counted(report: Report) -> None:
    crew = Crew(2)
    crew.hello()
    crew.say(report, "stranger")

    assert crew.record["foreign_messages"] == 1
    assert crew.conductor.totals().started == 0
    assert len(crew.record["workers"]) == 2
    assert [type(order) for order in crew.orders["stranger"]] == [Stop, Quit]


def test_a_second_worker_of_the_same_number_is_refused() -> None:
    crew = Crew(2)
    crew.hello()
    crew.say(Hello(RUN, 1, 999), "impostor")

    assert crew.record["foreign_messages"] == 1
    assert crew.record["workers"][1]["pid"] == 101


@pytest.mark.parametrize("packed", [None, {}, {"type": "beat"}, {"type": "quit", "run": RUN}, 7])
def test_what_is_no_report_is_refused_and_counted(packed: object) -> None:
    crew = Crew(1)
    crew.conductor.hear("c0", packed)

    assert crew.record["foreign_messages"] == 1


def test_a_worker_that_was_given_up_is_not_listened_to_again() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 1.0)
    crew.silent.add(1)
    crew.pass_time(5.0)
    before = crew.record["workers"][1]["started"]
    crew.say(Beat(RUN, 1, Totals(started=400), [], None))

    assert crew.record["workers"][1]["started"] == before
    assert crew.record["foreign_messages"] == 1
    assert crew.heard(Quit, 1)


def test_an_interruption_drains_and_leaves_the_rest_unissued() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 2.0)
    crew.conductor.is_interrupted = True
    crew.conductor.stop("interrupted")
    crew.pass_time(1.0)

    assert crew.conductor.is_over
    assert crew.record["interrupted"] is True
    assert crew.record["stopped"] == "interrupted"
    assert [worker["state"] for worker in crew.record["workers"]] == ["finished"] * 2
    assert crew.record["not_issued"] > 0
    assert everything_has_a_place(crew)
    (stop,) = crew.heard(Stop, 0)
    assert stop.deadline == 2 * 10**9 + 5 * 10**9


def test_a_second_interruption_cuts_the_drain_short() -> None:
    crew = Crew(1)
    crew.hello()
    crew.pass_time(LEAD + 2.0)
    crew.conductor.stop("interrupted")
    crew.conductor.stop("interrupted", 0.0)

    assert [order.deadline for order in crew.heard(Stop, 0)] == [7 * 10**9, 2 * 10**9]


def test_stopping_what_never_began_ends_it() -> None:
    crew = Crew(2)
    crew.say(Hello(RUN, 0, 1))
    crew.conductor.stop("interrupted")

    assert crew.conductor.is_over
    assert crew.heard(Quit, 0)
    assert crew.record["issued"] == 0


def test_leases_that_a_worker_had_to_leave_are_not_started() -> None:
    crew = Crew(1)
    crew.hello()
    crew.pass_time(LEAD)
    crew.conductor.stop("interrupted")
    (start, stop), *others = crew.held[0]
    left = [(start, stop, 5), *((first, last, 0) for first, last in others)]
    crew.say(Final(RUN, 0, Totals(started=5), [], left))
    crew.conductor.tick()

    assert crew.conductor.is_over
    assert crew.record["not_started"] == sum(last - first - count for first, last, count in left)
    assert everything_has_a_place(crew)


def test_a_worker_that_ends_of_its_own_accord_is_lost() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 1.0)
    held = [(start, stop, 0) for start, stop in crew.held[1]]
    crew.silent.add(1)
    crew.say(Final(RUN, 1, Totals(), [], held, "the worker was terminated"))
    crew.pass_time(15.0)

    assert crew.record["workers"][1]["state"] == "lost"
    assert crew.record["workers"][1]["reason"] == "the worker was terminated"
    assert crew.record["workers"][0]["state"] == "finished"
    assert not crew.conductor.is_failed


def test_a_harness_that_cannot_work_stops_all_of_it() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 1.0)
    crew.silent.add(1)
    crew.say(Final(RUN, 1, Totals(), [], [(a, b, 0) for a, b in crew.held[1]], "the result disk is full", True))
    crew.pass_time(1.0)

    assert crew.conductor.is_over
    assert crew.conductor.is_failed
    assert crew.record["stopped"] == "worker 1: the result disk is full"
    assert crew.heard(Stop, 0)[0].deadline <= crew.conductor.elapsed


def test_a_worker_that_never_comes_to_its_end_is_lost() -> None:
    crew = Crew(1, drain=1.0)
    crew.hello()
    crew.pass_time(LEAD + 7.0)
    crew.silent.add(0)
    for _ in range(round((3 + 1 + LAST_WORDS) / 0.25) + 4):
        crew.clock.advance(250_000_000)
        crew.say(Beat(RUN, 0, Totals(), [], None))
        crew.conductor.tick()

    assert crew.record["workers"][0]["reason"] == "no final totals after the drain"
    assert crew.conductor.is_over


def test_workers_that_do_not_come_are_waited_for_a_minute_only() -> None:
    crew = Crew(3)
    crew.say(Hello(RUN, 0, 1))
    crew.clock.advance(round(GATHERING * 1e9) + 1)
    crew.conductor.tick()

    assert crew.conductor.is_over
    assert crew.conductor.is_failed
    assert crew.record["stopped"] == "1 of 3 workers came within 60 s"


@given(
    falls_silent=st.dictionaries(st.integers(0, 3), st.floats(0.5, 12.0), max_size=4),
    stops=st.one_of(st.none(), st.floats(0.5, 12.0)),
    tolerates=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_whatever_happens_every_arrival_has_exactly_one_place(
    falls_silent: dict[int, float], stops: float | None, tolerates: bool
) -> None:
    crew = Crew(4, tolerates_loss=tolerates)
    crew.hello()
    crew.pass_time(LEAD)
    for step in range(120):
        now = step * 0.25
        crew.silent |= {number for number, at in falls_silent.items() if at <= now}
        if stops is not None and now <= stops < now + 0.25:
            crew.conductor.stop("interrupted")
        crew.pass_time(0.25)

    record = crew.record
    assert crew.conductor.is_over
    started = crew.conductor.totals().started
    assert started + record["not_started"] + record["not_issued"] == 500
    ranges = record["not_started_ranges"]
    assert sum(stop - start for start, stop in ranges) == record["not_started"]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ranges))


def test_listeners_hear_beats_and_nothing_else() -> None:
    heard: list[Beat] = []
    clock, sent = VirtualClock(), Crew(1).send
    conductor = Conductor(RUN, SCHEDULE, sent, clock.now_ns, workers=1, drain=1.0, listen=heard.append)
    conductor.hear("c0", pack(Hello(RUN, 0, 1)))
    conductor.tick()
    beat = Beat(RUN, 0, Totals(started=1), [], None, b"e", b"l")
    conductor.hear("c0", pack(beat))

    assert heard == [beat]


class Remote(Crew):
    """A conductor whose workers come from other hosts, each with a clock of its own."""

    def __init__(self, folder: Path, workers: int = 2, timebase: str = "another", version: str = "1") -> None:
        super().__init__(workers)
        self.archive = Archive(folder)
        self.conductor = Conductor(
            RUN,
            SCHEDULE,
            self.send,
            self.clock.now_ns,
            workers=workers,
            drain=5.0,
            elsewhere=Elsewhere(b"{}", version, self.archive),
        )
        self.timebase = timebase
        self.ahead = {number: (number + 1) * 10**12 for number in range(workers)}

    def join(self, client: str, version: str = "1") -> list[Order]:
        """Ask for a place, and return what was answered."""
        before = len(self.orders.get(client, ()))
        self.conductor.hear(client, pack(Join("host", 7, version)))
        return self.orders.get(client, [])[before:]

    def meet(self) -> None:
        for number in self.held:
            self.join(f"c{number}")
        for number in self.held:
            self.say(Hello(RUN, number, 100 + number, self.timebase, "host"))

    def answer(self) -> None:
        """Answer every question at once, 10 ms on the way in all."""
        self.clock.advance(10_000_000)
        for number in self.held:
            for order in self.orders[f"c{number}"]:
                if isinstance(order, Question):
                    shown = self.clock.now_ns() - 5_000_000 + self.ahead[number]
                    self.say(Reading(RUN, number, order.asked, shown))
            self.orders[f"c{number}"] = [
                order for order in self.orders[f"c{number}"] if not isinstance(order, Question)
            ]


def test_workers_from_elsewhere_get_places_and_the_task(tmp_path: Path) -> None:
    crew = Remote(tmp_path)

    assert crew.join("c0") == [Place(RUN, 0, b"{}")]
    assert crew.join("c1") == [Place(RUN, 1, b"{}")]
    assert crew.join("c0") == [Place(RUN, 0, b"{}")]
    assert crew.join("c2") == []
    assert crew.record["foreign_messages"] == 0


def test_a_worker_of_another_version_is_told_why_it_has_no_place(tmp_path: Path) -> None:
    crew = Remote(tmp_path)
    (stop,) = crew.join("c0", "2")

    assert isinstance(stop, Stop)
    assert "version 2" in stop.reason
    assert crew.record["foreign_messages"] == 1


def test_a_worker_of_the_same_version_with_other_sources_has_no_place_either(tmp_path: Path) -> None:
    sources = tmp_path / "package"
    (sources / "part").mkdir(parents=True)
    (sources / "part" / "a.py").write_text("x = 1")
    before = digest(sources)
    (sources / "part" / "a.py").write_text("x = 2")
    changed = digest(sources)
    (sources / "part" / "a.py").rename(sources / "part" / "b.py")
    (sources / "part" / "b.pyc").write_bytes(b"compiled")

    assert len({before, changed, digest(sources)}) == 3
    assert this_build() == f"{__version__}+{digest(PACKAGE)}"

    crew = Remote(tmp_path / "run", version=f"{__version__}+{before}")
    assert [type(order) for order in crew.join("c0", f"{__version__}+{before}")] == [Place]
    (stop,) = crew.join("c1", f"{__version__}+{changed}")
    assert isinstance(stop, Stop)
    assert before in stop.reason
    assert changed in stop.reason


def test_workers_that_are_started_here_need_no_place_and_nobody_else_gets_one() -> None:
    crew = Crew(1)
    crew.conductor.hear("stranger", pack(Join("host", 7, "1")))

    assert [type(order) for order in crew.orders["stranger"]] == [Stop]
    assert crew.record["foreign_messages"] == 1


def test_who_says_hello_in_somebody_elses_place_is_refused(tmp_path: Path) -> None:
    crew = Remote(tmp_path)
    crew.join("c0")
    crew.say(Hello(RUN, 0, 1, "another", "host"), "c1")

    assert crew.conductor.workers == {}
    assert crew.record["foreign_messages"] == 1


@pytest.mark.parametrize("is_seated", [True, False])
def test_a_ramp_begins_on_every_workers_own_clock(tmp_path: Path, *, is_seated: bool) -> None:
    """A stock worker needs no place and sends no evidence, and may be on another host all the same."""
    crew = Remote(tmp_path)
    if not is_seated:
        crew.conductor = Conductor(RUN, SCHEDULE, crew.send, crew.clock.now_ns, workers=2, drain=5.0)
    crew.meet()
    for _ in range(ENOUGH):
        assert crew.conductor.epoch is None
        crew.conductor.tick()
        crew.answer()
    crew.conductor.tick()

    for number in crew.held:
        (begin,) = crew.heard(Begin, number)
        assert begin.epoch == crew.conductor.epoch + crew.ahead[number]
    assert [worker["clock_offset"] for worker in crew.record["workers"]] == [1000.0, 2000.0]
    assert [worker["clock_error"] for worker in crew.record["workers"]] == [0.005, 0.005]


def test_workers_that_live_by_the_controllers_clock_are_asked_nothing(tmp_path: Path) -> None:
    crew = Remote(tmp_path, timebase=timebase())
    crew.meet()
    crew.conductor.tick()

    assert crew.heard(Begin, 0) == [Begin(RUN, crew.conductor.epoch)]
    assert crew.heard(Question, 0) == []


def test_a_place_whose_worker_went_away_before_the_beginning_is_given_to_another(tmp_path: Path) -> None:
    crew = Remote(tmp_path, timebase=timebase())
    crew.join("c0")
    crew.say(Hello(RUN, 0, 1, crew.timebase, "host"))
    crew.clock.advance(round((LOST_AFTER + 0.1) * 1e9))
    crew.conductor.tick()
    crew.join("fresh")
    crew.say(Hello(RUN, 0, 2, crew.timebase, "host"), "fresh")

    assert crew.conductor.workers[0].client == "fresh"


def test_final_totals_are_acknowledged_once_all_evidence_is_there(tmp_path: Path) -> None:
    crew = Remote(tmp_path, workers=1, timebase=timebase())
    crew.meet()
    crew.conductor.tick()
    crew.conductor.stop("interrupted")
    content = b"evidence"
    shipped = [(1, len(content), zlib.crc32(content))]
    final = Final(RUN, 0, Totals(started=3), [], [], shipped=shipped)
    crew.say(final)
    assert crew.heard(Quit, 0) == []

    crew.say(Parcel(RUN, 0, 0, 1, content, zlib.crc32(content)))
    crew.say(final)
    crew.say(final)  # its acknowledgement got lost
    crew.conductor.tick()
    crew.archive.close()

    assert crew.heard(Received, 0) == [Received(RUN, 1)]
    assert crew.heard(Quit, 0) == [Quit(RUN), Quit(RUN)]
    assert crew.conductor.is_over
    assert crew.record["foreign_messages"] == 0
    assert (tmp_path / "worker-0" / "samples.seg").read_bytes() == content


def test_evidence_on_its_way_keeps_a_worker_from_being_given_up_after_the_drain(tmp_path: Path) -> None:
    crew = Remote(tmp_path, workers=1, timebase=timebase())
    crew.meet()
    crew.conductor.tick()
    crew.conductor.stop("interrupted")
    for number in range(40):
        crew.clock.advance(10**9)
        crew.say(Parcel(RUN, 0, number, 1, b"x", zlib.crc32(b"x")))
        crew.conductor.tick()
    assert crew.record["workers"][0]["state"] == "running"
    for _ in range(round(LAST_WORDS) + 1):
        crew.clock.advance(10**9)
        crew.say(Beat(RUN, 0, Totals(), [], None))
        crew.conductor.tick()
    crew.archive.close()

    assert crew.record["workers"][0]["reason"] == "no final totals after the drain"


def test_a_worker_that_was_given_up_is_not_told_that_its_evidence_arrived() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 1.0)
    crew.silent.add(1)
    crew.pass_time(5.0)
    crew.say(Final(RUN, 1, Totals(), [], []))

    assert crew.heard(Quit, 1) == [Quit(RUN, is_acknowledged=False)]


def test_a_worker_whose_loop_stands_still_is_lost_although_its_process_speaks() -> None:
    crew = Crew(2)
    crew.hello()
    crew.pass_time(LEAD + 1.0)
    crew.say(Beat(RUN, 1, Totals(), [], None, standstill=round(STANDSTILL * 1e9)))
    assert crew.record["workers"][1]["state"] == "running"
    crew.say(Beat(RUN, 1, Totals(), [], None, standstill=round(STANDSTILL * 1e9) + 1))

    assert crew.record["workers"][1]["state"] == "lost"
    assert "stands still" in crew.record["workers"][1]["reason"]


def test_what_others_took_over_is_counted() -> None:
    crew = Crew(2, tolerates_loss=True)
    crew.hello()
    crew.pass_time(LEAD + 2.0)
    crew.silent.add(1)
    crew.pass_time(15.0)

    assert crew.conductor.is_over
    assert crew.record["taken_over"] > 0
    assert crew.record["taken_over"] + crew.record["not_started"] == sum(stop - start for start, stop in crew.held[1])


def test_the_rest_of_a_ramp_is_leased_from_where_its_schedule_stood_still() -> None:
    crew = Crew(2)
    crew.conductor = Conductor(
        RUN, SCHEDULE, crew.send, crew.clock.now_ns, workers=2, drain=5.0, begins_at=6.0, only=[(301, 304), (320, 500)]
    )
    crew.hello()
    assert crew.conductor.elapsed == round((6.0 - LEAD) * 1e9)
    crew.pass_time(LEAD + 5.0)

    leased = sorted(span for number in (0, 1) for order in crew.heard(Leases, number) for span in order.spans)
    assert [index for start, stop in leased for index in range(start, stop)] == [*range(301, 304), *range(320, 500)]
    assert crew.conductor.is_over
    assert (crew.record["issued"], crew.record["not_started"], crew.record["not_issued"]) == (183, 0, 0)
    assert [order.deadline for order in crew.heard(Finish, 0)] == [15 * 10**9]
