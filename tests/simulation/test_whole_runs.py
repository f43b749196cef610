"""Whole runs in virtual time, each from its seed: even seeds are clean, odd ones have one fault.

A failure names its seed; `make sim SEED=n` plays it again and tells its story.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from simulate import play
from simulated_faults import ANSWERS, GENERATOR, TAMPERING, TIMES, Fault
from simulated_run import World
from simulated_truth import broken

from prakerja_load.judgement.record import verdict_json
from prakerja_load.judgement.verdict import Verdict

SEEDS, MANY = 200, 2_000
GROUPS = 8


def sweep(seeds: Iterable[int]) -> tuple[Counter[tuple[str, Verdict]], list[str]]:
    """Return how often each fault had which verdict, and every broken invariant with the command that replays it."""
    verdicts: Counter[tuple[str, Verdict]] = Counter()
    wrong: list[str] = []
    for seed in seeds:
        world, ramp, found = play(seed)
        verdicts[world.fault.name, ramp.verdict] += 1
        wrong += [f"make sim SEED={seed}  ({world.fault}): {words}" for words in found]
    return verdicts, wrong


def _group(number: int) -> range:
    return range(number, SEEDS, GROUPS)


@pytest.mark.parametrize("number", range(GROUPS))
def test_no_invariant_is_broken(number: int) -> None:
    verdicts, wrong = sweep(_group(number))

    assert not wrong, "\n".join(wrong)
    if number % 2 == 0:  # clean runs: never accused, and proven but for one in ten at most
        assert set(verdicts) <= {("clean", Verdict.SUSTAINED), ("clean", Verdict.INCONCLUSIVE)}
        assert verdicts["clean", Verdict.SUSTAINED] >= 0.9 * verdicts.total()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_invariant_is_broken_by_two_thousand_seeds() -> None:
    verdicts, wrong = sweep(range(MANY))

    assert not wrong, "\n".join(wrong)
    assert {name for name, _ in verdicts} == {"clean", "shed", "mute", *TAMPERING, *ANSWERS, *TIMES, *GENERATOR}
    assert verdicts["clean", Verdict.NOT_SUSTAINED] == 0
    assert verdicts["clean", Verdict.SUSTAINED] > 0.95 * MANY / 2


def _one_of_each() -> Iterator[Fault]:
    for name in (*ANSWERS, "shed", "mute"):
        yield Fault(name, share=0.8 if name in ("shed", "refuse") else 0.4, is_heavy=True)
    yield Fault("slow", seconds=4.2, is_heavy=True)
    for name in ("lose-write", "duplicate-write", "corrupt-write"):
        yield Fault(name, share=0.05, is_heavy=True)
    yield Fault("oversell", is_heavy=True)
    for name in GENERATOR:
        yield Fault(name, seconds=2.5, at=5.0)


@pytest.mark.parametrize("fault", tuple(_one_of_each()), ids=lambda fault: fault.name)
def test_every_fault_gets_its_verdict(fault: Fault, tmp_path: Path) -> None:
    world = World(4, fault)
    judged = world.run(tmp_path / "run")

    assert broken(world, judged) == []
    expected = Verdict.INCONCLUSIVE if fault.name in GENERATOR else Verdict.NOT_SUSTAINED
    assert judged.verdict is expected


@pytest.mark.parametrize("seed", [6, 7, 9])
def test_the_same_seed_is_the_same_run_to_the_last_byte(seed: int, tmp_path: Path) -> None:
    runs = [(World(seed), tmp_path / name) for name in ("once", "again")]
    said = [verdict_json(world.run(folder)) for world, folder in runs]

    assert said[0] == said[1]
    segments = [sorted(folder.rglob("*.seg")) for _, folder in runs]
    assert len(segments[0]) >= 4
    assert [path.read_bytes() for path in segments[0]] == [path.read_bytes() for path in segments[1]]


def test_an_invariant_that_is_broken_is_seen(tmp_path: Path) -> None:
    """The oracle itself is put to the test: a judgement of another run's store breaks it."""
    world, other = World(4), World(4, Fault("lose-write", share=0.05, is_heavy=True))
    judged = world.run(tmp_path / "run")
    other.run(tmp_path / "other")
    world.model.rules.rows[:] = other.model.rules.rows

    assert any("acknowledged and is stored 0 times" in words for words in broken(world, judged))
