"""The administrative regions of Indonesia in 2020: 34 provinces, 514 regencies and cities, 7,030 districts.

One city, Gunungsitoli (1278), has no districts in the source (see NOTICE), so nobody is placed there.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

REGIONS_FILE = Path(__file__).with_name("regions.csv")


@dataclass(frozen=True)
class Regions:
    """Districts in the order of their codes; a province is a slice of them.

    The arrays over districts have shape (7030,), those over provinces (34,).
    """

    province_codes: tuple[str, ...]
    province_names: tuple[str, ...]
    first_district: NDArray[np.int64]  # of a province: position of its first district
    district_count: NDArray[np.int64]  # of a province
    district_codes: NDArray[np.int64]  # of a district: its six digits as a number
    province_of: NDArray[np.int64]  # of a district: position of its province
    province: NDArray[Any]  # of a district: name of its province
    regency: NDArray[Any]  # of a district: name of its regency or city
    district: NDArray[Any]  # of a district: its own name


@functools.cache
def regions() -> Regions:
    """Return the regions of 2020, read once from the file beside this module."""
    names = _read(REGIONS_FILE)
    provinces = [code for code in names if len(code) == 2]
    districts = sorted(code for code in names if len(code) == 6)
    province_of = np.array([provinces.index(code[:2]) for code in districts], np.int64)
    return Regions(
        province_codes=tuple(provinces),
        province_names=tuple(names[code] for code in provinces),
        first_district=np.searchsorted(province_of, np.arange(len(provinces))).astype(np.int64),
        district_count=np.bincount(province_of, minlength=len(provinces)).astype(np.int64),
        district_codes=np.array([int(code) for code in districts], np.int64),
        province_of=province_of,
        province=np.array([names[code[:2]] for code in districts], object),
        regency=np.array([names[code[:4]] for code in districts], object),
        district=np.array([names[code] for code in districts], object),
    )


def _read(path: Path) -> dict[str, str]:
    """Return name by code (2, 4 or 6 digits), codes in ascending order of their text."""
    lines = path.read_text("utf-8").splitlines()[1:]
    return dict(line.split(",", 1) for line in lines)
