"""Any sequence of requests, with repeats, gives the answers of a model and leaves the rows of the model."""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest
from asgi import Answer, Lab
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from people import Person
from stores import laboratory_on

from prakerja_load.registrar import pending
from prakerja_load.registrar.store.lookups import Lookups

QUOTA = 2
CHECKS = 1_000_000  # a day, while the civil registry answers
PASSWORD = "rahasia-negara"
WHO = st.integers(0, 3)
PEOPLE = [Person(index) for index in range(4)]
STRANGER = Person(4)  # whom the civil registry does not know
LIMITS = settings(deadline=None, max_examples=15, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow])
Sent = tuple[str, str, Any, str, str]  # method, address, body, key, token


class Journeys(RuleBasedStateMachine):
    """Four people, their accounts, NIKs, phone numbers and joins; whoever is imported is complete.

    The civil registry goes away and comes back; what it is given meanwhile waits.
    """

    new_database: Callable[[], str]

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        laboratory = laboratory_on(type(self).new_database())
        self.lab: Lab = self.wait(self.stack.enter_async_context(laboratory(wave_quota=QUOTA)))
        self.wait(self.lab.lines("civil", [person.identity for person in PEOPLE]))
        self.tokens: dict[int, str] = {}
        self.imported: set[int] = set()
        self.niks: dict[int, int] = {}  # whose NIK → whose account, be it checked or waiting for it
        self.waiting: set[int] = set()  # accounts
        self.refused: set[int] = set()  # accounts whose identity was refused after it had waited
        self.is_away = False
        self.phones: dict[int, int] = {}
        self.confirmed: set[int] = set()  # accounts with a phone
        self.proven: set[int] = set()  # those of them that gave a code
        self.joins: Counter[int] = Counter()
        self.joined: set[tuple[int, int]] = set()
        self.quota = {1: QUOTA}
        self.closes_at: dict[int, float] = {}
        self.kept: list[tuple[Sent, Answer]] = []
        self.keys = 0

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def write(self, method: str, address: str, body: Any, token: str = "") -> str:
        """Send under a new key and return the status of a success or the problem."""
        self.keys += 1
        sent = (method, f"/api/v1/{address}", body, f"key{self.keys}", token)
        answer = self.send(sent)
        return self.noted(sent, answer)

    def noted(self, sent: Sent, answer: Answer) -> str:
        if answer.status < 300 or answer.status == 409:
            self.kept.append((sent, answer))
        return answer.problem or str(answer.status)

    def send(self, sent: Sent) -> Answer:
        answer: Answer = self.wait(self.sending(sent))
        return answer

    def sending(self, sent: Sent) -> Coroutine[Any, Any, Answer]:
        method, address, body, key, token = sent
        return self.lab.send(method, address, body, key=key, token=token)

    def write_twice_at_once(self, method: str, address: str, body: Any, token: str = "") -> str:
        """Send the same under one new key twice, the second while the first waits for its commit."""
        self.keys += 1
        sent = (method, f"/api/v1/{address}", body, f"key{self.keys}", token)
        first, second = self.wait(self.both(sent))
        assert (second.status, second.problem) == (409, "idempotency-key-in-flight")
        return self.noted(sent, first)

    async def both(self, sent: Sent) -> list[Answer]:
        return await asyncio.gather(self.sending(sent), self.sending(sent))

    @rule(who=WHO, is_sent_twice=st.booleans())
    def create(self, who: int, is_sent_twice: bool) -> None:
        write = self.write_twice_at_once if is_sent_twice else self.write
        said = write("POST", "accounts", PEOPLE[who].account)
        assert said == ("email-in-use" if who in self.tokens else "201")
        if said == "201":
            email = PEOPLE[who].email
            code = self.wait(self.lab.lab("GET", f"outbox?to={email}")).json()["code"]
            assert self.write("POST", "email-confirmations", {"email": email, "code": code}) == "200"
            self.log_in(who)

    @rule(who=WHO)
    def bring_in(self, who: int) -> None:
        answer = self.wait(self.lab.lines("import", [PEOPLE[who].import_line], import_password=PASSWORD))
        is_new = who not in self.tokens and who not in self.niks and who not in self.phones
        assert answer.status == (200 if is_new else 409)
        if is_new:
            self.log_in(who)
            self.imported.add(who)
            self.niks[who] = self.phones[who] = who
            self.confirmed.add(who)

    def log_in(self, who: int) -> None:
        answer = self.wait(
            self.lab.send("POST", "/api/v1/sessions", {"email": PEOPLE[who].email, "password": PASSWORD})
        )
        assert answer.status == 201
        self.tokens[who] = answer.json()["token"]

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), whose=st.integers(0, STRANGER.index))
    def identify(self, data: st.DataObject, whose: int) -> None:
        who = data.draw(st.sampled_from(sorted(self.tokens)))
        said = self.write("POST", "identity", Person(whose).identity, self.tokens[who])
        holder = self.niks.get(whose)
        if who in self.niks.values() and who not in self.waiting:
            assert said == "identity-already-checked"
        elif holder not in (None, who):
            assert said == ("civil-registry-away" if holder in self.waiting else "nik-in-use")
        elif whose == STRANGER.index and not self.is_away:
            assert said == "nik-unknown"
        else:
            assert said == ("202" if self.is_away else "201")
            self.niks = {number: owner for number, owner in self.niks.items() if owner != who}  # one that waited
            self.niks[whose] = who
            if self.is_away:
                self.waiting.add(who)

    @precondition(lambda self: not self.is_away)
    @rule()
    def lose_registry(self) -> None:
        self.lab.registrar.civil_registry._daily_quota = 0
        self.is_away = True

    @precondition(lambda self: self.is_away)
    @rule()
    def bring_registry_back(self) -> None:
        self.lab.registrar.civil_registry._daily_quota = CHECKS
        self.is_away = False
        self.wait(self.until_none_waits())
        self.waiting.clear()
        mistaken = self.niks.pop(STRANGER.index, None)
        if mistaken is not None:
            self.refused.add(mistaken)

    async def until_none_waits(self) -> None:
        await self.lab.registrar.pending.count()
        self.lab.registrar.pending.hurry()
        async with asyncio.timeout(10):
            while await self.lab.registrar.store.read(Lookups.pending_identities):
                await asyncio.sleep(0.001)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.tokens)))
        status = self.wait(self.lab.send("GET", "/api/v1/status", token=self.tokens[who])).json()
        if who in self.niks.values():
            assert status["identity"] == ("pending" if who in self.waiting else "checked")
        else:
            assert status["identity"] == ("refused" if who in self.refused else "none")
        assert status["nik_checked"] == (status["identity"] == "checked")
        assert status["identity_problem"] == ("nik-unknown" if status["identity"] == "refused" else None)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), whose=WHO)
    def ask_for_code(self, data: st.DataObject, whose: int) -> None:
        who = data.draw(st.sampled_from(sorted(self.tokens)))
        said = self.write("POST", "phone-codes", {"phone": PEOPLE[whose].phone}, self.tokens[who])
        holder = self.phones.get(whose)
        if who in self.proven:
            assert said == "phone-already-confirmed"
        elif holder not in (None, who) and holder in self.confirmed:
            assert said == "phone-in-use"
        else:
            assert said == "202"
            self.phones = {number: owner for number, owner in self.phones.items() if owner != who}
            self.phones[whose] = who

    @precondition(lambda self: self.phones)
    @rule(data=st.data())
    def confirm_phone(self, data: st.DataObject) -> None:
        whose, who = data.draw(st.sampled_from(sorted(self.phones.items())))
        number = PEOPLE[whose].phone
        found = self.wait(self.lab.lab("GET", f"outbox?to={number}"))
        if found.status == 404:  # imported with it: nothing was ever sent
            return
        said = self.write(
            "POST", "phone-confirmations", {"phone": number, "code": found.json()["code"]}, self.tokens[who]
        )
        assert said == ("phone-already-confirmed" if who in self.proven else "200")
        self.confirmed.add(who)
        self.proven.add(who)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), is_sent_twice=st.booleans())
    def join(self, data: st.DataObject, is_sent_twice: bool) -> None:
        who = data.draw(st.sampled_from(sorted(self.tokens)))
        wave = data.draw(st.sampled_from(sorted(self.quota)))
        write = self.write_twice_at_once if is_sent_twice else self.write
        said = write("POST", f"waves/{wave}/joins", {"declaration": True}, self.tokens[who])
        if wave != max(self.quota) or self.closes_at.get(wave, self.lab.time + 1) <= self.lab.time:
            assert said == "wave-closed"
        elif (wave, who) in self.joined:
            assert said == "already-joined"
        elif who not in self.imported:
            assert said == "incomplete"
        elif self.joins[wave] == self.quota[wave]:
            assert said == "quota-full"
        else:
            assert said == "201"
            self.joins[wave] += 1
            self.joined.add((wave, who))

    @rule(quota=st.integers(0, 2), seconds=st.none() | st.integers(1, 20))
    def open_wave(self, quota: int, seconds: int | None) -> None:
        wave: dict[str, Any] = {"name": "Gelombang", "quota": quota}
        number = max(self.quota) + 1
        if seconds is not None:
            self.closes_at[number] = self.lab.time + seconds
            closes_at = datetime.datetime.fromtimestamp(self.closes_at[number], datetime.UTC)
            wave["closes_at"] = closes_at.isoformat()
        answer = self.wait(self.lab.lab("POST", "waves", wave))
        assert answer.json() == {"wave": number}
        self.quota[number] = quota

    @rule(seconds=st.integers(1, 20))
    def pass_time(self, seconds: int) -> None:
        self.lab.time += seconds

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        sent, first = data.draw(st.sampled_from(self.kept))
        again = self.send(sent)
        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["idempotency-replayed"] == "true"

    @precondition(lambda self: any(sent[1].endswith("/accounts") for sent, _ in self.kept))
    @rule(data=st.data())
    def repeat_with_another_body(self, data: st.DataObject) -> None:
        made = [sent for sent, _ in self.kept if sent[1].endswith("/accounts")]
        method, address, body, key, token = data.draw(st.sampled_from(made))
        answer = self.send((method, address, {**body, "full_name": "Another Name"}, key, token))
        assert answer.problem == "idempotency-key-reused"

    def teardown(self) -> None:
        if not hasattr(self, "lab"):
            return
        try:
            *rows, end = self.wait(self.lab.export())
            kinds = Counter(row["kind"] for row in rows)
            brought_in = len(self.imported)
            assert end["accounts"] == len(self.tokens)
            assert end["imported"] == brought_in
            assert kinds["create-account"] == len(self.tokens) - brought_in
            assert kinds["identity"] == len(self.niks) - brought_in
            assert end["joined"] == {str(wave): self.joins[wave] for wave in self.quota}
            assert kinds["join-wave"] == len(self.joined)
        finally:
            self.wait(self.stack.aclose())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()


def test_the_store_behaves_as_the_model(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_SHORTEST_REST", 0.001)
    machine = type("Machine", (Journeys,), {"new_database": staticmethod(new_database)})
    run_state_machine_as_test(machine, settings=LIMITS)
