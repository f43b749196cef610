"""The administrative regions of 2020."""

from __future__ import annotations

import csv
import re
from collections import Counter

import numpy as np
import pytest

from prakerja_load.applicants.proportions import PROVINCES
from prakerja_load.applicants.regions import REGIONS_FILE, regions


@pytest.fixture(scope="module")
def rows() -> list[list[str]]:
    with REGIONS_FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def test_there_are_34_provinces_514_regencies_and_7030_districts(rows: list[list[str]]) -> None:
    assert Counter(len(code) for code, _ in rows) == {2: 34, 4: 514, 6: 7030}
    where = regions()
    assert (len(where.province_codes), len(where.district_codes)) == (34, 7030)


def test_one_city_alone_has_no_districts_in_the_source(rows: list[list[str]]) -> None:
    regencies = {code for code, _ in rows if len(code) == 4}
    assert regencies - {code[:4] for code, _ in rows if len(code) == 6} == {"1278"}  # Gunungsitoli


def test_no_code_stands_twice_and_every_district_has_a_regency_and_a_province(rows: list[list[str]]) -> None:
    codes = [code for code, _ in rows]
    assert len(set(codes)) == len(codes)
    assert all(code[:-2] in codes for code in codes if len(code) > 2)


def test_names_are_plain_and_properly_cased(rows: list[list[str]]) -> None:
    for code, name in rows:
        assert name.isascii(), name
        assert not re.search(r"  |[\",]|^\s|\s$", name), name
        assert not re.search(r"[a-z][A-Z]", name), name
        assert name[0].isupper(), name
        assert len(code) != 4 or re.match(r"(Kab\.|Kota) (Adm\. )?[A-Z]", name), name


def test_cities_are_numbered_from_71() -> None:
    with REGIONS_FILE.open(encoding="utf-8", newline="") as file:
        kinds = {
            (int(code[2:]) > 70, name.split(" ")[0])
            for code, name in csv.reader(file)
            if len(code) == 4 and code != "code"
        }
    assert kinds == {(False, "Kab."), (True, "Kota")}


def test_well_known_places_are_where_they_belong() -> None:
    where = regions()
    names = dict(zip(where.province_codes, where.province_names, strict=True))
    assert (names["31"], names["34"], names["91"], names["92"]) == (
        "DKI Jakarta",
        "Daerah Istimewa Yogyakarta",
        "Papua",
        "Papua Barat",
    )
    position = int(np.searchsorted(where.district_codes, 331903))
    assert (where.province[position], where.regency[position], where.district[position]) == (
        "Jawa Tengah",
        "Kab. Kudus",
        "Jati",
    )


def test_a_province_is_a_slice_of_the_districts() -> None:
    where = regions()
    for number, code in enumerate(where.province_codes):
        start, count = int(where.first_district[number]), int(where.district_count[number])
        assert set((where.district_codes[start : start + count] // 10_000).tolist()) == {int(code)}
        assert set(where.province_of[start : start + count].tolist()) == {number}
        assert set(where.province[start : start + count]) == {where.province_names[number]}
    assert int(where.district_count.sum()) == 7030


def test_every_province_has_its_figures() -> None:
    assert tuple(PROVINCES) == regions().province_codes
