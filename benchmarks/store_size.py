"""What a registration costs with 2 000 000 registrants stored against 20 000, and how soon such a store is opened.

    python benchmarks/store_size.py [--small 20000] [--large 2000000] [--rounds 5] [--registrations 4000]

Two registrars with a SQLite store each are filled through the laboratory's import, as a run fills its own, and stay
on one core; the clients are on another. A round lets as many new registrants go through the whole journey at each of
them, in turn, 64 at once; its cost is the registrar's own CPU time ÷ registrants, checkpoints of the log included. The
goal is a ratio of the medians of at most 1.5. Start-up is timed to the ready line, Python's own start included, after
an orderly end and after SIGKILL under load, with the files in the page cache; the goal is 3 s.

Filling 2 000 000 takes about a minute and a half and 1.2 GiB of disk in the folder of temporary files.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from servers.crowd import CLIENTS, register
from servers.pinned import LAB_TOKEN, Figures, PinnedRegistrar

from prakerja_load.applicants.population import Population
from prakerja_load.driver import guard
from prakerja_load.trial.system import People, System

SEED = 2020
PASSWORD = "rahasia-bersama"
FEW = 500  # registrations before the first round, so that nothing is measured cold
RATIO, SECONDS_TO_READY = 1.5, 3.0


@dataclass
class Store:
    """A filled store, the registrar on it, and who registers there next."""

    registrants: int
    registrar: PinnedRegistrar
    coming: int
    bytes_each: float  # of an imported registrant

    @property
    def system(self) -> System:
        """Return the registrar as a run sees it."""
        return system_of(self.registrar)


def system_of(registrar: PinnedRegistrar) -> System:
    """Return a registrar as a run sees it."""
    return System(registrar.url, guard.authorize(registrar.url), LAB_TOKEN)


def filled(database: Path, registrants: int, core: int) -> Store:
    """Return a new store with so many imported registrants."""
    registrar = PinnedRegistrar(database, core)
    began = time.monotonic()
    try:
        system_of(registrar).import_people(People(SEED), 0, registrants, PASSWORD)
    except BaseException:
        registrar.end(signal.SIGKILL)
        raise
    print(f"{registrants:,} registrants imported in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return Store(registrants, registrar, registrants, size_of(database) / registrants)


def size_of(database: Path) -> int:
    """Return the bytes of a store, photographs aside."""
    files = (database, database.with_name(database.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def register_more(store: Store, count: int, population: Population) -> Figures:
    """Let so many more register and return what the registrar did for them."""
    people = range(store.coming, store.coming + count)
    profiles = {person: population.applicant(person) for person in people}
    store.system.know_people(People(SEED), people.start, people.stop)
    os.sync()  # what was written before is not written back while this is measured
    before = store.registrar.figures()
    register(store.registrar.url, people, profiles.__getitem__)
    store.coming = people.stop
    done = store.registrar.figures() - before
    if done.finished != count or done.failed:
        raise SystemExit(f"{done.finished} of {count} registered, {done.failed} requests failed")
    return done


def alternate(stores: list[Store], rounds: int, count: int, population: Population) -> dict[int, list[float]]:
    """Return the CPU seconds a registration cost in each round, by the size of the store."""
    for store in stores:
        register_more(store, FEW, population)
    costs: dict[int, list[float]] = {store.registrants: [] for store in stores}
    for number in range(rounds):
        for store in stores if number % 2 == 0 else reversed(stores):
            costs[store.registrants].append(register_more(store, count, population).cpu / count)
    return costs


def restart(store: Store, core: int, end: Callable[[], None]) -> float:
    """End the registrar, start it again on its store and return how long it took to be ready."""
    end()
    store.registrar = PinnedRegistrar(store.registrar.database, core)
    return store.registrar.seconds_to_ready


def kill_under_load(store: Store, population: Population) -> None:
    """Kill the registrar once a few dozen have registered, with more under way."""
    people = range(store.coming, store.coming + 10 * FEW)
    store.system.know_people(People(SEED), people.start, people.stop)
    already = store.registrar.figures().finished
    crowd = threading.Thread(target=_until_broken, args=(store.registrar.url, people, population))
    crowd.start()
    while store.registrar.figures().finished < already + CLIENTS:
        if not crowd.is_alive():
            raise SystemExit("nobody registers")
        time.sleep(0.05)
    store.registrar.end(signal.SIGKILL)
    crowd.join()
    store.coming = people.stop


def _until_broken(url: str, people: range, population: Population) -> None:
    try:
        register(url, people, population.applicant)
    except* (ConnectionError, EOFError):
        pass


def print_table(stores: list[Store], costs: dict[int, list[float]], starts: dict[int, list[float]]) -> bool:
    """Print what was measured; tell whether the goals are met."""
    small, large = (statistics.median(costs[store.registrants]) for store in stores)
    print("| registrants | CPU ms/registration, median (min–max) | ratio | bytes/registrant | ready | after SIGKILL |")
    print("|---|---|---|---|---|---|")
    for store in stores:
        of_rounds = [cost * 1e3 for cost in costs[store.registrants]]
        orderly, killed = starts[store.registrants]
        print(
            f"| {store.registrants:,} | {statistics.median(of_rounds):.3f} "
            f"({min(of_rounds):.3f}–{max(of_rounds):.3f}) | {statistics.median(of_rounds) / small / 1e3:.2f} "
            f"| {store.bytes_each:.0f} | {orderly:.2f} s | {killed:.2f} s |"
        )
    return large / small <= RATIO and max(starts[stores[-1].registrants]) <= SECONDS_TO_READY


def main() -> int:
    """Fill, measure in turn, restart; return 1 when a goal is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--small", type=int, default=20_000)
    options.add_argument("--large", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--registrations", type=int, default=4_000, help="a round, at each store")
    chosen = options.parse_args()
    available = sorted(os.sched_getaffinity(0))
    server, clients = available[0], available[-1]
    os.sched_setaffinity(0, {clients})
    population = Population(SEED)
    stores: list[Store] = []
    with tempfile.TemporaryDirectory() as name:
        try:
            stores.append(filled(Path(name, "small.db"), chosen.small, server))
            stores.append(filled(Path(name, "large.db"), chosen.large, server))
            costs = alternate(stores, chosen.rounds, chosen.registrations, population)
            starts = {}
            for store in stores:
                orderly = restart(store, server, store.registrar.end)
                killed = restart(store, server, lambda store=store: kill_under_load(store, population))  # type: ignore[misc]
                starts[store.registrants] = [orderly, killed]
        finally:
            for store in stores:
                store.registrar.end(signal.SIGKILL)
    print(f"{chosen.rounds} rounds of {chosen.registrations}, registrars on core {server}, clients on core {clients}")
    return 0 if print_table(stores, costs, starts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
