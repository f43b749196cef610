"""Street addresses as an Indonesian form has them: "Jl. Melati No. 12 RT 03/RW 05"."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

# street names found in almost every town: flowers and trees, birds, fruit, virtues, heroes of independence
STREETS = (
    *("Anggrek", "Bougenville", "Cempaka", "Dahlia", "Flamboyan", "Kamboja", "Kenanga", "Mawar", "Melati", "Seroja"),
    *("Akasia", "Beringin", "Cemara", "Jati", "Mahoni", "Meranti", "Pinus", "Randu", "Sawo", "Waru"),
    *("Cendrawasih", "Elang", "Garuda", "Kasuari", "Kutilang", "Merak", "Merpati", "Nuri", "Rajawali", "Walet"),
    *("Delima", "Durian", "Jambu", "Kelapa", "Mangga", "Manggis", "Nangka", "Pepaya", "Rambutan", "Salak"),
    *("Bakti", "Harapan", "Karya", "Kebersamaan", "Makmur", "Merdeka", "Pahlawan", "Pemuda", "Sentosa", "Veteran"),
    *("Ahmad Yani", "Diponegoro", "Gajah Mada", "Hasanuddin", "Imam Bonjol", "Kartini", "Pattimura", "Sudirman"),
    *("Teuku Umar", "Yos Sudarso"),
)
HOUSE_NUMBERS = 150
NEIGHBORHOODS = 15  # RT (rukun tetangga) of a hamlet
HAMLETS = 12  # RW (rukun warga) of a village


@functools.cache
def houses() -> NDArray[Any]:
    """Return "Jl. … No. …" for every street and house number, street by street."""
    return np.array([f"Jl. {name} No. {number}" for name in STREETS for number in range(1, HOUSE_NUMBERS + 1)], object)


@functools.cache
def wards() -> NDArray[Any]:
    """Return " RT …/RW …", with the blank that joins it to a house, for every neighborhood and hamlet."""
    return np.array(
        [f" RT {rt:02d}/RW {rw:02d}" for rw in range(1, HAMLETS + 1) for rt in range(1, NEIGHBORHOODS + 1)], object
    )
