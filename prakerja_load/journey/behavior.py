"""What one registrant is going to do that the next one is not: a pure function of (seed, arrival index)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from prakerja_load import seeds
from prakerja_load.journey.options import JourneyOptions


class Behavior(msgspec.Struct, frozen=True, gc=False):
    """The decisions of one registrant, all made before the first request."""

    last: int  # number of the last step they mean to reach
    is_under_age: bool = False  # the identity step is their last: it refuses them
    victim: int = -1  # the prefilled person whose NIK they give, likewise refused; -1: their own
    has_nik_typo: bool = False
    click: int = 0  # number of the write they send twice; 0: none
    refresh: int = 0  # number of the page they read twice; 0: none
    returns: int = 0  # how often they come back to one step after being shed

    @property
    def is_refused(self) -> bool:
        """Tell whether a correct system refuses them at the identity step."""
        return self.is_under_age or self.victim >= 0


class Habits:
    """The shares of a population of registrants, ready to decide for any one of them.

    `survival` is the share of all registrants that do step k (k = 1 …, not increasing). Published shares contain the
    people whom the identity step refuses. So, with r the share of refused people and S_k the published share, those
    who are not refused go past step k with probability min(S_4, S_k ÷ (1 − r)) from the identity step on: planned
    drop-off makes up what refusals leave of the published loss, and S_k holds for everybody taken together.
    """

    def __init__(
        self,
        options: JourneyOptions,
        survival: Sequence[float],
        *,
        clicks: Sequence[int],
        pages: Sequence[int],
        identity: int = 0,  # number of the identity step; 0: the journey has none, nobody is refused
    ) -> None:
        self._options = options
        self._clicks, self._pages, self._identity = tuple(clicks), tuple(pages), identity
        self.refused = options.refused if identity else 0.0
        before = survival[identity - 2] if identity else 1.0
        honest = 1.0 - self.refused or 1.0  # where everybody is refused there is nobody to divide among
        kept = [min(before, share / honest) for share in survival[identity - 1 :]] if identity else list(survival)
        self._honest = sorted([*survival[: identity - 1], *kept] if identity else kept)
        self._tried = sorted([*survival[: identity - 1], before]) if identity else []
        names = ("funnel", "refusal", "victim", "nik-typo", "double-click", "refresh", "return")
        streams = [seeds.key(options.seed, "journey", name) for name in names]
        self._funnel, self._refusal, self._victim, self._typo, self._click, self._refresh, self._return = streams

    def reach(self, step: int) -> float:
        """Return the share of all registrants that mean to reach a step."""
        honest = self._honest[-step]
        tried = self._tried[-step] if 0 < step <= len(self._tried) else 0.0
        return (1 - self.refused) * honest + self.refused * tried

    @property
    def mistyping(self) -> float:
        """Return the share of all registrants that send a mistyped NIK."""
        return self._options.nik_typo * (1 - self.refused) * self._honest[-self._identity] if self._identity else 0.0

    def last_of(self, index: int) -> int:
        """Return the number of the last step that an arrival means to reach."""
        return self._last(index, self._refusal_luck(index) < self.refused)

    def of(self, index: int) -> Behavior:
        """Return what an arrival does (3 µs)."""
        options, unit, luck = self._options, seeds.unit, self._refusal_luck(index)
        last = self._last(index, luck < self.refused)
        is_refused = luck < self.refused and last == self._identity
        is_under_age = is_refused and luck < options.under_age
        is_impostor = is_refused and not is_under_age
        may_mistype = last >= self._identity > 0 and not is_refused
        return Behavior(
            last,
            is_under_age,
            int(unit(self._victim, index) * options.prefilled) if is_impostor else -1,
            may_mistype and unit(self._typo, index) < options.nik_typo,
            _one_of(self._clicks, last - is_refused, unit(self._click, index), options.double_click),
            _one_of(self._pages, last, unit(self._refresh, index), options.refresh),
            options.shed_retries if unit(self._return, index) < options.retry_after_shed else 0,
        )

    def _refusal_luck(self, index: int) -> float:
        return seeds.unit(self._refusal, index) if self.refused else 1.0

    def _last(self, index: int, is_refused: bool) -> int:
        ladder = self._tried if is_refused else self._honest
        return len(ladder) - bisect_right(ladder, seeds.unit(self._funnel, index))


def _one_of(steps: tuple[int, ...], last: int, luck: float, share: float) -> int:
    """Return one of the steps up to `last` for the `share` of registrants who repeat one, else 0."""
    if luck >= share:
        return 0
    count = bisect_right(steps, last)
    return steps[int(luck / share * count)] if count else 0
