"""How many go on: the published funnels of 2020 as the chance of passing each step.

What was published are milestones: accounts, e-mails verified, NIKs valid, data checked, waves joined. Where between
two milestones people left was not. [S] sourced, [D] derived from sourced figures, [A] assumed:

* [A] A milestone belongs to the step that makes it true: account → create-account, e-mail verified → confirm-email,
  NIK valid → identity, data checked by the ministries → confirm-phone (the form, the photos and the phone are then
  complete, so there is something to check), joined → join-wave.
* [A] Between two milestones everybody has the same chance to leave at each step: nothing is known about where, and
  this assumes least. All of them leaving at the last step would flatter the tables with requests that nobody made.
* [S] Reasons given for losses: mistyped e-mail addresses, spam folders, full mailboxes; mistyped NIKs. So a published
  loss contains the people whom a correct system refuses: `behavior` takes those out of it first.
* [A] Who has joined reads the status page.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

Milestones: TypeAlias = tuple[tuple[int, float], ...]

ACCOUNT, EMAIL, NIK, CHECKED, JOINED = 2, 3, 5, 10, 13
LAST = 14  # read-status

FUNNELS: dict[str, Milestones] = {
    # [S] 16 Apr 2020 16:00, wave 1 closes after 117 h (kompas, okezone, bisnis): 100, 74.2, 55.2, 46.6, 34.8 % [D].
    # The fourth figure is disputed (it may be a digit swap of the fifth); both were printed.
    "wave-1-close": (
        (ACCOUNT, 5_965_048),
        (EMAIL, 4_428_669),
        (NIK, 3_294_190),
        (CHECKED, 2_780_026),
        (JOINED, 2_078_026),
    ),
    # [S] 12 Apr 2020 16:00, 21 h after the opening (trenasia): 100, 74.2, 43.6, –, 5.4 % [D]. A look at people under
    # way on a system in trouble, so it leans to the early steps; no figure for the data check was given.
    "wave-1-21h": ((ACCOUNT, 1_432_133), (EMAIL, 1_063_028), (NIK, 624_090), (JOINED, 77_834)),
    # [S] 15 Sep 2020, waves 1 to 8 (cnnindonesia 546902): 100, 78, 58, 52 % [D]. Joins were not published: [A] the
    # share of wave 1's close, 2 078 026 ÷ 2 780 026.
    "waves-1-8": (
        (ACCOUNT, 23.0e6),
        (EMAIL, 18.0e6),
        (NIK, 13.4e6),
        (CHECKED, 12.0e6),
        (JOINED, 12.0e6 * 2_078_026 / 2_780_026),
    ),
    # Everybody finishes.
    "none": ((ACCOUNT, 1), (JOINED, 1)),
}


def passing(name: str) -> tuple[float, ...]:
    """Return the chance that one who did step k − 1 also does step k, for k = 1 … 14 (first entry: step 1).

    Geometric between milestones: with n steps from a milestone of share p to one of share q each passes (q ÷ p)^(1/n).
    """
    chances = [1.0] * LAST
    milestones = FUNNELS[name]
    for (before, p), (after, q) in pairwise(milestones):
        for step in range(before + 1, after + 1):
            chances[step - 1] = (q / p) ** (1 / (after - before))
    return tuple(chances)


def survival(name: str) -> tuple[float, ...]:
    """Return the share of accounts that do step k, for k = 1 … 14: the running product of `passing`."""
    shares, share = [], 1.0
    for chance in passing(name):
        share *= chance
        shares.append(share)
    return tuple(shares)
