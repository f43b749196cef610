"""The scenario of a simulated run, drawn from its seed: small enough for hundreds of its kind, and decidable."""

from __future__ import annotations

from random import Random

from simulated_faults import PER_REGISTRANT, SPARSE, Faults

PREFILLED = 5  # whose numbers somebody else may give

HOLD, WARM_UP = 8.0, 3.0


def scenario_of(seed: int, draws: Random, faults: Faults, *, is_curve: bool) -> str:
    """Return a scenario with limits that so few journeys can decide."""
    names = {fault.name for fault in faults}
    is_new = draws.random() < (0.2 if is_curve else 0.4)
    has_few_places = "oversell" in names or (not names & {*SPARSE} and draws.random() < 0.15)
    connection = "per-registrant" if names & {*PER_REGISTRANT} else draws.choice(["per-registrant", "reuse"])
    demand, objectives = (_curve if is_curve else _peak)(draws, is_new=is_new)
    return f"""
name = "simulated"
seed = {seed}
{demand}
[journey]
name = "{"new-applicant" if is_new else "returning-applicant"}"
funnel = "none"
think_time_scale = {draws.uniform(0.0003, 0.0006) if is_new else draws.uniform(0.001, 0.004)}
photo_size = 256
[load]
workers = {draws.choice([1, 2, 2, 3])}
connection = "{connection}"
patience = "6s"
tolerate_worker_loss = {str(draws.random() < 0.3).lower()}
{objectives}
quantile = "{80 if is_new else 90}%"
step_success = "85%"
journey_success = "80%"
completed_share = "80%"
[registrar]
wave_quota = {10 if has_few_places else 1_000_000}
"""


def _peak(draws: Random, *, is_new: bool) -> tuple[str, str]:
    """Return demand and objectives of a rate that is held for some seconds."""
    rate = draws.uniform(4, 5) if is_new else draws.uniform(9, 12)
    windows = 'every_window = "4s"\n' if draws.random() < 0.5 else ""
    demand = f"""claim = "peak"
[demand]
peak_minute_share = 1.0
[[ramps]]
name = "simulated"
registrants = {round(rate * 60)}
prefill = {PREFILLED}
hold = "{HOLD:g}s\""""
    return (
        demand,
        f"""warm_up = "{WARM_UP:g}s"
drain = "90s"
[objectives]
arrivals = 20
judged = "{HOLD:g}s"
{windows}""",
    )


def _curve(draws: Random, *, is_new: bool) -> tuple[str, str]:
    """Return demand and objectives of a curve of more than one window of 60 s, as it was or played faster."""
    seconds = draws.uniform(65.0, 80.0) if is_new else draws.uniform(65.0, 100.0)
    accounts = seconds * (draws.uniform(1.2, 1.4) if is_new else draws.uniform(1.5, 2.0))
    multiplier = draws.choice([1, 2])
    is_real = draws.random() < 0.4
    k = 1.0 if is_real else draws.uniform(2.0, 100.0)
    if draws.random() < 0.5:
        shape = f'window = "{seconds * k}s"'
    else:
        shape = f"""[demand.curve]
window = "{seconds * k}s"
opening_share = {draws.uniform(0.0, 0.3)}
opening_tau = "{seconds * k / draws.uniform(3, 8)}s"
deadline_share = {draws.uniform(0.0, 0.15)}
deadline_width = "{seconds * k / draws.uniform(3, 8)}s\""""
    demand = f"""claim = "{"real" if is_real else "volume"}"
[demand]
multiplier = {multiplier}
{"" if is_real else f"compression = {k}"}
{shape}
[[ramps]]
name = "simulated"
registrants = {round(accounts / multiplier)}"""
    return (
        demand,
        f"""drain = "{draws.choice([10, 90])}s"
[objectives]
arrivals = 60
judged = "60s"
""",
    )
