"""Play simulated runs by their seeds and say what came of them: `make sim SEED=17` or `make sim SEED=0-19999`.

A single seed is told in full. Of a range only what is broken is shown; the exit code is 1 if anything is.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "journey"))

from simulated_run import World
from simulated_truth import broken

from prakerja_load.judgement.verdict import RampJudgement


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def play(seed: int) -> tuple[World, RampJudgement, list[str]]:
    """Return one run, its judgement, and every invariant that it breaks."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(seed)
        judged = world.run(Path(folder) / "run")
        return world, judged.ramps[0], broken(world, judged)


def story(world: World) -> str:
    """Return what goes wrong in a run, in words."""
    return f"{'curve, ' if world.is_curve else ''}{' beside '.join(map(str, world.faults)) or 'clean'}"


def kind(world: World) -> str:
    """Return the claim and the names of the faults."""
    names = (f"{fault.name}{' (heavy)' if fault.is_heavy else ''}" for fault in world.faults)
    return f"{'curve' if world.is_curve else 'peak'}: {' + '.join(sorted(names)) or 'clean'}"


def tell(seed: int) -> int:
    """Play one seed and print its story."""
    world, ramp, wrong = play(seed)
    say(world.text)
    say(f"seed {seed}: {story(world)}")
    model = world.model
    say(f"{model.requests} requests, {model.repeats} repeats, {len(model.rules.rows)} rows, {model.touched} touched")
    say(ramp.sentence)
    for reason in ramp.reasons:
        say(f"  {reason}")
    for words in wrong:
        say(f"BROKEN: {words}")
    return bool(wrong)


def sweep(seeds: range) -> int:
    """Play many seeds and print what is broken, then how many of each kind had which verdict."""
    verdicts: Counter[tuple[str, str]] = Counter()
    failed = 0
    for seed in seeds:
        world, ramp, wrong = play(seed)
        verdicts[kind(world), ramp.verdict.name] += 1
        failed += bool(wrong)
        for words in wrong:
            say(f"seed {seed} ({story(world)}): {words}")
    for (name, verdict), count in sorted(verdicts.items()):
        say(f"{count:6d}  {verdict:13s}  {name}")
    say(f"{len(seeds)} runs, {failed} of them break an invariant")
    return bool(failed)


def main(seeds: str) -> int:
    """Play `17`, or the whole range of `0-199`."""
    first, _, last = seeds.partition("-")
    return sweep(range(int(first), int(last) + 1)) if last else tell(int(first))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
