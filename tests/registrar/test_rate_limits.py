"""Rate limits: never more than the bucket gives, an honest Retry-After, bounded memory, nobody told apart."""

from __future__ import annotations

import pytest
from asgi import Answer, Lab, Laboratory, in_loop
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from people import Person, Visit

from prakerja_load.registrar import rules
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.rate_limits import (
    PER_ACCOUNT,
    PER_ADDRESS,
    PER_EMAIL,
    Limit,
    RateLimits,
    TokenBuckets,
    network_of,
)
from prakerja_load.registrar.settings import parse

NOON = 1_586_934_000.0
LIMITS = st.builds(Limit, st.integers(1, 30), st.floats(0.01, 100))
PAUSES = st.lists(st.floats(0, 30) | st.just(0.0), min_size=1, max_size=120)


def moments(pauses: list[float]) -> list[float]:
    now = NOON
    return [now := now + pause for pause in pauses]


@settings(deadline=None, max_examples=200)
@given(limit=LIMITS, pauses=PAUSES)
def test_a_bucket_is_the_textbook_bucket(limit: Limit, pauses: list[float]) -> None:
    buckets = TokenBuckets(limit)
    tokens, before = float(limit.burst), NOON
    for now in moments(pauses):
        tokens = min(limit.burst, tokens + (now - before) * limit.per_second)
        before = now
        assume(abs(tokens - 1) > 2e-4 * max(1, limit.per_second))  # too near to call in floats of Unix time
        wait = buckets.take("a", now)
        assert (wait == 0) == (tokens >= 1)
        if wait:
            assert wait == pytest.approx((1 - tokens) / limit.per_second, abs=2e-4)
        else:
            tokens -= 1


@settings(deadline=None, max_examples=200)
@given(limit=LIMITS, pauses=PAUSES)
def test_no_window_holds_more_than_burst_and_rate(limit: Limit, pauses: list[float]) -> None:
    buckets = TokenBuckets(limit)
    admitted = [now for now in moments(pauses) if buckets.take("a", now) == 0]
    for first, start in enumerate(admitted):
        for count, end in enumerate(admitted[first:], 1):
            assert count <= limit.burst + (end - start + 1e-3) * limit.per_second + 1e-6


@settings(deadline=None, max_examples=100)
@given(limit=LIMITS)
def test_who_waits_as_told_is_admitted_and_who_comes_earlier_is_not(limit: Limit) -> None:
    buckets = TokenBuckets(limit)
    assert [buckets.take("a", NOON) for _ in range(limit.burst)] == [0.0] * limit.burst
    wait = buckets.take("a", NOON)
    assert wait == pytest.approx(1 / limit.per_second, abs=1e-4)
    assert buckets.take("a", NOON + wait * 0.5) > 0  # asking costs nothing
    assert buckets.take("a", NOON + wait + 1e-5) == 0


def test_a_bucket_is_nobody_elses() -> None:
    buckets = TokenBuckets(Limit(1, 1))
    assert [buckets.take(key, NOON) for key in "abcab"] == [0, 0, 0, 1, 1]


def test_a_clock_that_is_set_back_locks_nobody_out_for_longer_than_an_empty_bucket() -> None:
    buckets = TokenBuckets(Limit(5, 1))
    for _ in range(5):
        buckets.take("a", NOON)
    assert buckets.take("a", NOON - 86_400) == pytest.approx(1)


def test_memory_is_bounded_and_the_busy_are_remembered() -> None:
    buckets = TokenBuckets(Limit(2, 0.001), most=100)
    refused = 0
    for number in range(10_000):
        buckets.take(number, NOON + number)
        refused += buckets.take("busy", NOON + number) > 0
    assert len(buckets) == 100
    assert refused == 10_000 - 2 - 9  # its burst, and a token each 1 000 s


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_a_subscriber_is_an_ipv4_address_or_a_64_bit_network(address: str, network: str) -> None:
    assert network_of(address) == network


def admitted(limits: RateLimits, scope: str, step: str, who: object) -> int:
    """Return how many requests come through at once before one is refused."""
    check = {"address": limits.check_address, "account": limits.check_account, "email": limits.check_email}[scope]
    for count in range(10_000):
        try:
            check(step, who, NOON)
        except RefusalError as refusal:
            return count if refusal.code == "rate-limited" and (refusal.retry_after or 0) > 0 else -1
    return 10_000


@pytest.mark.parametrize(
    ("scope", "step", "who", "burst"),
    [
        ("address", "wave-page", "192.0.2.7", PER_ADDRESS[""].burst),
        ("address", "create-account", "192.0.2.7", PER_ADDRESS["create-account"].burst),
        ("account", "read-status", 7, PER_ACCOUNT[""].burst),
        ("account", "identity", 7, PER_ACCOUNT["identity"].burst),
        ("account", "phone-code", 7, PER_ACCOUNT["phone-code"].burst),
        ("email", "log-in", "siti@example.com", PER_EMAIL["log-in"].burst),
        ("email", "confirm-email", "siti@example.com", PER_EMAIL["confirm-email"].burst),
        ("email", "read-status", "siti@example.com", 10_000),
    ],
)
def test_each_step_has_its_limits_and_none_when_they_are_off(scope: str, step: str, who: object, burst: int) -> None:
    limits = RateLimits(is_on=True)
    assert admitted(limits, scope, step, who) == burst
    assert limits.refused == (burst < 10_000)
    assert admitted(RateLimits(is_on=False), scope, step, who) == 10_000


def test_limits_are_on_unless_switched_off() -> None:
    assert parse([]).limits_rates
    assert parse(["--rate-limits", "on"]).limits_rates
    assert not parse(["--rate-limits", "off"]).limits_rates
    with pytest.raises(SystemExit):
        parse(["--rate-limits", "some"])


@pytest.mark.parametrize(
    ("chosen", "is_on"),
    [
        ({"is_lab": False, "lab_token": ""}, True),
        ({"is_lab": False, "lab_token": "", "limits_rates": False}, False),
        ({}, False),
        ({"limits_rates": True}, False),
    ],
)
def test_health_discloses_them(laboratory: Laboratory, chosen: dict[str, object], is_on: bool) -> None:
    @in_loop
    async def scenario() -> None:
        async with laboratory(**chosen) as lab:
            assert (await lab.send("GET", "/healthz")).json()["rate_limits"] is is_on

    scenario()


LIVE = {"is_lab": False, "lab_token": ""}
STRANGER = "nobody@example.com"


async def log_in(lab: Lab, email: str) -> Answer:
    return await lab.send("POST", "/api/v1/sessions", {"email": email, "password": "not-the-right-one"})


async def confirm(lab: Lab, email: str, key: str) -> Answer:
    return await lab.send("POST", "/api/v1/email-confirmations", {"email": email, "code": "000000"}, key=key)


@in_loop
async def test_guessing_a_password_is_slowed_alike_for_members_and_strangers(laboratory: Laboratory) -> None:
    async with laboratory(**LIVE) as live:
        await Visit(live, Person(1)).create()
        answers = {}
        for email in (Person(1).email, STRANGER):
            answers[email] = [await log_in(live, email) for _ in range(PER_EMAIL["log-in"].burst + 1)]
        assert answers[Person(1).email] == answers[STRANGER]
        assert [answer.status for answer in answers[STRANGER]] == [401] * PER_EMAIL["log-in"].burst + [429]
        refused = answers[STRANGER][-1]
        assert (refused.problem, refused.headers["retry-after"]) == ("rate-limited", "30")
        live.time += 30
        assert (await log_in(live, STRANGER)).status == 401
        assert (await log_in(live, "somebody.else@example.com")).status == 401


@in_loop
async def test_guessing_a_code_in_haste_looks_the_same_for_members_and_strangers(laboratory: Laboratory) -> None:
    async with laboratory(**LIVE) as live:
        await Visit(live, Person(1)).create()
        members = [await confirm(live, Person(1).email, f"m{number}") for number in range(20)]
        strangers = [await confirm(live, STRANGER, f"s{number}") for number in range(20)]
    assert members == strangers
    burst = PER_EMAIL["confirm-email"].burst
    assert [answer.problem for answer in strangers] == ["wrong-code"] * burst + ["rate-limited"] * (20 - burst)
    assert burst <= rules.WRONG_CODES_ALLOWED


def test_narrow_limits_lie_inside_the_wide_ones() -> None:
    for table in (PER_ADDRESS, PER_ACCOUNT):
        narrow = [limit for step, limit in table.items() if step]
        assert all(limit.burst <= table[""].burst and limit.per_second <= table[""].per_second for limit in narrow)


@in_loop
async def test_one_address_and_one_account_are_slowed_down(laboratory: Laboratory) -> None:
    async with laboratory(**LIVE) as live:
        tokens = [live.registrar.signer.issue(account, live.time) for account in (1, 2)]
        burst = PER_ACCOUNT[""].burst
        answers = [await live.send("GET", "/api/v1/test", token=tokens[0]) for _ in range(burst + 1)]
        assert [answer.status for answer in answers] == [200] * burst + [429]
        assert (await live.send("GET", "/api/v1/test", token=tokens[1])).status == 200
        pages = [await live.send("GET", "/api/v1/waves/current") for _ in range(PER_ADDRESS[""].burst)]
        assert pages[-1].problem == "rate-limited"
        live.time += 1
        assert (await live.send("GET", "/api/v1/waves/current")).status == 200
