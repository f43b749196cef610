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


async def join(visit: Visit, key: str) -> Answer:
    answer: Answer = await visit.lab.send(
        "POST", "/api/v1/waves/1/joins", {"declaration": True}, key=key, token=visit.token
    )
    return answer


def told_to_come_back(answers: list[Answer]) -> bool:
    said = {(answer.status, answer.problem, answer.headers.get("retry-after")) for answer in answers}
    return said == {(503, "civil-registry-away", "5")}


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
        early = await join(visit, "k")
        await bring_back(lab)
        checked = await status_of(visit)
        rows = [row for row in await lab.export() if row["kind"] == "identity"]
        joined = await join(visit, "k")
    assert (kept.status, kept.json()) == (202, {"account": 1, "nik_checked": False, "pending": True})
    assert [nothing, waiting, checked] == [("none", None, False), ("pending", None, False), ("checked", None, True)]
    stored = {"kind": "identity", "key": person.key("identity"), "owner": person.email, **person.identity}
    assert exported_row == {**stored, "pending": True}
    assert rows == [stored]
    assert told_to_come_back([early])
    assert joined.status == 201


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
async def test_a_waiting_identity_takes_its_number_and_its_place_on_the_card_and_says_that_this_may_pass(
    laboratory: Laboratory,
) -> None:
    async with laboratory(civil_daily_quota=0, max_persons_per_kk=1) as lab:
        first, second, third = [await Visit(lab, Person(index)).up_to_login() for index in (1, 2, 3)]
        relative = {**Person(3).identity, "kk": Person(1).kk}
        await lab.lines("civil", [Person(1).identity, relative])

        async def others() -> list[Answer]:
            full = await lab.send("POST", "/api/v1/identity", relative, key="k", token=third.token)
            return [await give(second, Person(1), "k"), full]

        assert (await give(first, Person(1), "k")).status == 202
        await until(lambda: lab.registrar.pending._is_away)  # and holds no claim, which it could not give back now
        waiting = await others()
        line = {**Person(9).import_line, "nik": Person(1).nik}
        imported = await lab.lines("import", [line], import_password="rahasia-bersama")
        await bring_back(lab)
        checked = await others()
        repeated = await others()
        rows = await identities(lab)
    assert told_to_come_back(waiting)
    assert imported.problem == "import-conflict"
    assert [answer.problem for answer in checked] == ["nik-in-use", "family-card-full"]
    assert [answer.body for answer in repeated] == [answer.body for answer in checked]
    assert rows == [("k", Person(1).nik)]


@in_loop
async def test_who_is_in_the_way_only_while_they_wait_is_so_no_longer_when_they_are_refused(
    laboratory: Laboratory,
) -> None:
    async with laboratory(civil_daily_quota=0, max_persons_per_kk=1) as lab:
        first, second, third = [await Visit(lab, Person(index)).up_to_login() for index in (1, 2, 3)]
        relative = {**Person(3).identity, "kk": Person(2).kk}
        mistaken = {**Person(2).identity, "birth_date": "1970-01-01"}
        assert (await lab.send("POST", "/api/v1/identity", mistaken, key="k", token=first.token)).status == 202
        waiting = [
            await give(second, Person(2), "k"),
            await lab.send("POST", "/api/v1/identity", relative, key="k", token=third.token),
        ]
        await lab.lines("civil", [Person(2).identity])
        await bring_back(lab)
        again = await give(second, Person(2), "k")
    assert told_to_come_back(waiting)
    assert again.status == 201


@in_loop
async def test_what_waits_is_corrected_by_its_own_account(laboratory: Laboratory) -> None:
    """The later one takes its place, in the store, in the queue and in the export; what it had taken is free again."""
    stranger = Person(8)
    async with laboratory(civil_daily_quota=0, max_persons_per_kk=1) as lab:
        first, second = [await Visit(lab, Person(index)).up_to_login() for index in (1, 2)]
        await lab.lines("civil", [Person(1).identity, stranger.identity])
        mistyped = await give(first, stranger, "mistyped")
        after = (await lab.lab("GET", "position")).json()["position"]
        corrected = await give(first, Person(1), "right")
        waiting = await status_of(first)
        rows = [(row["key"], row["nik"], row.get("pending")) for row in (await lab.export(after))[:-1]]
        once_more = await give(first, Person(1), "same-again")
        other = await give(second, stranger, "mine")
        queued = await lab.registrar.store.read(Lookups.pending_identities)
        await bring_back(lab)
        states = [await status_of(visit) for visit in (first, second)]
        settled = await identities(lab)
        late = await give(first, Person(5), "too-late")
        repeated = [await give(first, stranger, "mistyped"), await give(first, Person(1), "right")]
        assert await identities(lab) == settled
    assert [answer.status for answer in (mistyped, corrected, once_more, other)] == [202] * 4
    assert waiting == ("pending", None, False)
    assert rows == [("right", Person(1).nik, True)]
    assert (queued, states) == (2, [("checked", None, True)] * 2)
    assert sorted(settled) == sorted([("same-again", Person(1).nik), ("mine", stranger.nik)])
    assert late.problem == "identity-already-checked"
    assert [(answer.status, answer.headers.get("idempotency-replayed")) for answer in repeated] == [(202, "true")] * 2


@in_loop
async def test_a_correction_is_checked_at_once_when_the_registry_is_back(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        await lab.registrar.pending.stop()
        visit = await Visit(lab, Person(1)).up_to_login()
        assert (await give(visit, Person(8), "mistyped")).status == 202
        asked = lab.registrar.civil_registry.refused
        assert (await give(visit, Person(8), "mistyped")).status == 202
        assert lab.registrar.civil_registry.refused == asked  # nobody asks again for the sake of a kept answer
        lab.registrar.civil_registry._daily_quota = PLENTY
        wrong = await give(visit, Person(7), "wrong-too")
        waiting = await identities(lab)
        right = await visit.identify()
        state = await status_of(visit)
        rows = await identities(lab)
        queued = await lab.registrar.store.read(Lookups.pending_identities)
    assert wrong.problem == "nik-unknown"
    assert waiting == [("mistyped", Person(8).nik)]
    assert (right.status, state, queued) == (201, ("checked", None, True), 0)
    assert rows == [(Person(1).key("identity"), Person(1).nik)]


@in_loop
async def test_a_correction_to_what_is_somebody_elses_leaves_what_waits(laboratory: Laboratory) -> None:
    async with laboratory() as lab:
        owner = await Visit(lab, Person(2)).up_to_login()
        assert (await owner.identify()).status == 201
        lab.registrar.civil_registry._daily_quota = 0
        visits = [await Visit(lab, Person(index)).up_to_login() for index in (1, 3)]
        for visit in visits:
            assert (await give(visit, visit.person, "k")).status == 202
        taken = await give(visits[0], Person(2), "k2")
        waiting = await give(visits[0], Person(3), "k3")
        rows = await identities(lab)
    assert taken.problem == "nik-in-use"
    assert told_to_come_back([waiting])
    assert sorted(rows) == sorted(
        [(Person(2).key("identity"), Person(2).nik), ("k", Person(1).nik), ("k", Person(3).nik)]
    )


@in_loop
async def test_corrections_meet_the_registrys_answers(laboratory: Laboratory) -> None:
    """Whichever comes first, the right identity is stored and checked: no answer about the wrong one touches it."""
    people = [Person(index) for index in range(12)]
    async with laboratory(civil_daily_quota=0, civil_latency=0.002) as lab:
        visits = [await Visit(lab, person).up_to_login() for person in people]
        await lab.lines("civil", [person.identity for person in people])
        for visit in visits:
            assert (await give(visit, Person(100 + visit.person.index), "mistyped")).status == 202
        await until(lambda: lab.registrar.pending._is_away)
        lab.registrar.civil_registry._daily_quota = PLENTY
        lab.registrar.pending.hurry()
        corrections = [asyncio.create_task(give(visit, visit.person, "right")) for visit in visits[:6]]
        await until(lambda: lab.registrar.civil_registry.checks > len(people) // 2)
        corrections += [asyncio.create_task(give(visit, visit.person, "right")) for visit in visits[6:]]
        answers = await asyncio.gather(*corrections)
        await until_none_waits(lab)
        assert {(await status_of(visit)) for visit in visits} == {("checked", None, True)}
        rows = await identities(lab)
    assert {answer.status for answer in answers} == {201}
    assert sorted(rows) == sorted(("right", person.nik) for person in people)


@in_loop
async def test_only_so_many_wait_and_the_gauge_says_how_many(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0, civil_pending=2) as lab:
        visits = [await Visit(lab, Person(index)).up_to_login() for index in range(3)]
        answers = [await visit.identify() for visit in visits]
        repeated = await visits[0].identify()
        corrected = await give(visits[0], Person(7), "corrected")
        await lab.registrar.pending.count()
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
    assert (corrected.status, later.status) == (202, 201)


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

        async def settle(account: int, problem: str | None) -> tuple[int, int]:
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
        assert await settle(1, "nik-unknown") == (0, 0)
        taken[1] = mine
        settled = [await settle(1, None), await settle(1, "nik-unknown"), await settle(2, "nik-unknown")]
        assert settled == [(1, 0), (0, 0), (0, 1)]
        assert await lab.registrar.store.read(Lookups.pending_identities) == 1
        assert sorted(nik for _, nik in await identities(lab)) == sorted([Person(3).nik, Person(2).nik])


@in_loop
async def test_the_answer_about_what_was_corrected_meanwhile_is_of_no_account(laboratory: Laboratory) -> None:
    """Not even when the claims of the old one and of the new one end at the same moment."""
    async with laboratory(civil_daily_quota=0) as lab:
        submit = lab.registrar.store.submit
        await lab.registrar.pending.stop()
        visit = await Visit(lab, Person(1)).up_to_login()

        async def claim() -> identity_queue.Claim:
            (claimed,) = await submit(
                lambda transaction: identity_queue.claim(transaction, limit=2, now=100.0, until=200.0)
            )
            return claimed

        async def settle(claimed: identity_queue.Claim, problem: str | None) -> tuple[int, int]:
            answered = [identity_queue.Answered(claimed, problem)]
            return await submit(lambda transaction: identity_queue.settle(transaction, answered=answered, unasked=()))

        await give(visit, Person(8), "mistyped")
        old = await claim()
        await give(visit, Person(1), "right")
        new = await claim()
        assert [(old.nik, old.key), (new.nik, new.key)] == [
            (int(Person(8).nik), "mistyped"),
            (int(Person(1).nik), "right"),
        ]
        assert [await settle(old, "nik-unknown"), await settle(old, None)] == [(0, 0), (0, 0)]
        assert await status_of(visit) == ("pending", None, False)
        assert await identities(lab) == [("right", Person(1).nik)]
        assert await settle(new, None) == (1, 0)
        assert await status_of(visit) == ("checked", None, True)


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
            wires = [await Wire.open(urls[number % 2]) for number in range(len(sessions))]
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
            assert said["nik-in-use"] + said["civil-registry-away"] == len(sessions) - 1
            sessions = [token for token, answer in zip(sessions, answers, strict=True) if answer.status >= 300]
        rows = [row["nik"] for row in await exported(urls[0]) if row["kind"] == "identity"]
        assert sorted(rows) == sorted(Person(index).nik for index in (9_001, 9_002, 9_003))

    scenario()
