"""What the admission sees of a store that fails: slow failures shed, quick ones prove nothing."""

from __future__ import annotations

import asyncio

import pytest
from asgi import Laboratory, in_loop

from prakerja_load.registrar.idempotency import Write
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.store.lookups import Lookups

SLOWLY = 0.02  # seconds a write or a question takes before it fails
REFUSED_BY_STORE = RefusalError("store-unavailable", retry_after=5)


def fails_slowly(store: object) -> None:
    """Let every write and every question fail after a while, as on a database that has gone."""

    async def fail(*_arguments: object) -> None:
        await asyncio.sleep(SLOWLY)
        raise REFUSED_BY_STORE

    store.submit = lambda *_arguments: asyncio.ensure_future(fail())  # type: ignore[attr-defined]
    store.read = fail  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["write", "read"])
@in_loop
async def test_a_store_that_fails_slowly_makes_the_admission_shed(laboratory: Laboratory, kind: str) -> None:
    async with laboratory(max_delay=SLOWLY / 2) as lab:
        registrar, store = lab.registrar, vars(lab.registrar.store)
        assert registrar._loop_watch is not None
        registrar._loop_watch.stop()  # a crowded machine may make the loop late; that is not what sheds here
        fails_slowly(registrar.store)
        write = Write(1, 0, "key", b"digest", 201)

        async def ask() -> None:
            registrar.admission.enter("join-wave")
            try:
                if kind == "write":
                    await registrar.write("join-wave", write, lambda *_: None)
                else:
                    await registrar.read(Lookups.wave_page, 0.0)
            finally:
                registrar.admission.leave()

        async with asyncio.timeout(10):
            while not registrar.admission.shed_by["delay"]:
                told = await asyncio.gather(*(ask() for _ in range(40)), return_exceptions=True)
                assert {str(error) for error in told} <= {str(REFUSED_BY_STORE), "overloaded"}
        assert registrar.admission.delay >= SLOWLY
        del store["submit"], store["read"]  # the store is well again, to be closed


@in_loop
async def test_a_wait_that_the_client_ends_counts_as_the_delay_it_was(laboratory: Laboratory) -> None:
    async with laboratory(max_delay=0.01) as lab:
        seen: list[tuple[str, float]] = []
        lab.registrar.admission.observe = lambda source, delay: seen.append((source, delay))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await lab.registrar._watched("store", asyncio.Event().wait())
    assert [delay >= 0.03 for source, delay in seen if source == "store"] == [True]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (RefusalError("store-busy", retry_after=1), []),  # it did not wait, so it does not tell that nobody has to
        (RuntimeError("broken"), []),
        (RefusalError("wrong-code"), ["store"]),  # an answer, which had its turn
    ],
)
@in_loop
async def test_a_failure_at_once_does_not_say_that_the_store_is_quick(
    laboratory: Laboratory, fault: Exception, seen: list[str]
) -> None:
    async with laboratory() as lab:
        noted: list[str] = []
        lab.registrar.admission.observe = lambda source, _delay: noted.append(source)
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(fault)
        with pytest.raises(type(fault)):
            await lab.registrar._watched("store", failed)
    assert [source for source in noted if source != "loop"] == seen
