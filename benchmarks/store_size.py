"""What a registration costs with 2 000 000 registrants stored against 20 000, and how soon such a store is opened.

    python benchmarks/store_size.py [--small 20000] [--large 2000000] [--rounds 5] [--registrations 4000]

Two registrars with a SQLite store each stay on one core; the clients are on another. Both stores are filled with people
as a registration leaves them, kept answers included, under random keys as long as a UUID (`servers/registered.py`);
only the pictures are left out. A round lets as many new registrants go through the whole journey at each of them, in
turn, 64 at once; its cost is the registrar's own CPU time ÷ registrants, checkpoints of the log included. What a
registrant takes on disk is what the store has grown by ÷ those who registered meanwhile, after an orderly end, pictures
aside; the other figure is the whole store ÷ everybody in it. Start-up is timed to the ready line, Python's own start
included, after an orderly end and after SIGKILL under load, with the files in the page cache.

The exit code is 1 when a goal is missed, which is named: the ratio of the median costs is at most 1.5, each start-up at
most 3 s. The whole takes about seven minutes, 6 GB of disk in the folder of temporary files and 2 GiB of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from servers.cores import two_cores
from servers.crowd import CLIENTS, register
from servers.judged import Goal, judge
from servers.pinned import LAB_TOKEN, Figures, PinnedRegistrar
from servers.registered import multiply

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
    filled_size: int  # bytes before anybody else registered

    @property
    def system(self) -> System:
        """Return the registrar as a run sees it."""
        return system_of(self.registrar)

    @property
    def size(self) -> int:
        """Return the bytes of the store now, pictures aside."""
        return size_of(self.registrar.database)

    @property
    def bytes_each(self) -> float:
        """Return what a registrant takes, from those who registered since it was filled."""
        return (self.size - self.filled_size) / (self.coming - self.registrants)


@dataclass(frozen=True)
class Left:
    """What a store showed after its rounds: bytes a registrant, of the new ones and of all, and seconds to ready."""

    bytes_new: float
    bytes_all: float
    orderly: float
    killed: float


def system_of(registrar: PinnedRegistrar) -> System:
    """Return a registrar as a run sees it."""
    return System(registrar.url, guard.authorize(registrar.url), LAB_TOKEN)


def filled(database: Path, registrants: int, core: int, population: Population) -> Store:
    """Return a new store that so many have registered at."""
    began = time.monotonic()
    imported = database.with_suffix(".imported")
    with contextlib.closing(_Running(imported, core)) as running:
        running.system.import_people(People(SEED), 1, registrants, PASSWORD)
    with contextlib.closing(_Running(database, core)) as running:
        running.system.know_people(People(SEED), 0, 1)
        register(running.registrar.url, range(1), population.applicant)
    if multiply(database, imported) != registrants - 1:
        raise SystemExit(f"{imported} does not hold {registrants - 1} people")
    imported.unlink()
    print(f"{registrants:,} registrants stored in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return Store(registrants, PinnedRegistrar(database, core), registrants, size_of(database))


class _Running:
    """A registrar for a while, ended in order."""

    def __init__(self, database: Path, core: int) -> None:
        self.registrar = PinnedRegistrar(database, core)
        self.system = system_of(self.registrar)

    def close(self) -> None:
        self.registrar.end()


def size_of(database: Path) -> int:
    """Return the bytes of a store's database and log."""
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


def leave(store: Store, core: int, population: Population) -> Left:
    """Start the registrar anew after an orderly end, which tells the size, and after SIGKILL under load."""
    store.registrar.end()
    new, everybody = store.bytes_each, store.size / store.coming
    store.registrar = PinnedRegistrar(store.registrar.database, core)
    orderly = store.registrar.seconds_to_ready
    kill_under_load(store, population)
    store.registrar = PinnedRegistrar(store.registrar.database, core)
    return Left(new, everybody, orderly, store.registrar.seconds_to_ready)


def print_table(stores: list[Store], costs: dict[int, list[float]], left: dict[int, Left]) -> list[Goal]:
    """Print what was measured; return what is asked of it."""
    small, large = (statistics.median(costs[store.registrants]) for store in stores)
    print(
        "| registrants | CPU ms/registration, median (min–max) | ratio | bytes/registrant, of new ones | of all"
        " | ready | after SIGKILL |"
    )
    print("|---|---|---|---|---|---|---|")
    for store in stores:
        of_rounds = [cost * 1e3 for cost in costs[store.registrants]]
        shown = left[store.registrants]
        print(
            f"| {store.registrants:,} | {statistics.median(of_rounds):.3f} "
            f"({min(of_rounds):.3f}–{max(of_rounds):.3f}) | {statistics.median(of_rounds) / small / 1e3:.2f} "
            f"| {shown.bytes_new:.0f} | {shown.bytes_all:.0f} | {shown.orderly:.2f} s | {shown.killed:.2f} s |"
        )
    last = left[stores[-1].registrants]
    return [
        Goal("cost of a registration on the large store ÷ on the small one", large / small, RATIO, "×"),
        Goal("start-up of the large store", last.orderly, SECONDS_TO_READY, " s"),
        Goal("start-up of the large store after SIGKILL", last.killed, SECONDS_TO_READY, " s"),
    ]


def main() -> int:
    """Fill, measure in turn, restart; return 1 when a goal is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--small", type=int, default=20_000)
    options.add_argument("--large", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--registrations", type=int, default=4_000, help="a round, at each store")
    chosen = options.parse_args()
    server, clients = two_cores()
    os.sched_setaffinity(0, {clients})
    population = Population(SEED)
    stores: list[Store] = []
    with tempfile.TemporaryDirectory() as name:
        try:
            stores.append(filled(Path(name, "small.db"), chosen.small, server, population))
            stores.append(filled(Path(name, "large.db"), chosen.large, server, population))
            costs = alternate(stores, chosen.rounds, chosen.registrations, population)
            left = {store.registrants: leave(store, server, population) for store in stores}
        finally:
            for store in stores:
                store.registrar.end(signal.SIGKILL)
    print(f"{chosen.rounds} rounds of {chosen.registrations}, registrars on core {server}, clients on core {clients}")
    return judge(print_table(stores, costs, left))


if __name__ == "__main__":
    raise SystemExit(main())
