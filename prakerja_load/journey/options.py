"""What a journey is told before it starts: the whole of its freedom, as one frozen value."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from prakerja_load.journey import funnel, photo

SHARES = ("nik_typo", "under_age", "someone_elses_nik", "double_click", "refresh", "retry_after_shed")


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyOptions:
    """Everything that, with an arrival's index and person, determines what a registrant does.

    Raises ValueError, with all problems at once, for values that no journey can have.
    """

    seed: int
    today: datetime.date  # the date in Jakarta on the day of the run; who is under 18 on it is under age
    name: str = "new-applicant"
    funnel: str = "wave-1-close"  # of new applicants; a returning applicant has passed it and finishes
    think_time_scale: float = 1.0  # real minutes times this
    photo_size: int = 4096  # bytes
    nik_typo: float = 0.0  # share of registrants: one wrong digit first, then the right NIK
    under_age: float = 0.0  # share: refused at the identity step
    someone_elses_nik: float = 0.0  # share: gives the NIK of a prefilled person and is refused
    double_click: float = 0.0  # share: sends one of their writes twice
    refresh: float = 0.0  # share: reads one of the pages twice
    retry_after_shed: float = 0.0  # share: comes back after Retry-After
    shed_retries: int = 0  # how often one step is repeated by those who come back
    prefilled: int = 0  # persons 0 … prefilled − 1 are in the store; 0 switches someone_elses_nik off
    wave: int = 0  # the wave that everybody must be found in; 0: whichever the system shows
    expects_quota_full: bool = False  # joining may be refused because the quota is used up
    expects_wave_closed: bool = False  # joining may be refused because the wave has closed
    returning_password: str = ""  # of every prefilled person
    file: str = ""  # name of the locustfile that holds the journey; empty: one of ours
    source: str = ""  # its text
    origin: str = ""  # of the system under test, within which such a journey stays
    is_resumed: bool = False  # the ramp was cut off: anybody may have been through some of the journey before

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def refused(self) -> float:
        """Return the share of registrants whom a correct system refuses at the identity step."""
        return self.under_age + (self.someone_elses_nik if self.prefilled else 0.0)

    @property
    def refused_join(self) -> tuple[str, ...]:
        """Return the problem codes that are a correct "no" to joining the wave."""
        full = ("quota-full",) if self.expects_quota_full else ()
        return (*full, "wave-closed") if self.expects_wave_closed else full

    def _problems(self) -> Iterator[str]:
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name}: got {getattr(self, name)}, allowed: 0 to 1"
        if self.under_age + self.someone_elses_nik > 1:
            yield "under_age + someone_elses_nik: more than everybody"
        if not 0 < self.think_time_scale < float("inf"):
            yield f"think_time_scale: got {self.think_time_scale}, allowed: more than 0"
        if self.photo_size < photo.SMALLEST:
            yield f"photo_size: got {self.photo_size}, allowed: {photo.SMALLEST} bytes or more"
        if self.funnel not in funnel.FUNNELS:
            yield f"funnel: got {self.funnel!r}, allowed: {', '.join(funnel.FUNNELS)}"
        for name in ("shed_retries", "prefilled", "wave"):
            if getattr(self, name) < 0:
                yield f"{name}: got {getattr(self, name)}, allowed: 0 or more"
