"""An identity that the civil registry cannot be asked about waits: kept once, checked later, shown all the while."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable

import pytest
from asgi import Answer, Lab, Laboratory, in_loop, until
from crowd import CLIENTS, at_once, confirmed, lines, outcomes
from load import exported
from people import Person, Visit
from server_process import StartServer
from wire import Wire

from prakerja_load.registrar import pending
from prakerja_load.registrar.store import identity_queue
from prakerja_load.registrar.store.lookups import Lookups

PLENTY = 1_000_000  # checks a day


@pytest.fixture(autouse=True)
def _rests_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_SHORTEST_REST", 0.01)


async def until_none_waits(lab: Lab) -> None:
    async with asyncio.timeout(10):
        while await lab.registrar.store.read(Lookups.pending_identities):
            await asyncio.sleep(0.005)


async def bring_back(lab: Lab) -> None:
    """Let the civil registry answer again and wait until nothing waits for it."""
    lab.registrar.civil_registry._daily_quota = PLENTY
    await lab.registrar.pending.count()
    lab.registrar.pending.hurry()
    await until_none_waits(lab)


async def status_of(visit: Visit) -> tuple[str, str | None, bool]:
    status = (await visit.lab.send("GET", "/api/v1/status", token=visit.token)).json()
    return status["identity"], status["identity_problem"], status["nik_checked"]


async def give(visit: Visit, whose: Person, key: str) -> Answer:
    """Send somebody's identity without telling the civil registry of them."""
    answer: Answer = await visit.lab.send("POST", "/api/v1/identity", whose.identity, key=key, token=visit.token)
    return answer


async def identities(lab: Lab) -> list[tuple[str, str]]:
    return [(row["key"], row["nik"]) for row in await lab.export() if row["kind"] == "identity"]


@in_loop
async def test_an_identity_waits_until_the_registry_is_back_and_counts_from_then_on(laboratory: Laboratory) -> None:
    person = Person(1)
    async with laboratory(civil_daily_quota=0) as lab:
        visit = await Visit(lab, person).up_to_login()
        nothing = await status_of(visit)
        kept = await visit.identify()
        waiting = await status_of(visit)
        (exported_row,) = [row for row in await lab.export() if row["kind"] == "identity"]
        for move in (visit.fill_in, visit.ask_for_code, visit.confirm_phone, visit.submit_test):
            assert (await move()).status < 300
        for kind in ("ktp", "selfie"):
            assert (await visit.photograph(kind)).status == 201
        early = await lab.send("POST", "/api/v1/waves/1/joins", {"declaration": True}, key="early", token=visit.token)
        await bring_back(lab)
        checked = await status_of(visit)
        rows = [row for row in await lab.export() if row["kind"] == "identity"]
        joined = await visit.join()
    assert (kept.status, kept.json()) == (202, {"account": 1, "nik_checked": False, "pending": True})
    assert [nothing, waiting, checked] == [("none", None, False), ("pending", None, False), ("checked", None, True)]
    stored = {"kind": "identity", "key": person.key("identity"), "owner": person.email, **person.identity}
    assert exported_row == {**stored, "pending": True}
    assert rows == [stored]
    assert (early.problem, joined.status) == ("incomplete", 201)


@in_loop
async def test_a_refused_identity_says_why_and_leaves_its_number_and_its_account_free(laboratory: Laboratory) -> None:
    stranger = Person(8)
    async with laboratory(civil_daily_quota=0) as lab:
        first, second = [await Visit(lab, Person(index)).up_to_login() for index in (1, 2)]
        assert (await give(first, stranger, "mistyped")).status == 202
        await bring_back(lab)
        refused = await status_of(first)
        assert await identities(lab) == []
        await lab.lines("civil", [stranger.identity])
        other = await give(second, stranger, "mine")
        again = await first.identify()
        now = await status_of(first)
        rows = await identities(lab)
    assert refused == ("refused", "nik-unknown", False)
    assert (other.status, again.status, now) == (201, 201, ("checked", None, True))
    assert sorted(rows) == sorted([("mine", stranger.nik), (Person(1).key("identity"), Person(1).nik)])


@in_loop
async def test_who_was_refused_may_wait_again(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        await give(visit, Person(8), "mistyped")
        await bring_back(lab)
        lab.registrar.civil_registry._daily_quota = 0
        again = await visit.identify()
        waiting = await status_of(visit)
        await bring_back(lab)
        checked = await status_of(visit)
    assert again.status == 202
    assert [waiting, checked] == [("pending", None, False), ("checked", None, True)]


@in_loop
async def test_a_key_gives_its_first_answer_again_whatever_has_become_of_the_identity(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        known, stranger = [await Visit(lab, Person(index)).up_to_login() for index in (1, 2)]
        await lab.lines("civil", [Person(1).identity])
        first = [await give(known, Person(1), "k"), await give(stranger, Person(2), "k")]
        waiting = [await give(known, Person(1), "k"), await give(stranger, Person(2), "k")]
        await bring_back(lab)
        states = [(await status_of(visit))[0] for visit in (known, stranger)]
        settled = [await give(known, Person(1), "k"), await give(stranger, Person(2), "k")]
        other_body = await give(known, Person(3), "k")
    assert states == ["checked", "refused"]
    assert [answer.status for answer in first] == [202, 202]
    for answers in (waiting, settled):
        assert [answer.body for answer in answers] == [answer.body for answer in first]
        assert {answer.headers.get("idempotency-replayed") for answer in answers} == {"true"}
    assert other_body.problem == "idempotency-key-reused"


@in_loop
async def test_a_waiting_identity_takes_its_number_its_account_and_its_place_on_the_card(
    laboratory: Laboratory,
) -> None:
    async with laboratory(civil_daily_quota=0, max_persons_per_kk=1) as lab:
        first, second, third = [await Visit(lab, Person(index)).up_to_login() for index in (1, 2, 3)]
        kept = await give(first, Person(1), "k")
        own = await give(first, Person(5), "k2")
        taken = await give(second, Person(1), "k")
        family = {**Person(3).identity, "kk": Person(1).kk}
        full = await lab.send("POST", "/api/v1/identity", family, key="k", token=third.token)
        line = {**Person(9).import_line, "nik": Person(1).nik}
        imported = await lab.lines("import", [line], import_password="rahasia-bersama")
    assert kept.status == 202
    assert [answer.problem for answer in (own, taken, full, imported)] == [
        "identity-already-checked",
        "nik-in-use",
        "family-card-full",
        "import-conflict",
    ]


@in_loop
async def test_only_so_many_wait_and_the_gauge_says_how_many(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0, civil_pending=2) as lab:
        visits = [await Visit(lab, Person(index)).up_to_login() for index in range(3)]
        answers = [await visit.identify() for visit in visits]
        repeated = await visits[0].identify()
        metrics = (await lab.send("GET", "/metrics")).body.decode()
        page = (await lab.lab("GET", "")).body.decode()
        await bring_back(lab)
        later = await visits[2].identify()
        assert 'registrar_civil_waiting{for="registry"} 0.0\n' in (await lab.send("GET", "/metrics")).body.decode()
    assert [answer.status for answer in answers] == [202, 202, 503]
    assert (answers[2].problem, answers[2].headers["retry-after"]) == ("civil-registry-away", "60")
    assert (repeated.status, repeated.body) == (202, answers[0].body)
    assert 'registrar_civil_waiting{for="registry"} 2.0\n' in metrics
    assert "<th>Identities that wait until it is back</th><td>2</td>" in page
    assert later.status == 201


@in_loop
async def test_what_waits_outlives_a_restart_and_keeps_the_position_it_was_written_at(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        visit = await Visit(lab, Person(1)).up_to_login()
        before = (await lab.lab("GET", "position")).json()["position"]
        await visit.identify()
        after = (await lab.lab("GET", "position")).json()["position"]
    async with laboratory(civil_daily_quota=0) as lab:
        await lab.lines("civil", [Person(1).identity])
        visit.lab = lab
        waiting = await status_of(visit)
        await bring_back(lab)
        checked = await status_of(visit)
        exports = [[row["kind"] for row in await lab.export(mark)] for mark in (before, after)]
    assert [waiting, checked] == [("pending", None, False), ("checked", None, True)]
    assert exports == [["identity", "end"], ["end"]]


@in_loop
async def test_a_claim_is_one_registrars_until_it_ends(laboratory: Laboratory) -> None:
    """Oldest first, no more than asked for, nobody else's; what a claim that has ended brings is of no account."""
    async with laboratory(civil_daily_quota=0) as lab:
        await lab.registrar.pending.stop()
        for index in (3, 1, 2):
            lab.time += 1
            assert (await give(await Visit(lab, Person(index)).up_to_login(), Person(index), "k")).status == 202

        async def claim(now: float, until: float) -> list[int]:
            claims = await lab.registrar.store.submit(
                lambda transaction: identity_queue.claim(transaction, limit=2, now=now, until=until)
            )
            taken.update({claimed.account: claimed for claimed in claims})
            return [claimed.nik for claimed in claims]

        async def settle(account: int, problem: str | None) -> int:
            answered = [identity_queue.Answered(taken[account], problem)]
            return await lab.registrar.store.submit(
                lambda transaction: identity_queue.settle(transaction, answered=answered, unasked=())
            )

        taken: dict[int, identity_queue.Claim] = {}
        assert await claim(100.0, 200.0) == [int(Person(3).nik), int(Person(1).nik)]
        assert await claim(100.0, 200.0) == [int(Person(2).nik)]
        assert await claim(199.0, 300.0) == []
        late = taken[1]
        assert await claim(200.0, 300.0) == [int(Person(3).nik), int(Person(1).nik)]
        mine, taken[1] = taken[1], late
        assert await settle(1, "nik-unknown") == 0
        taken[1] = mine
        assert [await settle(1, None), await settle(1, "nik-unknown"), await settle(2, "nik-unknown")] == [1, 0, 1]
        assert await lab.registrar.store.read(Lookups.pending_identities) == 1
        assert sorted(nik for _, nik in await identities(lab)) == sorted([Person(3).nik, Person(2).nik])


async def give_at(url: str, people: list[Person], sessions: list[str], *, key: str = "k") -> list[Answer]:
    """Let everybody send their own identity at once."""

    def act(number: int, wire: Wire) -> Awaitable[Answer]:
        headers = {"idempotency_key": key, "authorization": f"Bearer {sessions[number]}"}
        return wire.send("POST", "/api/v1/identity", people[number].identity, **headers)

    return await at_once(url, act, len(people))


async def accounts(url: str, people: list[Person]) -> list[str]:
    """Make accounts and return a token for each."""

    def create(number: int, wire: Wire) -> Awaitable[Answer]:
        return wire.send("POST", "/api/v1/accounts", people[number].account, idempotency_key=f"a{number}")

    assert outcomes(await at_once(url, create, len(people))) == {"201": len(people)}
    return await confirmed(url, people)


async def states(url: str, sessions: list[str]) -> list[str]:
    def act(number: int, wire: Wire) -> Awaitable[Answer]:
        return wire.send("GET", "/api/v1/status", authorization=f"Bearer {sessions[number]}")

    return [answer.json()["identity"] for answer in await at_once(url, act, len(sessions))]


def test_acknowledged_identities_outlive_a_killed_registrar(start_server: StartServer) -> None:
    people = [Person(index) for index in range(20)]
    server = start_server("--civil-daily-quota", "0")

    async def before() -> list[str]:
        sessions = await accounts(server.url, people)
        await lines(server.url, "civil", [person.identity for person in people])
        assert outcomes(await give_at(server.url, people, sessions)) == {"202": len(people)}
        return sessions

    sessions = asyncio.run(before())
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    survivor = start_server("--civil-daily-quota", "0")

    @in_loop
    async def after() -> None:
        assert await states(survivor.url, sessions) == ["pending"] * len(people)
        repeated = await give_at(survivor.url, people, sessions)
        assert {(answer.status, answer.headers.get("idempotency-replayed")) for answer in repeated} == {(202, "true")}
        rows = [row["nik"] for row in await exported(survivor.url) if row["kind"] == "identity"]
        assert sorted(rows) == sorted(person.nik for person in people)

    after()


@pytest.mark.postgresql
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@in_loop
async def test_two_registrars_ask_about_each_identity_once(laboratory: Laboratory) -> None:
    people = [Person(index) for index in range(150)]
    async with laboratory(civil_daily_quota=0) as one, laboratory(civil_daily_quota=0) as two:
        both = (one, two)
        for lab in both:
            await lab.lines("civil", [person.identity for person in people])
        visits = [await Visit(both[person.index % 2], person).up_to_login() for person in people]
        assert {(await give(visit, visit.person, "k")).status for visit in visits} == {202}
        for lab in both:
            await until(lambda lab=lab: lab.registrar.pending._is_away)
            lab.registrar.civil_registry._daily_quota = PLENTY
        for lab in both:
            lab.registrar.pending.hurry()

        await until_none_waits(one)
        checks = [lab.registrar.civil_registry.checks for lab in both]
        assert {(await status_of(visit))[0] for visit in visits} == {"checked"}
    assert sum(checks) == len(people)
    assert min(checks) > 0


@pytest.mark.postgresql
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_one_nik_is_one_person_checked_at_one_registrar_or_kept_at_another(start_server: StartServer) -> None:
    people = [Person(index) for index in range(CLIENTS)]
    urls = [start_server("--civil-latency", "0").url, start_server("--civil-daily-quota", "0").url]

    @in_loop
    async def scenario() -> None:
        sessions = await accounts(urls[0], people)
        for wanted in (Person(9_001), Person(9_002), Person(9_003)):
            await lines(urls[0], "civil", [wanted.identity])
            await lines(urls[1], "civil", [wanted.identity])
            wires = [await Wire.open(urls[number % 2]) for number in range(CLIENTS)]
            answers = await asyncio.gather(
                *(
                    wire.send(
                        "POST",
                        "/api/v1/identity",
                        wanted.identity,
                        idempotency_key=f"k{wanted.index}",
                        authorization=f"Bearer {token}",
                    )
                    for wire, token in zip(wires, sessions, strict=True)
                )
            )
            for wire in wires:
                await wire.close()
            said = outcomes(answers)
            assert said["201"] + said["202"] == 1
            assert said["nik-in-use"] + said["identity-already-checked"] == CLIENTS - 1
        rows = [row["nik"] for row in await exported(urls[0]) if row["kind"] == "identity"]
        assert sorted(rows) == sorted(Person(index).nik for index in (9_001, 9_002, 9_003))

    scenario()
