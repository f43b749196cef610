"""Mobile numbers, unique by person: behind a prefix without subscribers, or behind real ones when asked.

National form, 12 digits: a four-digit prefix and eight digits that a keyed permutation makes of the person's index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load import seeds

# Outside 8[1-35-9]…, libphonenumber's pattern for Indonesian mobiles: nobody can be reached under it.
UNASSIGNED = 840
# Sourced: idfot.com; id-phonenumbers 0.4.0. Assumed: each prefix alike, as no operator shares of 2020 were found.
DIALABLE = (
    *(811, 812, 813, 821, 822, 823, 851, 852, 853),  # Telkomsel
    *(814, 815, 816, 855, 856, 857, 858),  # Indosat Ooredoo
    *(817, 818, 819, 859, 877, 878),  # XL
    *(831, 832, 833, 838),  # AXIS
    *(895, 896, 897, 898, 899),  # 3
    *(881, 882, 883, 884, 885, 886, 887, 888, 889),  # Smartfren
)
SUBSCRIBERS = 10**8


class PhoneBook:
    """The number of every person for one seed."""

    def __init__(self, seed: int, dialable: bool) -> None:
        self._prefixes = np.array(DIALABLE if dialable else (UNASSIGNED,), np.int64)
        self._order = seeds.Permutation(SUBSCRIBERS, seeds.key(seed, "phone"))

    def numbers(self, indices: NDArray[Any], units: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the numbers without their leading 0; `units` in [0, 1) choose the prefixes. Shapes (n,)."""
        prefix = self._prefixes[(units * len(self._prefixes)).astype(np.int64)]
        return prefix * SUBSCRIBERS + self._order.apply(indices).astype(np.int64)
