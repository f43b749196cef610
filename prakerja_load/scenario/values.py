"""A scenario as frozen values: what each key means, its type, its bounds and its default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from prakerja_load import units

Duration = Annotated[float, BeforeValidator(units.parse_duration), Field(description=units.DURATION)]
Size = Annotated[int, BeforeValidator(units.parse_size), Field(description=units.SIZE)]
Bandwidth = Annotated[float, BeforeValidator(units.parse_bandwidth), Field(description=units.BANDWIDTH)]
Share = Annotated[float, BeforeValidator(units.parse_share), Field(description=units.SHARE)]
Count = Annotated[int, BeforeValidator(units.parse_count), Field(description=units.COUNT)]
Number = Annotated[float, BeforeValidator(units.parse_number), Field(description=units.NUMBER)]
Claim = Literal["peak", "volume", "real"]
JOURNEYS = ("new-applicant", "returning-applicant", "one-step")  # ours; a file may bring others
CAPACITY = 6_000_000  # synthetic people there are


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Curve(_Value):
    """Shape of arrivals over `window`: opening rush A·exp(−t/τ) + diurnal base + deadline bump (method.md §1)."""

    window: Duration = Field(gt=0)
    opening_share: Share | None = None  # share of all arrivals in the opening rush; default: what gives the stated peak
    opening_tau: Duration = Field(3600.0, gt=0)
    diurnal_amplitude: Share = 0.0  # 0: flat base
    opens_at_hour: Number = Field(8.0, ge=0, lt=24)  # local hour of day at t = 0, phase of the diurnal base
    deadline_share: Share = 0.0
    deadline_width: Duration = Field(3600.0, gt=0)


class Demand(_Value):
    """How the asked-for registrants become arrivals per second (method.md §1)."""

    multiplier: Number = Field(1.0, gt=0)  # m: accounts that reach the system per registrant counted
    counts: str = "accounts"  # what N counts, in words; stands in the verdict sentence
    peak_minute_share: Share | None = None  # s: share of the m·N accounts in the busiest minute of one opening
    peak_to_mean: Number | None = Field(None, ge=1)  # P, with window W: λ_peak = P·m·N / W
    window: Duration | None = Field(None, gt=0)
    in_system: Count | None = Field(None, gt=0)  # people present at once (the 80 000 as a crowd); λ = it / journey time
    curve: Curve | None = None  # for claims `volume` and `real`
    compression: Number = Field(1.0, ge=1)  # k: the curve is played k times as fast
    openings: Count = Field(1, ge=1)  # the reading "the month in k openings" printed beside
    process: Literal["poisson", "uniform"] = "poisson"  # random or evenly spaced arrivals


class Ramp(_Value):
    """One ask: the system must hold and serve `registrants`."""

    name: str
    registrants: Count = Field(gt=0, le=CAPACITY)
    hold: Duration = Field(60.0, gt=0)  # judged window of claim `peak`
    prefill: Count | None = Field(None, ge=0, le=CAPACITY)  # stored beforehand; default: `registrants` for peak, else 0
    draw: Count = Field(0, ge=0)  # which of the possible schedules is played; repeats of a ramp differ in it


class Behavior(_Value):
    """Shares of registrants who behave as people do; each has its expected outcome."""

    nik_typo: Share = 0.03  # one wrong digit first, then the right NIK
    under_age: Share = 0.01
    someone_elses_nik: Share = 0.005
    double_click: Share = 0.02  # the same request twice, same idempotency key
    refresh: Share = 0.05  # reads the same page again
    retry_after_shed: Share = 0.9  # comes back after Retry-After; the others give up
    shed_retries: Count = Field(3, ge=0, le=10)


@dataclass(frozen=True)
class JourneyFile:
    """A locustfile that brings a journey of its own, as it was when the scenario was read."""

    name: str
    source: str


def _read_journey(given: object, info: ValidationInfo) -> object:
    """Return the file of this name in the folder of the scenario."""
    folder = (info.context or {}).get("folder")
    if folder is None or not isinstance(given, str) or Path(given).name != given or not given.endswith(".py"):
        raise ValueError("no file of that name")
    try:
        return JourneyFile(given, (Path(folder) / given).read_text(encoding="utf-8"))
    except OSError:  # a file that is no text is a ValueError by itself
        raise ValueError("cannot be read") from None


class JourneyChoice(_Value):
    """Which journey is played, and what of it is scaled down."""

    name: str = Field(JOURNEYS[0], pattern=r"^[\w.-]+$", description="a journey's name")
    file: Annotated[JourneyFile | None, BeforeValidator(_read_journey)] = Field(
        None, description="the name of a readable Python file beside the scenario"
    )  # that holds the journey `name`; default: one of ours
    funnel: Literal["wave-1-close", "wave-1-21h", "waves-1-8", "none"] = "wave-1-close"
    think_time_scale: Number = Field(1.0, gt=0, le=10)  # real minutes times this; 0 is refused, as people think
    photo_size: Size = Field(4096, ge=256, le=10 * 1024**2)  # of each of the two photos
    behavior: Behavior = Behavior()


class Load(_Value):
    """How the load is made and when it is cut."""

    workers: Count = Field(1, ge=1, le=500)
    connection: Literal["per-registrant", "reuse"] = "per-registrant"
    source_addresses: tuple[str, ...] = ()  # of this machine, used in turn; empty: the system chooses
    accepts_gzip: bool = False  # answers may come packed, as browsers ask for them
    in_flight_limit: Count = Field(20_000, ge=1)  # registrants started and unfinished, per worker
    patience: Duration = Field(30.0, gt=0)  # a step that takes longer is abandoned and counts as a timeout
    warm_up: Duration = 20.0  # cut by intended time; at least the p99 journey time
    drain: Duration = 60.0  # longest wait for registrants under way after the last arrival
    tolerate_worker_loss: bool = False


class Link(_Value):
    """The network of some of the registrants."""

    name: str
    share: Share = Field(gt=0)
    down: Bandwidth
    up: Bandwidth
    latency: Duration  # there and back


INDONESIA_2020 = (  # [A] after Ookla 2019/2020 and OpenSignal 2018; the 2 % of packets the slowest lose are left out
    Link(name="4G", share=0.70, down="12Mbit/s", up="6Mbit/s", latency=0.05),
    Link(name="weak 4G or 3G", share=0.25, down="2Mbit/s", up="0.7Mbit/s", latency=0.15),
    Link(name="very slow", share=0.05, down="0.4Mbit/s", up="0.2Mbit/s", latency=0.4),
)


class Network(_Value):
    """Bandwidth and latency between registrants and the target; without any, what the generator's own network is."""

    profile: Literal["none", "indonesia-2020"] = "none"
    links: tuple[Link, ...] = ()  # in place of a profile

    @property
    def chosen(self) -> tuple[Link, ...]:
        """Return the links that registrants have, none where nothing is shaped."""
        return INDONESIA_2020 if self.profile == "indonesia-2020" else self.links


class AbortOn(_Value):
    """What ends a ramp early once it has been so for 10 s, with the evidence kept; nothing by default."""

    failures: Share | None = Field(None, gt=0)  # share of requests that are neither ok nor an expected "no"
    p99: Duration | None = Field(None, gt=0)  # of elapsed times, every step pooled
    dropped: Count | None = None  # arrivals that could not start


class Objectives(_Value):
    """Limits; the defaults are those of method.md §4."""

    elapsed_base: Duration = 1.0  # elapsed to step k: quantile ≤ base + per_step · k; the journey likewise
    elapsed_per_step: Duration = 0.5
    quantile: Share = Field(0.99, gt=0, lt=1)
    step_success: Share = Field(0.995, lt=1)
    journey_success: Share = Field(0.999, lt=1)
    completed_share: Share = 0.99  # 1 − backlog limit
    arrivals: Count = Field(5_000, ge=1)  # fewest judged
    judged: Duration = 60.0  # shortest judged window
    every_window: Duration | None = Field(None, gt=0)  # also each window of this length, e.g. 10s
    stop_on_failure: bool = False
    looks: Count = Field(1, ge=1, le=3)  # how often you mean to run this before you decide, at α/looks each
    memory_growth: Size | None = Field(None, gt=0)  # of the target over the judged time; needs its /metrics
    abort_on: AbortOn = AbortOn()


class Target(_Value):
    """The system under test; without a URL the embedded registrar is started."""

    url: str | None = None
    authorized_by: str | None = None  # who allowed the load; needed for anything but loopback
    contact: str | None = None
    ca: str | None = (
        None  # PEM file of the authorities that its certificate is checked against, instead of the system's
    )


class StoredTable(_Value):
    """Where somebody else's system holds what a step stored: asked before a ramp and after it."""

    step: str  # name of the step, which the journey declares with is_stored
    sql: str  # sqlite:///file.db or postgresql://user@host/database
    query: str  # a row each registrant stored, with the columns that the journey's `stored` returns, as text
    key: str  # the column that tells registrants apart


class ApplicantOptions(_Value):
    """Who the synthetic applicants are."""

    dialable_phones: bool = False  # prefixes that operators gave out; for the embedded registrar only


class RegistrarOptions(_Value):
    """The embedded registrar, as this scenario starts it."""

    database: str = "sqlite"
    password_memory_kib: Count = Field(8, ge=8)  # argon2id cost, disclosed
    password_passes: Count = Field(1, ge=1)
    wave_quota: Count = Field(200_000_000, gt=0)
    max_persons_per_kk: Count | None = Field(None, ge=1)  # rule of wave 12 (Feb 2021), off in 2020
    civil_latency: Duration = 0.02  # civil registry (Dukcapil) stub
    civil_capacity: Count = Field(2_000, gt=0)  # checks under way at once
    civil_daily_quota: Count = Field(50_000_000, gt=0)
    civil_pending: Count = 100_000  # identities that wait at most while it is away; 0: such checks are refused
    defects: tuple[dict[str, str | int | float], ...] = ()  # injected by its laboratory, to test the harness itself


class Scenario(_Value):
    """Everything that, with the code's version, determines what a run does."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="lower-case letters, digits and hyphens")
    description: str = ""
    seed: Count = Field(2020, ge=0, lt=2**63)
    claim: Claim = "peak"
    demand: Demand = Demand()
    ramps: tuple[Ramp, ...] = Field(min_length=1, description="one table [[ramps]] or more")
    journey: JourneyChoice = JourneyChoice()
    load: Load = Load()
    network: Network = Network()
    objectives: Objectives = Objectives()
    target: Target = Target()
    stored: tuple[StoredTable, ...] = ()
    applicants: ApplicantOptions = ApplicantOptions()
    registrar: RegistrarOptions = RegistrarOptions()
