"""What a success must say beyond its status and its shape: values that compare an answer with what is known already.

A system that answers 201 to everything has registered nobody. What it must say is told by what the registrant sent
and by what it said before, never by the answer itself.
"""

from __future__ import annotations

from typing import Any

import msgspec

from prakerja_load.journey import reply


class Says(msgspec.Struct, frozen=True):
    """Agrees where these fields of the answer have these values."""

    fields: tuple[tuple[str, Any], ...]

    def __call__(self, said: Any) -> bool:
        """Tell whether the answer agrees."""
        for name, value in self.fields:  # noqa: SIM110 (a generator expression costs more than the comparisons)
            if getattr(said, name) != value:
                return False
        return True


class IsOpen(msgspec.Struct, frozen=True):
    """Agrees with the page of the run's wave, or of any where that is 0, that is open unless it may be closed."""

    wave: int
    may_be_closed: bool

    def __call__(self, page: reply.WavePage) -> bool:
        """Tell whether the page agrees."""
        return self.wave in {0, page.wave} and (page.is_open or self.may_be_closed)


class HasCome(msgspec.Struct, frozen=True):
    """Agrees with the status of who has done everything and has joined a wave, or was rightly refused by it."""

    account: int
    wave: int
    has_joined: bool
    photos: tuple[str, ...] = ()

    def __call__(self, status: reply.Status) -> bool:
        """Tell whether the status agrees."""
        is_mine, has_joined = status.account == self.account, self.wave in status.joined
        return is_mine and status.is_complete and has_joined == self.has_joined and {*self.photos} <= {*status.photos}
