"""Admission: hard bounds, the limit that follows a standing delay, and who is turned away first."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import pytest
from asgi import Lab, Laboratory, in_loop
from hypothesis import given
from hypothesis import strategies as st
from people import Person, Visit

from prakerja_load.registrar.admission import JOINING, PATIENCE, UNDER_WAY, Admission, Bodies, LoopWatch
from prakerja_load.registrar.app import App
from prakerja_load.registrar.overload import STANDS, WINDOW, AdaptiveLimit, Bounds, DelayTarget, StandingDelay
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.request import Request
from prakerja_load.registrar.routes import LARGEST_PHOTO
from prakerja_load.registrar.settings import parse

TARGET = DelayTarget(seconds=0.1, interval=0.5, lowest=4)


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def admission_with(clock: Clock, in_flight: int, highest: int = 1000) -> Admission:
    admission = Admission(highest, target=TARGET, now=clock)
    for _ in range(in_flight):
        admission.enter("join-wave")
    return admission


def keep_late(admission: Admission, clock: Clock, seconds: float, delay: float) -> None:
    for _ in range(round(seconds / 0.02)):
        clock.time += 0.02
        admission.observe("store", delay)


def test_more_requests_than_are_taken_are_told_to_come_back() -> None:
    admission = Admission(2)
    admission.enter("join-wave")
    admission.check("join-wave")
    admission.enter("join-wave")
    for attempt in (admission.check, admission.enter):
        with pytest.raises(RefusalError, match="overloaded") as refusal:
            attempt("join-wave")
        assert refusal.value.retry_after in (1, 2, 3)
    admission.leave()
    admission.enter("join-wave")
    assert admission.shed_by == {"in-flight": 2, "bodies": 0, "delay": 0, "newcomer": 0}
    assert (admission.in_flight, admission.shed) == (2, 2)


def test_more_bytes_of_bodies_than_are_held_are_told_to_come_back() -> None:
    admission = Admission(2)
    bodies = Bodies(admission, 10)
    with bodies.expect(8) as first:
        first.take(4)
        with pytest.raises(RefusalError, match="overloaded"):
            bodies.expect(7)  # it would not fit beside what is there
        with bodies.expect(6) as second:
            second.take(6)  # it was quicker than the rest of the first
            with pytest.raises(RefusalError, match="overloaded"):
                first.take(1)
            assert bodies.held == 10
        assert bodies.held == 4
        first.take(4)
    assert bodies.held == 0
    assert (admission.in_flight, admission.shed_by["bodies"]) == (0, 2)


class Upload:
    """A photo on its way in, or anything else that is too large to be collected before it is taken up."""

    def __init__(self, lab: Lab, app: App, announced: int | None) -> None:
        self.request = Request()
        self.request.method, self.request.path = "PUT", "/api/v1/photos/ktp"
        self.request.is_collected = False
        headers = {"content-type": "image/jpeg", "idempotency-key": "k"}
        headers["authorization"] = f"Bearer {lab.registrar.signer.issue(1, lab.time)}"
        headers |= {"transfer-encoding": "chunked"} if announced is None else {"content-length": str(announced)}
        self.request.headers.update({name.encode(): value.encode() for name, value in headers.items()})
        self.task = asyncio.create_task(app.answer(self.request))

    async def add(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.request.add(piece)
            for _ in range(5):
                await asyncio.sleep(0)

    async def status(self) -> int:
        reply = await self.task
        return 0 if reply is None else reply.status

    async def end(self) -> int:
        self.request.complete()
        return await self.status()


MIB = 1024 * 1024
PHOTO = b"\xff\xd8" + b"x" * (MIB - 2)


@pytest.mark.parametrize("announced", [4 * MIB, None], ids=["announced", "in-chunks"])
def test_photos_that_are_still_coming_in_keep_nobody_out(laboratory: Laboratory, announced: int | None) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory(max_in_flight=1) as lab:
            app = App(lab.registrar)
            uploads = [Upload(lab, app, announced) for _ in range(3)]
            for upload in uploads:
                await upload.add(PHOTO)
            assert lab.registrar.admission.in_flight == 0
            assert (await Visit(lab, Person(1)).create()).status == 201
            assert [await upload.end() for upload in uploads[:1]] == [201]
            lab.registrar.admission.enter("join-wave")  # the one place is taken when the second is whole
            assert await uploads[1].end() == 503
            assert await Upload(lab, app, announced).status() == 503  # before it has sent anything
            lab.registrar.admission.leave()
            assert await uploads[2].end() == 201
            assert lab.registrar.admission.in_flight == 0

    scenario()


@in_loop
async def test_the_bytes_of_bodies_are_counted_as_they_come_and_given_back_whatever_becomes_of_them(
    laboratory: Laboratory,
) -> None:
    async with laboratory(max_body_bytes=4 * MIB) as lab:
        assert (await Visit(lab, Person(1)).create()).status == 201
        app = App(lab.registrar)
        slow, chunked = Upload(lab, app, 4 * MIB), Upload(lab, app, None)
        await slow.add(PHOTO)
        await chunked.add(PHOTO, b"x" * MIB, b"x" * MIB)
        assert await Upload(lab, app, 1).status() == 503  # there is no room left
        await slow.add(b"x")
        assert await slow.status() == 503
        chunked.request.lose()
        assert await chunked.status() == 0
        stranger = Upload(lab, app, 4 * MIB)
        stranger.request.headers[b"authorization"] = b"Bearer x"
        await stranger.add(PHOTO)
        assert await stranger.status() == 401
        too_long = Upload(lab, app, None)
        await too_long.add(PHOTO, b"x" * (2 * MIB), b"x" * MIB)
        await too_long.add(b"x")
        assert await too_long.status() == 503  # one byte more than is held, and than a photo may have
        whole = Upload(lab, app, 4 * MIB)
        await whole.add(PHOTO, b"x" * (3 * MIB))
        assert await whole.end() == 201
        assert lab.registrar.admission.shed_by["bodies"] == 3


def test_a_delay_that_does_not_stand_for_an_interval_sheds_nobody() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    for _ in range(20):
        keep_late(admission, clock, 0.4, delay=5.0)
        keep_late(admission, clock, 0.2, delay=0.01)
        admission.enter("join-wave")
    assert admission.shed == 0


def test_one_quick_answer_in_a_window_shows_that_no_queue_stands() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    for _ in range(200):
        clock.time += 0.02
        admission.observe("store", 3.0)
        admission.observe("store", 0.01)
    admission.enter("join-wave")
    assert admission.shed == 0


def is_let_in(admission: Admission, step: str) -> bool:
    try:
        admission.enter(step)
    except RefusalError:
        return False
    admission.leave()
    return True


def let_in(admission: Admission, step: str, asked: int = 100) -> int:
    return sum(is_let_in(admission, step) for _ in range(asked))


def quick_at_first(admission: Admission, clock: Clock) -> None:
    """Have a store answer in 10 ms, as it does when nobody waits."""
    for _ in range(3):
        admission.observe("store", 0.01)
        clock.time += WINDOW


def queue_up(admission: Admission, clock: Clock, seconds: float, delay: float) -> None:
    """Have that store keep everybody waiting, while newcomers go on coming."""
    for _ in range(round(seconds / 0.02)):
        clock.time += 0.02
        admission.observe("store", 0.01 + delay)
        is_let_in(admission, "wave-page")


def test_while_a_queue_stands_those_are_turned_away_first_who_have_put_in_least() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    quick_at_first(admission, clock)
    turned_away = []
    for intervals in (0.8, 0.6, PATIENCE[JOINING] - 0.8, PATIENCE[UNDER_WAY] - PATIENCE[JOINING]):
        queue_up(admission, clock, intervals * TARGET.interval, delay=0.2)
        turned_away.append([let_in(admission, step) == 0 for step in ("wave-page", "create-account", "join-wave")])
    assert turned_away == [
        [False, False, False],
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_who_is_under_way_is_turned_away_after_an_interval_when_nobody_comes_to_begin() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    keep_late(admission, clock, 2, delay=0.2)
    assert admission.limit == 50
    for _ in range(51):
        admission.leave()
    admission.enter("join-wave")
    with pytest.raises(RefusalError, match="overloaded"):
        admission.enter("join-wave")
    assert admission.shed_by["delay"] == 1


def test_a_store_that_is_slow_without_a_queue_turns_nobody_away() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    keep_late(admission, clock, 10, delay=0.09)
    assert let_in(admission, "wave-page") == 100


def test_a_store_that_has_become_slow_for_good_lets_everybody_in_again_as_soon_as_nobody_waits_there() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    quick_at_first(admission, clock)
    queue_up(admission, clock, 2, delay=0.08)  # a queue, or a disk that takes so long: that cannot be told yet
    assert let_in(admission, "wave-page") == 0
    for _ in range(100 - TARGET.lowest):
        admission.leave()
    keep_late(admission, clock, 1, delay=0.09)  # hardly anybody waits, and it takes as long: no queue
    for _ in range(50):
        admission.enter("join-wave")
    keep_late(admission, clock, 5, delay=0.09)
    assert let_in(admission, "wave-page") == 100


@given(
    st.lists(st.tuples(st.sampled_from(["loop", "store"]), st.floats(0, 1), st.floats(0, 0.2), st.integers(0, 200))),
)
def test_nobody_under_way_is_turned_away_where_a_newcomer_is_let_in(
    measurements: list[tuple[str, float, float, int]],
) -> None:
    clock = Clock()
    admission = Admission(1000, target=TARGET, now=clock)
    for source, delay, pause, in_flight in measurements:
        clock.time += pause
        admission.in_flight = in_flight
        admission.observe(source, delay)
        looking, joining, under_way = (
            is_let_in(admission, step) for step in ("wave-page", "create-account", "join-wave")
        )
        assert looking <= joining <= under_way


def test_a_store_slower_than_the_target_without_a_queue_keeps_no_place_for_newcomers_only() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    keep_late(admission, clock, 10, delay=0.25)
    assert let_in(admission, "join-wave") == let_in(admission, "wave-page") == 0


def test_soon_after_the_queue_has_gone_everybody_is_let_in_until_another_one_stands() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    quick_at_first(admission, clock)
    queue_up(admission, clock, 1, delay=0.06)
    assert let_in(admission, "wave-page") == 0
    queue_up(admission, clock, 4, delay=0.0)
    queue_up(admission, clock, TARGET.interval - 0.1, delay=0.06)  # no queue yet that stands
    assert let_in(admission, "wave-page") == 100


def test_the_slowest_source_decides() -> None:
    clock = Clock()
    admission = admission_with(clock, 100)
    for _ in range(100):
        clock.time += 0.02
        admission.observe("store", 0.0)
        admission.observe("loop", 0.4)
    assert admission.limit < 100


class Limit(AdaptiveLimit):
    """A limit that is told of each measurement, as an admission tells that of those under way."""

    BOUNDS = Bounds(TARGET.seconds, TARGET.interval, TARGET.seconds)

    def __init__(self) -> None:
        super().__init__(1000, TARGET.lowest)
        self.standing = StandingDelay()

    def observe(self, source: str, delay: float, in_flight: int, now: float) -> None:
        if self.standing.observe(source, delay, in_flight, now):
            self.follow(self.standing.delay, self.standing.under_way, now, self.BOUNDS)


def commits_every(limit: Limit, gap: float, seconds: float, delay: float, start: float = 100.0) -> float:
    """Have a loop that is never late and a store that answers in bursts, one every `gap` seconds; return the time."""
    burst = 0.0
    for tick in range(round(seconds / 0.05)):
        now = start + tick * 0.05
        limit.observe("loop", 0.0, 100, now)
        if now - start >= burst:
            burst += gap
            limit.observe("store", delay + gap, 100, now)  # who came first has waited longest, and is told first
            limit.observe("store", delay, 100, now + 0.001)
    return start + seconds


@pytest.mark.parametrize("gap", [0.15, 0.4, 1.0])
def test_a_delay_stands_between_the_commits_of_a_store_that_is_slow(gap: float) -> None:
    limit = Limit()
    now = commits_every(limit, gap, seconds=4, delay=0.4)
    assert limit.limit == 50  # half of what is under way
    assert limit.standing.delay.standing == 0.4
    commits_every(limit, gap, seconds=4, delay=0.05, start=now)
    assert not limit.is_shedding


def test_a_burst_of_answers_counts_as_its_quickest_wherever_a_window_ends() -> None:
    limit = Limit()
    commits_every(limit, 0.4, seconds=8, delay=0.08)  # those who waited longest waited 0.48 s
    assert limit.limit == 1000


def test_a_delay_nobody_has_measured_for_a_while_is_in_force_no_longer() -> None:
    limit = Limit()
    now = commits_every(limit, 0.4, seconds=4, delay=0.4)
    for tick in range(round(STANDS / 0.05) - 10):
        limit.observe("loop", 0.0, 10, now + tick * 0.05)
    assert limit.limit == 50
    for tick in range(100):
        limit.observe("loop", 0.0, 10, now + STANDS + tick * 0.05)
    assert not limit.is_shedding


def test_a_target_of_zero_never_sheds_for_delay() -> None:
    clock = Clock()
    admission = Admission(1000, target=DelayTarget(seconds=0), now=clock)
    for _ in range(100):
        admission.enter("join-wave")
    queue_up(admission, clock, 20, delay=60.0)
    assert admission.limit == 1000
    assert let_in(admission, "wave-page") == 100


Measurements = st.lists(
    st.tuples(
        st.sampled_from(["loop", "store"]),
        st.floats(0, 100),
        st.integers(0, 1000),
        st.floats(0, 1),
        st.booleans(),
    )
)


@given(Measurements)
def test_the_limit_stays_between_the_lowest_and_the_highest_and_recovers(
    measurements: list[tuple[str, float, int, float, bool]],
) -> None:
    limit = Limit()
    now = 0.0
    for source, delay, in_flight, pause, is_shed in measurements:
        now += pause
        if is_shed:
            limit.shed()
        limit.observe(source, delay, in_flight, now)
        assert TARGET.lowest <= limit.limit <= 1000
    for _ in range(round((STANDS + 3) / WINDOW)):  # until the last delay is forgotten, and three seconds in peace
        now += WINDOW
        limit.observe("loop", 0.0, 0, now)
    assert not limit.is_shedding


@given(st.lists(st.floats(0, TARGET.seconds)), st.integers(0, 1000))
def test_delays_within_the_target_never_lower_the_limit(delays: list[float], in_flight: int) -> None:
    limit = Limit()
    for tick, delay in enumerate(delays):
        limit.observe("store", delay, in_flight, tick * 0.03)
        assert limit.limit == 1000


def simulate(load: float, seconds: float, capacity: int = 500) -> tuple[int, list[float]]:
    """Return what a server of known capacity answered in the last part of an overload, and how long each waited."""
    clock = Clock()
    admission = Admission(1_000, target=TARGET, now=clock)
    queue: deque[float] = deque()
    waits: list[float] = []
    step, credit, due = 0.002, 0.0, 0.0
    begin = clock.time
    while clock.time < begin + seconds:
        clock.time += step
        due += load * capacity * step
        while due >= 1:
            due -= 1
            try:
                admission.enter("join-wave")
                queue.append(clock.time)
            except RefusalError:
                pass
        credit = min(credit + capacity * step, 1.0 if not queue else 1e9)
        while queue and credit >= 1:
            credit -= 1
            wait = clock.time - queue.popleft()
            admission.leave()
            admission.observe("store", wait)
            if clock.time > begin + seconds / 2:
                waits.append(wait)
    return len(waits), sorted(waits)


@pytest.mark.parametrize("load", [1.5, 3.0, 10.0])
def test_under_a_lasting_overload_a_known_server_stays_busy_and_prompt(load: float) -> None:
    served, waits = simulate(load, seconds=10)
    assert served >= 0.98 * 500 * 5
    assert waits[int(0.99 * len(waits))] <= 2 * TARGET.seconds


STEPS = ("wave-page", "create-account", *["join-wave"] * 14)


class Journeys:
    """Registrants who ask for one thing after another, whoever is turned away goes; a server of 8 000 answers a second.

    It answers in the order of asking; to turn somebody away costs it a third of an answer.
    """

    STEP = 0.001  # s
    CAPACITY = 8_000
    WHOLE = CAPACITY / len(STEPS)  # registrants/s

    def __init__(self) -> None:
        self.clock = Clock()
        self.admission = Admission(4_000, target=DelayTarget(), now=self.clock)
        self._queue: deque[tuple[float, int]] = deque()
        self._due = self._credit = 0.0
        self.finished = 0
        self.waits: list[float] = []

    def run(self, seconds: float, rate: float) -> None:
        self.finished, self.waits = 0, []
        for _ in range(round(seconds / self.STEP)):
            self.clock.time += self.STEP
            self._due += rate * self.STEP
            while self._due >= 1:
                self._due -= 1
                self._ask(0)
            self._credit = min(self._credit, 1.0) + self.CAPACITY * self.STEP
            while self._queue and self._credit >= 1:
                self._credit -= 1
                self._answer()
            self.admission.observe("loop", 0.0)

    def _ask(self, step: int) -> None:
        try:
            self.admission.enter(STEPS[step])
            self._queue.append((self.clock.time, step))
        except RefusalError:
            self._credit -= 1 / 3

    def _answer(self) -> None:
        asked, step = self._queue.popleft()
        self.admission.leave()
        wait = self.clock.time - asked
        self.admission.observe("store", wait)
        self.waits.append(wait)
        if step + 1 < len(STEPS):
            self._ask(step + 1)
        else:
            self.finished += 1

    def p99(self) -> float:
        return sorted(self.waits)[int(0.99 * len(self.waits))]


@pytest.mark.parametrize("times", [1.2, 3.0, 4.0])
def test_under_overload_whoever_was_let_in_comes_through_and_the_server_does_all_it_can(times: float) -> None:
    journeys = Journeys()
    journeys.run(5, 0.9 * Journeys.WHOLE)
    assert journeys.admission.shed == 0
    journeys.run(6, times * Journeys.WHOLE)  # the queue stands, the gate narrows, and those who are in get through
    journeys.run(15, times * Journeys.WHOLE)
    shedding = (times - 1) * Journeys.WHOLE / 3  # answers a second that turning away costs
    assert journeys.finished >= 15 * 0.95 * (Journeys.CAPACITY - shedding) / len(STEPS)
    assert journeys.p99() <= 0.1
    assert {reason for reason, shed in journeys.admission.shed_by.items() if shed} == {"newcomer"}
    journeys.run(2, 0.5 * Journeys.WHOLE)
    shed = journeys.admission.shed
    journeys.run(5, 0.9 * Journeys.WHOLE)
    assert journeys.admission.shed == shed


@in_loop
async def test_a_loop_that_is_late_is_noticed() -> None:
    admission = Admission(1000)
    seen: list[float] = []

    def note(source: str, delay: float) -> None:
        assert source == "loop"
        seen.append(delay)

    admission.observe = note  # type: ignore[method-assign]
    watch = LoopWatch(admission)
    time.sleep(0.2)  # the loop is held up: what is measured here
    async with asyncio.timeout(5):
        while not seen:
            await asyncio.sleep(0.001)
    watch.stop()
    assert 0.1 <= seen[0] <= 5


@pytest.mark.parametrize("step", ["/api/v1/waves/current", "/api/v1/accounts", "/api/v1/profile"])
@in_loop
async def test_who_is_turned_away_at_once_is_told_and_counted_as_one_who_is_let_to_the_door(
    laboratory: Laboratory, step: str
) -> None:
    async with laboratory(max_in_flight=1) as lab:
        app, admission = App(lab.registrar), lab.registrar.admission
        request = Request()
        request.method, request.path = (
            {"/api/v1/waves/current": "GET", "/api/v1/accounts": "POST"}.get(step, "PUT"),
            step,
        )
        request.complete()
        assert app.turned_away(request) is None
        admission.enter("join-wave")
        at_once = app.turned_away(request)
        at_the_door = await app.answer(request)
        assert at_once is not None
        assert at_the_door is not None
        assert (at_once.status, at_once.body, at_once.content_type) == (503, at_the_door.body, at_the_door.content_type)
        assert [[name for name, _ in reply.headers] for reply in (at_once, at_the_door)] == [[b"retry-after"]] * 2
        assert admission.shed_by["in-flight"] == 2
        assert [(status, sum(seen.counts)) for (_, status), seen in lab.registrar.metrics._answers.items()] == [
            (503, 2)
        ]
        admission.leave()


@in_loop
async def test_a_request_whose_client_has_gone_is_not_worked_on(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        gone = await lab.client.call("GET", "/api/v1/waves/current", goes_away=True)
        there = await lab.client.call("GET", "/api/v1/waves/current")
        assert lab.registrar.admission.in_flight == 0
    assert (gone.status, there.status) == (0, 200)


@in_loop
async def test_writes_and_the_loop_are_measured_in_a_running_registrar(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        seen: list[str] = []
        lab.registrar.admission.observe = lambda source, _delay: seen.append(source)
        body = {"full_name": "Siti", "email": "siti@example.com", "password": "rahasia-negara"}
        assert (await lab.send("POST", "/api/v1/accounts", body, key="k")).status == 201
        async with asyncio.timeout(5):
            while "loop" not in seen:
                await asyncio.sleep(0.01)
    assert set(seen) == {"loop", "store"}


@pytest.mark.parametrize("flag", ["--max-delay", "--civil-timeout", "--waiting-room"])
def test_a_flag_of_protection_that_cannot_be_meant_is_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse([flag, "-1"])
    message = capsys.readouterr().err
    assert f"argument {flag}: -1 does not lie between 0 and" in message


def test_what_is_held_of_bodies_is_a_setting_that_leaves_room_for_a_photo(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--max-body-bytes", str(LARGEST_PHOTO)]).max_body_bytes == LARGEST_PHOTO
    with pytest.raises(SystemExit, match="2"):
        parse(["--max-body-bytes", str(LARGEST_PHOTO - 1)])
    assert "argument --max-body-bytes: 4194303 does not lie between 4194304 and" in capsys.readouterr().err


def test_the_defaults_of_the_protections() -> None:
    settings = parse([])
    assert (settings.max_in_flight, settings.max_delay, settings.civil_timeout) == (4_000, 0.2, 5.0)
    assert (settings.waiting_room, settings.max_body_bytes) == (0, 256 * MIB)
