"""The waiting room's addresses: take a number, ask how long; and the door of those who come to make an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prakerja_load.registrar.messages import Turn
from prakerja_load.registrar.problems import RefusalError
from prakerja_load.registrar.reply import Reply, json_reply
from prakerja_load.registrar.waiting_room import Place, RoomRules, TicketSigner, WaitingRoom
from prakerja_load.units import PerSecond, Seconds

if TYPE_CHECKING:
    from prakerja_load.registrar.composition import Registrar
    from prakerja_load.registrar.routes import Call

TICKET = b"waiting-ticket"  # header
_RETRY_WHEN_FULL: Seconds = 60


class Door:
    """This process's waiting room with its tickets; without a rate it is open to everybody."""

    def __init__(self, rate: PerSecond) -> None:
        self.reopen(rate)

    def reopen(self, rate: PerSecond) -> None:
        """Begin with an empty room that lets in `rate` a second, or with none for 0; earlier tickets are void."""
        self.room = WaitingRoom(RoomRules(rate)) if rate else None
        self._signer = TicketSigner()  # numbers begin anew, so a ticket of before must not pass for one of now

    def take(self, now: Seconds) -> Turn:
        """Give a number; raises RefusalError when there is no room, or no place left in it."""
        place = self._existing_room().take(now)
        if place is None:
            raise RefusalError("overloaded", "the waiting room is full", retry_after=_RETRY_WHEN_FULL)
        return self._turn(place)

    def ask(self, ticket: bytes, now: Seconds) -> Turn:
        """Say where a ticket stands; raises RefusalError when it is not ours or its time is over."""
        room = self._existing_room()
        number = self._signer.number(ticket)
        place = None if number is None else room.ask(number, now)
        if place is None:
            raise RefusalError("ticket-unknown")
        return self._turn(place)

    def pass_through(self, ticket: bytes, key: str, now: Seconds) -> None:
        """Let in whose number is called; raises RefusalError for anybody else."""
        if self.room is None:
            return
        number = self._signer.number(ticket)
        if number is None or not self.room.come_in(number, key, now):
            raise RefusalError("not-called")

    def _existing_room(self) -> WaitingRoom:
        if self.room is None:
            raise RefusalError("not-found", "there is no waiting room")
        return self.room

    def _turn(self, place: Place) -> Turn:
        ticket = self._signer.ticket(place.number)
        return Turn(ticket, place.number, place.ahead, round(place.wait, 1), place.is_called)


async def take_ticket(registrar: Registrar, _call: Call) -> Reply:
    """Take a number in the waiting room."""
    return json_reply(201, registrar.door.take(registrar.now()))


async def read_turn(registrar: Registrar, call: Call) -> Reply:
    """Show how many are before the header's ticket; who does not ask for a minute has given up."""
    return json_reply(200, registrar.door.ask(call.headers.get(TICKET, b""), registrar.now()))
