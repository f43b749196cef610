"""A scenario file as a validated value.

Durations, rates and shares are plain numbers here; "10m", "500/s", "99.5%" are read at this edge and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from prakerja_load import units

Duration = Annotated[float, BeforeValidator(units.parse_duration)]
Size = Annotated[int, BeforeValidator(units.parse_size)]
Share = Annotated[float, BeforeValidator(units.parse_share)]
Claim = Literal["peak", "volume", "real"]


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Curve(_Value):
    """Shape of arrivals over `window`: opening rush A·exp(−t/τ) + diurnal base + deadline bump (method.md §1)."""

    window: Duration
    opening_share: Share = 0.0  # share of all arrivals in the opening rush
    opening_tau: Duration = 3600.0
    diurnal_amplitude: Share = 0.0  # 0: flat base
    opens_at_hour: float = Field(8.0, ge=0, lt=24)  # local hour of day at t = 0, phase of the diurnal base
    deadline_share: Share = 0.0
    deadline_width: Duration = 3600.0


class Demand(_Value):
    """How the asked-for registrants become arrivals per second (method.md §1)."""

    multiplier: float = Field(1.0, gt=0)  # m: accounts that reach the system per registrant counted
    counts: str = "accounts"  # what N counts, in words; stands in the verdict sentence
    peak_minute_share: Share | None = None  # s: share of the m·N accounts in the busiest minute of one opening
    peak_to_mean: float | None = Field(None, ge=1)  # P, with window W: λ_peak = P·m·N / W
    window: Duration | None = None
    in_system: int | None = Field(None, gt=0)  # people present at once (the 80 000 as a crowd); λ = it / journey time
    curve: Curve | None = None  # for claims `volume` and `real`
    compression: float = Field(1.0, ge=1)  # k: the curve is played k times as fast
    openings: int = Field(1, ge=1)  # the reading "the month in k openings" printed beside


class Ramp(_Value):
    """One ask: the system must hold and serve `registrants`."""

    name: str
    registrants: int = Field(gt=0, le=6_000_000)
    hold: Duration = 60.0  # judged window of claim `peak`
    prefill: int | None = Field(None, ge=0)  # stored beforehand; default: `registrants` for peak, else 0


class Behavior(_Value):
    """Shares of registrants who behave as people do; each has its expected outcome."""

    nik_typo: Share = 0.03  # one wrong digit first, then the right NIK
    under_age: Share = 0.01
    someone_elses_nik: Share = 0.005
    double_click: Share = 0.02  # the same request twice, same idempotency key
    refresh: Share = 0.05  # reads the same page again
    retry_after_shed: Share = 0.9  # comes back after Retry-After; the others give up
    shed_retries: int = Field(3, ge=0, le=10)


class JourneyChoice(_Value):
    """Which journey is played, and what of it is scaled down."""

    name: str = "new-applicant"  # or returning-applicant
    funnel: str = "wave-1-close"  # wave-1-close, wave-1-21h, waves-1-8, none
    think_time_scale: float = Field(1.0, gt=0, le=10)  # 0 is refused: real minutes times this
    photo_size: Size = 4096
    behavior: Behavior = Behavior()


class Load(_Value):
    """How the load is made and when it is cut."""

    workers: int = Field(1, ge=1, le=500)
    connection: Literal["per-registrant", "reuse"] = "per-registrant"
    in_flight_limit: int = Field(20_000, ge=1)  # registrants started and unfinished, per worker
    patience: Duration = 30.0  # a step that takes longer is abandoned and counts as a timeout
    warm_up: Duration = 20.0  # cut by intended time; at least the p99 journey time
    drain: Duration = 60.0  # longest wait for registrants under way after the last arrival
    tolerate_worker_loss: bool = False


class Objectives(_Value):
    """Limits; the defaults are those of method.md §4."""

    elapsed_base: Duration = 1.0  # elapsed to step k: quantile ≤ base + per_step · k; the journey likewise
    elapsed_per_step: Duration = 0.5
    quantile: Share = 0.99
    step_success: Share = 0.995
    journey_success: Share = 0.999
    completed_share: Share = 0.99  # 1 − backlog limit
    arrivals: int = Field(5_000, ge=1)  # fewest judged
    judged: Duration = 60.0  # shortest judged window
    every_window: Duration | None = None  # also each window of this length, e.g. 10s
    stop_on_failure: bool = False
    looks: int = Field(1, ge=1, le=3)


class Target(_Value):
    """The system under test; without a URL the embedded registrar is started."""

    url: str | None = None
    authorized_by: str | None = None  # who allowed the load; needed for anything but loopback
    contact: str | None = None


class RegistrarOptions(_Value):
    """The embedded registrar, as this scenario starts it."""

    database: str = "sqlite"
    password_memory_kib: int = Field(8, ge=8)  # argon2id cost, disclosed
    password_passes: int = Field(1, ge=1)
    wave_quota: int = Field(200_000_000, gt=0)
    max_persons_per_kk: int | None = None  # rule of wave 12 (Feb 2021), off in 2020
    civil_latency: Duration = 0.02  # civil registry (Dukcapil) stub
    civil_capacity: int = Field(2_000, gt=0)  # checks under way at once
    civil_daily_quota: int = Field(50_000_000, gt=0)


class Scenario(_Value):
    """Everything that, with the code's version, determines what a run does."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    seed: int = Field(2020, ge=0, lt=2**63)
    claim: Claim = "peak"
    demand: Demand = Demand()
    ramps: tuple[Ramp, ...] = Field(min_length=1)
    journey: JourneyChoice = JourneyChoice()
    load: Load = Load()
    objectives: Objectives = Objectives()
    target: Target = Target()
    registrar: RegistrarOptions = RegistrarOptions()
