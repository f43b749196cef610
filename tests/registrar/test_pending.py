"""The task that checks what waits: it rests while the registry is away, wakes when it is back, and never gives up."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asgi import Answer, Lab, Laboratory, in_loop, until
from people import Person, Visit

from prakerja_load.registrar import pending
from prakerja_load.registrar.breaker import Breaker, BreakerRules, BreakerState
from prakerja_load.registrar.civil_registry import CitizenRecords, CivilRegistry
from prakerja_load.registrar.messages import IdentityPending
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.routes import Router
from prakerja_load.registrar.table import ROUTES


@pytest.fixture(autouse=True)
def _rests_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_SHORTEST_REST", 0.01)


async def rows(lab: Lab, query: str) -> list[Any]:
    return lab.registrar.store.lookups.all(query)


async def kept(lab: Lab, start: int, stop: int) -> list[Answer]:
    """Have identities kept of people whom the registry knows."""
    await lab.lines("civil", [Person(index).identity for index in range(start, stop)])
    visits = [await Visit(lab, Person(index)).up_to_login() for index in range(start, stop)]
    answers = await asyncio.gather(
        *(lab.send("POST", "/api/v1/identity", v.person.identity, key="k", token=v.token) for v in visits)
    )
    assert {answer.status for answer in answers} == {202}
    return answers


@in_loop
async def test_a_registry_that_is_away_is_asked_once_and_not_for_every_newcomer(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        registry, checks = lab.registrar.civil_registry, lab.registrar.pending
        await kept(lab, 0, 10)
        await until(lambda: checks._is_away)
        asked = registry.refused
        await kept(lab, 10, 15)
        assert registry.refused == asked + 5  # by those who came, not by the task
        checks.hurry()
        await until(lambda: registry.refused > asked + 5)
        await until(lambda: checks._is_away)
        assert registry.refused == asked + 6
        registry._daily_quota = 100
        checks.hurry()
        await until(lambda: not checks.known)
        assert registry.checks == 15
        assert await rows(lab, "SELECT * FROM pending_identities") == []


@in_loop
async def test_somebody_whose_check_succeeds_wakes_the_task(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        await kept(lab, 0, 3)
        lab.registrar.civil_registry._daily_quota = 100
        newcomer = await Visit(lab, Person(9)).up_to_login()
        assert (await newcomer.identify()).status == 201
        await until(lambda: not lab.registrar.pending.known)


@in_loop
async def test_the_breaker_is_left_alone_while_it_is_open_and_one_check_closes_it(laboratory: Laboratory) -> None:
    async with laboratory(civil_timeout=0.02, civil_latency=60.0) as lab:
        registry = lab.registrar.civil_registry
        registry.breaker = Breaker(BreakerRules(failures=3, rest=0.4))
        await kept(lab, 0, 6)
        await until(lambda: registry.breaker.state is BreakerState.OPEN and lab.registrar.pending._is_away)
        refused, openings = registry.refused, registry.breaker.openings
        registry._latency = 0  # it is well again
        await until(lambda: registry.breaker.state is not BreakerState.OPEN)
        assert (registry.refused, registry.breaker.openings) == (refused, openings)
        await until(lambda: not lab.registrar.pending.known)
        assert registry.breaker.state is BreakerState.CLOSED


@in_loop
async def test_batches_are_no_larger_than_what_the_registry_takes_at_once(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with laboratory(civil_daily_quota=0, civil_capacity=4) as lab:
        registry = lab.registrar.civil_registry
        await kept(lab, 0, 20)
        await until(lambda: lab.registrar.pending._is_away)
        sizes: list[int] = []
        ask = lab.registrar.pending._ask

        async def asking(claims: list[Any]) -> Any:
            sizes.append(len(claims))
            return await ask(claims)

        monkeypatch.setattr(lab.registrar.pending, "_ask", asking)
        registry._daily_quota = 100
        lab.registrar.pending.hurry()
        await until(lambda: not lab.registrar.pending.known)
    assert sizes == [1, 4, 4, 4, 4, 3]


@in_loop
async def test_a_store_that_is_busy_delays_the_checks(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        checks = lab.registrar.pending
        await kept(lab, 0, 3)
        await until(lambda: checks._is_away)
        told: list[str] = []
        claim = checks._claim

        async def claiming() -> Any:
            try:
                return await claim()
            except RefusalError as refusal:
                told.append(refusal.code)
                raise

        monkeypatch.setattr(checks, "_claim", claiming)
        header = {"import_password": "rahasia-bersama"}
        assert (await lab.lines("import", [Person(50).import_line], **header, import_more="true")).status == 200
        lab.registrar.civil_registry._daily_quota = 100
        checks.hurry()
        await until(lambda: told)
        assert (await lab.lines("import", [Person(51).import_line], **header)).status == 200
        assert (told, checks.known) == (["store-busy"], 3)
        checks.hurry()
        await until(lambda: not checks.known)


@in_loop
async def test_an_error_is_reported_and_not_the_end(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        checks, registry = lab.registrar.pending, lab.registrar.civil_registry
        await kept(lab, 0, 3)
        await until(lambda: checks._is_away)
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        with monkeypatch.context() as broken:
            broken.setattr(registry, "problem_with", lambda *_: 1 / 0)
            checks.hurry()
            await until(lambda: told)
        registry._daily_quota = 100
        lab.time += 3_600  # the claims of those that failed are over
        checks.hurry()
        await until(lambda: not checks.known)
    assert {type(context["exception"]) for context in told} == {ZeroDivisionError}
    assert len(told) <= 3  # each is asked about once while its claim lasts


@pytest.mark.parametrize("broken_one", [0, 3], ids=["the oldest", "one of a batch"])
@in_loop
async def test_an_error_about_one_identity_costs_the_others_nothing(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, broken_one: int
) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        checks, registry = lab.registrar.pending, lab.registrar.civil_registry
        await kept(lab, 0, 6)
        await until(lambda: checks._is_away)
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        registry._daily_quota = 100
        with monkeypatch.context() as broken:
            judge, nik = registry._judge, int(Person(broken_one).nik)
            broken.setattr(registry, "_judge", lambda given, *rest: 1 / (given != nik) and judge(given, *rest))
            await until(lambda: [checks.hurry(), checks.known][1] == 1)
            (left,) = await rows(lab, "SELECT nik FROM pending_identities JOIN identities USING (account)")
            assert left == (nik,)
            assert [type(context["exception"]) for context in told] == [ZeroDivisionError]
        lab.time += 3_600  # its claim is over
        checks.hurry()
        await until(lambda: not checks.known)


@in_loop
async def test_an_error_about_one_identity_does_not_pass_for_a_registry_that_is_away(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with laboratory(civil_daily_quota=0, civil_capacity=4) as lab:
        checks, registry = lab.registrar.pending, lab.registrar.civil_registry
        await kept(lab, 0, 8)
        await until(lambda: checks._is_away)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        judge, nik = registry._judge, int(Person(3).nik)
        monkeypatch.setattr(registry, "_judge", lambda given, *rest: 1 / (given != nik) and judge(given, *rest))
        sizes: list[int] = []
        ask = checks._ask

        async def asking(claims: list[Any]) -> Any:
            sizes.append(len(claims))
            return await ask(claims)

        monkeypatch.setattr(checks, "_ask", asking)
        registry._daily_quota = 100
        checks.hurry()
        await until(lambda: checks.known == 1)
        assert not checks._is_away
    assert sizes == [1, 4, 3]


class VirtualTime(asyncio.SelectorEventLoop):
    """A loop that waits for no time to pass: its clock goes forward by as much as it would have waited."""

    def __init__(self) -> None:
        self._passed = 0.0
        super().__init__()
        select = self._selector.select  # type: ignore[attr-defined]

        def skip(timeout: float | None) -> Any:
            self._passed += timeout or 0.0
            return select(0)

        self._selector.select = skip  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._passed


class OthersClaims:
    """A store in which some identities wait, all of them claimed by another registrar."""

    def __init__(self) -> None:
        self.looks = 0

    async def read(self, *_: Any) -> int:
        return 3

    def submit(self, _: Callable[..., Any]) -> asyncio.Future[Any]:
        self.looks += 1
        none: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        none.set_result([])
        return none


def test_what_others_have_claimed_is_looked_at_once_a_second_however_many_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_SHORTEST_REST", 1.0)
    store = OthersClaims()

    async def a_minute() -> None:
        registry = CivilRegistry(CitizenRecords(Path(":memory:")))
        checks = pending.PendingChecks(store, registry, lambda: 0.0, limit=10)  # type: ignore[arg-type]
        checks.start()
        for _ in range(6_000):
            await asyncio.sleep(0.01)
            checks.hurry()
        await checks.stop()
        registry.records.close()

    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        runner.run(a_minute())
    assert 58 <= store.looks <= 61


@in_loop
async def test_an_identity_that_cannot_be_kept_leaves_no_cycle_to_the_garbage_collector(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0, civil_pending=0) as lab:

        async def refuse() -> None:
            try:
                raise RefusalError("civil-registry-away", "the daily quota is spent", retry_after=60)
            except RefusalError as away:
                await lab.registrar.pending.keep(kept_never, away, account=1)

        async def kept_never() -> Any:
            raise AssertionError("kept")

        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                with pytest.raises(RefusalError, match="civil-registry-away") as raised:
                    await refuse()
                assert (raised.value.detail, raised.value.retry_after) == ("the daily quota is spent", 60)
                del raised
            assert gc.collect() < 50
        finally:
            gc.enable()


@in_loop
async def test_the_funnel_counts_an_identity_once_it_is_checked(laboratory: Laboratory) -> None:
    async def shown() -> str:
        page = (await lab.lab("GET", "")).body.decode()
        found = re.search(r"<th>Identity checked<progress[^>]*></progress></th><td>([^<]*)</td>", page)
        assert found is not None
        return found[1]

    async with laboratory(civil_daily_quota=0) as lab:
        registry, checks = lab.registrar.civil_registry, lab.registrar.pending
        await kept(lab, 0, 3)
        mistyped = await Visit(lab, Person(9)).up_to_login()
        for _ in range(2):
            answer = await lab.send("POST", "/api/v1/identity", Person(10).identity, key="k", token=mistyped.token)
            assert answer.status == 202
        waiting = await shown()
        registry._daily_quota = 100
        checks.hurry()
        await until(lambda: not checks.known)
        checked = await shown()
        assert (await (await Visit(lab, Person(5)).up_to_login()).identify()).status == 201
        assert [waiting, checked, await shown()] == ["0", "3", "4"]


@in_loop
async def test_what_is_being_asked_about_is_given_back_at_the_end(laboratory: Laboratory) -> None:
    async with laboratory(civil_daily_quota=0) as lab:
        registry = lab.registrar.civil_registry
        await kept(lab, 0, 3)
        await until(lambda: lab.registrar.pending._is_away)
        registry._daily_quota, registry._latency = 100, 60
        lab.registrar.pending.hurry()
        await until(lambda: registry.checks)
        assert len(await rows(lab, "SELECT * FROM pending_identities WHERE claimed_until > 0")) == 1
        await lab.registrar.pending.stop()
        assert len(await rows(lab, "SELECT * FROM pending_identities WHERE claimed_until = 0")) == 3
    async with laboratory() as lab:
        async with asyncio.timeout(10):
            while await rows(lab, "SELECT * FROM pending_identities"):
                await asyncio.sleep(0.002)


@in_loop
async def test_the_answer_is_the_one_that_the_description_promises(laboratory: Laboratory) -> None:
    route, _ = Router(ROUTES).find("POST", "/api/v1/identity")
    async with laboratory(civil_daily_quota=0) as lab:
        (answer,) = await kept(lab, 1, 2)
        described = (await lab.send("GET", "/openapi.json")).json()["paths"]["/api/v1/identity"]["post"]["responses"]
    assert (sorted(route.success), route.success_status) == ([201, 202], 201)
    assert described["202"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/IdentityPending"}}
    }
    assert msgspec.json.decode(answer.body, type=IdentityPending, strict=True) == IdentityPending(1, False, True)
