"""Whole runs in virtual time, each from its seed: even seeds are clean, odd ones have one fault or two.

A failure names its seed; `make sim SEED=n` plays it again and tells its story.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import pytest
from simulate import play, story
from simulated_faults import FAILING, GENERATOR, SYSTEM, TAMPERING, Fault, Faults, allowed, draw
from simulated_run import World
from simulated_truth import broken

from prakerja_load.judgement.record import verdict_json
from prakerja_load.judgement.verdict import Verdict

SEEDS, MANY = 200, 2_000
GROUPS = 8
GREEN, UNSURE, RED = Verdict.SUSTAINED, Verdict.INCONCLUSIVE, Verdict.NOT_SUSTAINED


class Sweep:
    """What came of many seeds: verdicts by the names of the faults, and every broken invariant with its replay."""

    def __init__(self, seeds: Iterable[int]) -> None:
        self.verdicts: Counter[tuple[tuple[str, ...], Verdict]] = Counter()
        self.wrong: list[str] = []
        self.curves = self.repeats = 0
        for seed in seeds:
            world, ramp, found = play(seed)
            self.verdicts[tuple(fault.name for fault in world.faults), ramp.verdict] += 1
            self.curves += world.is_curve
            self.repeats += world.model.repeats
            self.wrong += [f"make sim SEED={seed}  ({story(world)}): {words}" for words in found]

    def clean(self, verdict: Verdict) -> int:
        """Return how many clean runs had this verdict."""
        return self.verdicts[(), verdict]


@pytest.mark.parametrize("number", range(GROUPS))
def test_no_invariant_is_broken(number: int) -> None:
    seen = Sweep(range(number, SEEDS, GROUPS))

    assert not seen.wrong, "\n".join(seen.wrong)
    if number % 2 == 0:  # clean runs: never accused, and proven but for one in ten at most
        assert {names for names, _ in seen.verdicts} == {()}
        assert seen.clean(RED) == 0
        assert seen.clean(GREEN) >= 0.9 * seen.verdicts.total()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_invariant_is_broken_by_two_thousand_seeds() -> None:
    seen = Sweep(range(MANY))

    assert not seen.wrong, "\n".join(seen.wrong)
    assert {name for names, _ in seen.verdicts for name in names} == {*TAMPERING, *SYSTEM, *GENERATOR}
    assert sum(count for (names, _), count in seen.verdicts.items() if len(names) == 2) > MANY / 8
    assert seen.curves > MANY / 8
    assert seen.repeats > MANY  # of writes under the same key
    assert seen.clean(RED) == 0
    assert seen.clean(GREEN) > 0.95 * MANY / 2


HEAVY = {
    **{name: Fault(name, share=0.8 if name in ("shed", "refuse") else 0.4, is_heavy=True) for name in FAILING},
    "silence": Fault("silence", share=0.4, is_heavy=True),
    "mute": Fault("mute", is_heavy=True),
    "slow": Fault("slow", seconds=4.2, is_heavy=True),
}
HARM = {
    **{name: Fault(name, share=0.05, is_heavy=True) for name in ("lose-write", "duplicate-write", "corrupt-write")},
    "oversell": Fault("oversell", is_heavy=True),
    "restart-amnesia": Fault("restart-amnesia", seconds=0.1, at=6.0, is_heavy=True),
}
OWN = {name: Fault(name, seconds=0.5 if name == "slow-link" else 2.5, at=5.0) for name in GENERATOR}
SHORT_RESTART = Fault("restart", seconds=0.05, at=6.0)


def _one_of_each() -> Iterator[tuple[Faults, set[Verdict]]]:
    for fault in (*HEAVY.values(), *HARM.values()):
        yield (fault,), {RED}
    yield (Fault("stall", seconds=4.0, at=5.0, is_heavy=True),), {RED, UNSURE}  # one event, perhaps too few for a bound
    yield (Fault("restart", seconds=4.0, at=5.0, is_heavy=True),), {RED, UNSURE}
    for name, fault in OWN.items():
        yield (fault,), {GREEN} if name in ("slow-link", "lose-last-word") else {UNSURE}
    yield (SHORT_RESTART,), {GREEN, UNSURE}


def _combinations() -> Iterator[tuple[Faults, set[Verdict]]]:
    """Accusing beside the system's faults, flattering beside them, and a harmed store beside anything."""
    busy, forgetful = OWN["busy-generator"], OWN["lose-last-count"]
    for name in ("slow", "mute"):  # a starved generator would look like this
        yield (busy, HEAVY[name]), {UNSURE}
        yield (forgetful, HEAVY[name]), {RED}
    for name in ("error", "garble", "reset", "shed"):  # but not like this
        yield (busy, HEAVY[name]), {RED}
        yield (forgetful, HEAVY[name]), {RED}
    yield (busy, SHORT_RESTART), {UNSURE}
    for harm in HARM.values():
        yield (harm, busy), {RED}
        yield (harm, OWN["kill-worker"]), {RED}
    yield (HARM["lose-write"], HEAVY["error-after-store"]), {RED}
    yield (HARM["duplicate-write"], HEAVY["slow"]), {RED}


def _named(cases: Iterable[tuple[Faults, set[Verdict]]]) -> list[object]:
    return [pytest.param(*case, id="+".join(fault.name for fault in case[0])) for case in cases]


@pytest.mark.parametrize(("faults", "right"), _named([*_one_of_each(), *_combinations()]))
def test_every_fault_gets_its_verdict_alone_and_beside_another(
    faults: Faults, right: set[Verdict], tmp_path: Path
) -> None:
    world = World(4, faults, is_curve=False)
    judged = world.run(tmp_path / "run")

    assert broken(world, judged) == []
    assert judged.verdict in right, judged.ramps[0].reasons


CURVE_CASES: tuple[tuple[Faults, set[Verdict]], ...] = (
    ((), {GREEN}),
    ((HEAVY["slow"],), {RED}),
    ((Fault("restart", seconds=0.05, at=30.0),), {GREEN}),
    ((Fault("restart-amnesia", seconds=0.1, at=30.0, is_heavy=True),), {RED}),
    ((Fault("kill-worker", at=30.0),), {UNSURE}),
)


@pytest.mark.parametrize(("faults", "right"), _named(CURVE_CASES))
def test_a_curve_is_judged_window_by_window_and_by_its_drain(
    faults: Faults, right: set[Verdict], tmp_path: Path
) -> None:
    world = World(4, faults, is_curve=True)
    judged = world.run(tmp_path / "run")

    assert broken(world, judged) == []
    (ramp,) = judged.ramps
    assert ramp.verdict in right, ramp.reasons
    assert {"drain time after the last arrival"} < {objective.name for objective in ramp.objectives}
    assert any(objective.name.endswith("every 60 s window") for objective in ramp.objectives)


def test_what_a_restart_took_along_is_lost_and_what_was_in_doubt_is_not(tmp_path: Path) -> None:
    forgetful = World(4, (HARM["restart-amnesia"],), is_curve=False)
    durable = World(4, (Fault("restart", seconds=0.1, at=6.0),), is_curve=False)
    (lost,), (kept,) = (world.run(tmp_path / name).ramps for name, world in (("a", forgetful), ("b", durable)))

    assert lost.integrity.lost > 0
    assert kept.integrity.lost == 0
    assert kept.integrity.in_doubt == kept.integrity.landed + kept.integrity.not_landed > 0
    assert durable.model.repeats > 0  # some of them were asked for again under the same key, and had once


def test_what_a_dead_worker_was_to_start_is_started_by_the_other(tmp_path: Path) -> None:
    world = World(5, (Fault("kill-worker", at=25.0),), is_curve=True)  # two workers, and the loss of one is tolerated
    judged = world.run(tmp_path / "run")

    assert (len(world.workers), world.task.tolerate_worker_loss) == (2, True)
    assert broken(world, judged) == []
    assert judged.verdict is UNSURE
    assert world.conductor.record()["taken_over"] > 0


@pytest.mark.parametrize("seed", [6, 7, 9])
def test_the_same_seed_is_the_same_run_to_the_last_byte(seed: int, tmp_path: Path) -> None:
    runs = [(World(seed), tmp_path / name) for name in ("once", "again")]
    said = [verdict_json(world.run(folder)) for world, folder in runs]

    assert said[0] == said[1]
    segments = [sorted(folder.rglob("*.seg")) for _, folder in runs]
    assert len(segments[0]) >= 4
    assert [path.read_bytes() for path in segments[0]] == [path.read_bytes() for path in segments[1]]


def test_two_faults_are_never_two_harms_of_one_store() -> None:
    """The truth about each write would not be simple any more."""
    drawn = [draw(Random(seed), is_curve=seed % 3 == 0) for seed in range(2_000)]

    assert all(1 <= len(faults) <= 2 for faults in drawn)
    assert all(sum(fault.name in TAMPERING for fault in faults) <= 1 for faults in drawn)


def test_a_harmed_store_has_one_verdict_whatever_else_is_wrong() -> None:
    for faults in ((HARM["lose-write"], own) for own in OWN.values()):
        assert allowed(faults, is_harmed=True) == {RED}


# The oracle itself is put to the test: what is made up after the run is found, each by the invariant that it breaks.


def test_a_write_that_is_gone_without_a_fault_is_seen(tmp_path: Path) -> None:
    world = World(4, is_curve=False)
    judged = world.run(tmp_path / "run")
    world.model.rules.rows.pop(3)

    assert any("acknowledged and is stored 0 times" in words for words in broken(world, judged))


def test_a_yes_that_the_system_never_said_is_seen(tmp_path: Path) -> None:
    world = World(4, is_curve=False)
    judged = world.run(tmp_path / "run")
    world.model.told.pop(world.model.rules.rows[3]["key"])

    assert any("no such answer arrived" in words for words in broken(world, judged))


def test_a_green_that_is_not_deserved_is_seen(tmp_path: Path) -> None:
    world = World(4, is_curve=False)
    judged = world.run(tmp_path / "run")
    late = {key: (status, at + 10.0) for key, (status, at) in world.model.told.items()}
    world.model.told = late

    assert any("SUSTAINED, and 0 of" in words for words in broken(world, judged))


@pytest.mark.parametrize("name", ["busy-generator", "lose-write", "error"])
def test_a_verdict_that_does_not_fit_its_faults_is_seen(name: str, tmp_path: Path) -> None:
    world = World(4, is_curve=False)
    judged = world.run(tmp_path / "run")
    world.faults = ({**HEAVY, **HARM, **OWN}[name],)

    words = "; ".join(broken(world, judged))
    assert ("SUSTAINED where" in words) is (name != "lose-write")  # nothing is lost, so nothing may be said of it
