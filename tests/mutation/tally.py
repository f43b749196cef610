"""Counts what became of the mutants, a line a module, and holds the survivors against the list of the known ones."""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

Z = 1.96  # two-sided 95 %
DEAD = ("killed", "stopped")
ALIVE = ("survived", "unreached")


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share after Wilson; all of [0, 1] where nothing was drawn."""
    if not count:
        return 0.0, 1.0
    share, square = hits / count, Z * Z / count
    middle = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def known_survivors(path: Path) -> dict[str, str]:
    """Return the table's survivors with their reasons; `\\|` is a bar within a mutant."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        cells = [each.strip().replace("\0", "|") for each in line.replace("\\|", "\0").strip("| ").split("|")]
        if len(cells) == 3 and cells[1].startswith("`") and cells[1] != "mutant":
            found[f"{cells[0].strip('`')}: {cells[1].strip('`')}"] = cells[2]
    return found


def overall(counts: Sequence[Counter[str]]) -> tuple[float, float]:
    """Return the share killed of all, each module weighing as many mutants as it has, and half its 95 % interval."""
    sizes = [_size(each) for each in counts if _run(each)]
    shares = [_killed(each) / _run(each) for each in counts if _run(each)]
    weights = [size / sum(sizes) for size in sizes]
    runs = [_run(each) for each in counts if _run(each)]
    variance = sum(
        weight**2 * share * (1 - share) / run * (1 - run / size)  # nothing is left to chance where all were run
        for weight, share, run, size in zip(weights, shares, runs, sizes, strict=True)
    )
    return sum(weight * share for weight, share in zip(weights, shares, strict=True)), Z * math.sqrt(variance)


def table(
    fates: Sequence[tuple[str, str, Mapping[str, object]]],
    known: Mapping[str, str],
    least: float,
    *,
    is_whole: bool = False,
) -> int:
    """Print the table of (module, mutant, fate); return 1 where too few are killed.

    Of all modules together, `is_whole`, that is so as well where chance alone may have killed enough, where a module
    has no mutant run, and where a survivor is not listed.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for module, _, fate in fates:
        counts[module][str(fate.get("fate", "left"))] += 1
    for module, each in sorted(counts.items()):
        sys.stdout.write(f"{module:28} {_row(each)}\n")
    share, half = overall(list(counts.values()))
    whole = sum(counts.values(), Counter())
    sys.stdout.write(f"{'all':28} {_row(whole)}; weighed by size {share:.1%} ± {half:.1%}\n")
    survivors = [name for _, name, fate in fates if fate.get("fate") in ALIVE]
    sys.stdout.writelines(f"survives: {name}{'' if name in known else ' (not listed)'}\n" for name in survivors)
    stale = [name for _, name, fate in fates if fate.get("fate") in DEAD and name in known]
    sys.stdout.writelines(f"is killed, and can be taken from the list: {name}\n" for name in stale)
    if not is_whole:
        return 1 if share < least else 0
    unlisted = [name for name in survivors if name not in known]
    untried = [module for module, each in sorted(counts.items()) if _size(each) and not _run(each)]
    sys.stdout.writelines(f"no mutant was run: {module}\n" for module in untried)
    return 1 if share - half < least or unlisted or untried else 0


def _killed(fates: Counter[str]) -> int:
    return sum(fates[each] for each in DEAD)


def _run(fates: Counter[str]) -> int:
    return _killed(fates) + sum(fates[each] for each in ALIVE)


def _size(fates: Counter[str]) -> int:
    return fates.total() - fates["invalid"]  # what cannot be defined counts for nothing


def _row(fates: Counter[str]) -> str:
    killed, run, size = _killed(fates), _run(fates), _size(fates)
    low, high = wilson(killed, run)
    share = f"{killed / run:6.1%}" if run else "     –"
    interval = "" if run == size else f" [{low:.0%}, {high:.0%}]"
    stopped = f", {fates['stopped']} of the killed stopped" if fates["stopped"] else ""
    return f"{size:6} mutants {run:6} run {killed:6} killed {run - killed:5} survived {share}{interval}{stopped}"
