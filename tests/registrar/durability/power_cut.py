"""What may lie on a disk after the power went: everything synced, and any part of what was not.

A write that no sync has followed may be there, be missing, be there by sectors of 512 bytes, or be there while an
earlier one is missing; a file that grew may hold what was left there before. Names that were made or taken away since
the directory was synced are there up to some point in their order.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict

from recording_disk import Event

SECTOR = 512


class Disk:
    """Follows a record; `cut` may be asked at any point of it, as often as wanted."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._synced: dict[int, bytes] = defaultdict(bytes)
        self._unsynced: dict[int, list[Event]] = defaultdict(list)
        self._names: dict[str, int] = {}
        self._unsynced_names: list[Event] = []

    def follow(self, event: Event) -> None:
        """Take the next event of the record."""
        if event.kind in ("write", "truncate"):
            self._unsynced[int(event.subject)].append(event)
        elif event.kind == "sync":
            number = int(event.subject)
            self._synced[number] = _applied(self._synced[number], self._unsynced.pop(number, []))
        elif event.kind == "sync-failed":  # Linux calls the pages clean: the next sync does not bring them back
            number = int(event.subject)
            self._synced[number] = self._torn(number)
            self._unsynced.pop(number, None)
        elif event.kind in ("create", "delete"):
            self._unsynced_names.append(event)
        elif event.kind == "sync-directory":
            self._names = _renamed(self._names, self._unsynced_names)
            self._unsynced_names = []

    def cut(self) -> dict[str, bytes]:
        """Return the files, by path, that one possible power cut at this point leaves."""
        reached = self._chance.randint(0, len(self._unsynced_names))
        names = _renamed(self._names, self._unsynced_names[:reached])
        return {path: self._torn(number) for path, number in names.items()}

    def _torn(self, number: int) -> bytes:
        synced, unsynced = self._synced[number], self._unsynced.get(number, [])
        how = self._chance.choice(("nothing", "everything", "first", "writes", "sectors"))
        if how == "nothing":
            return synced
        if how == "everything":
            return _applied(synced, unsynced)
        if how == "first":
            return _applied(synced, unsynced[: self._chance.randint(0, len(unsynced))])
        share = self._chance.choice((0.1, 0.5, 0.9))
        pieces = unsynced if how == "writes" else [piece for event in unsynced for piece in _sectors(event)]
        kept = [self._spoiled(piece, len(synced)) for piece in pieces if self._chance.random() < share]
        return _applied(synced, kept)

    def _spoiled(self, event: Event, synced: int) -> Event:
        """Return a write, or now and then what somebody else had left where the file grew."""
        if event.kind == "write" and event.offset >= synced and self._chance.random() < 0.05:
            return Event("write", event.subject, event.offset, self._chance.randbytes(len(event.content)))
        return event


def _sectors(event: Event) -> list[Event]:
    if event.kind != "write":
        return [event]
    end = event.offset + len(event.content)
    edges = [event.offset, *range(event.offset // SECTOR * SECTOR + SECTOR, end, SECTOR), end]
    return [
        Event("write", event.subject, start, event.content[start - event.offset : stop - event.offset])
        for start, stop in itertools.pairwise(edges)
    ]


def _applied(content: bytes, events: list[Event]) -> bytes:
    if not events:
        return content
    changed = bytearray(content)
    for event in events:
        if event.kind == "truncate":
            del changed[event.offset :]
        else:
            changed.extend(bytes(max(0, event.offset - len(changed))))
            changed[event.offset : event.offset + len(event.content)] = event.content
    return bytes(changed)


def _renamed(names: dict[str, int], events: list[Event]) -> dict[str, int]:
    changed = dict(names)
    for event in events:
        if event.kind == "create":
            changed[str(event.subject)] = event.offset
        else:
            changed.pop(str(event.subject), None)
    return changed
