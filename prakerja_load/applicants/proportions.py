"""The proportions of 2020 that the applicants follow: provinces, sex, age, education, work.

Every figure is marked: *sourced* with its source, or *assumed* where none was found. Ages are those on the day the
first wave opened, 11 April 2020.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

WAVE_ONE = datetime.date(2020, 4, 11)

# code: (participants 2020, population on 30 June 2020)
# Participants, sourced: Kartu-Prakerja/laporan-penerima, js/data/indonesia-2020.json (Apache-2.0); sum 5,987,674.
# They are accepted people and stand for where applicants live.
# Population, sourced: Dukcapil (civil registry), sum 268,583,016; stands for where people were first registered.
PROVINCES: dict[str, tuple[int, int]] = {
    "11": (134_382, 5_288_885),  # Aceh
    "12": (272_875, 15_032_170),  # Sumatera Utara
    "13": (137_900, 5_568_881),  # Sumatera Barat
    "14": (152_050, 6_220_680),  # Riau
    "15": (91_989, 3_497_833),  # Jambi
    "16": (168_375, 8_342_101),  # Sumatera Selatan
    "17": (77_821, 2_014_369),  # Bengkulu
    "18": (134_243, 9_062_766),  # Lampung
    "19": (60_926, 1_406_583),  # Kep. Bangka Belitung
    "21": (87_338, 1_983_597),  # Kepulauan Riau
    "31": (605_030, 11_100_929),  # DKI Jakarta
    "32": (868_543, 46_092_205),  # Jawa Barat
    "33": (522_128, 36_896_752),  # Jawa Tengah
    "34": (104_517, 3_668_304),  # Daerah Istimewa Yogyakarta
    "35": (711_601, 40_963_227),  # Jawa Timur
    "36": (285_909, 11_042_523),  # Banten
    "51": (117_104, 4_261_909),  # Bali
    "52": (112_989, 5_321_552),  # Nusa Tenggara Barat
    "53": (85_099, 5_452_967),  # Nusa Tenggara Timur
    "61": (106_870, 5_457_352),  # Kalimantan Barat
    "62": (90_660, 2_602_119),  # Kalimantan Tengah
    "63": (146_264, 4_070_320),  # Kalimantan Selatan
    "64": (120_395, 3_661_161),  # Kalimantan Timur
    "65": (31_650, 663_696),  # Kalimantan Utara
    "71": (90_064, 2_659_987),  # Sulawesi Utara
    "72": (77_680, 2_987_711),  # Sulawesi Tengah
    "73": (256_366, 9_175_971),  # Sulawesi Selatan
    "74": (91_658, 2_649_845),  # Sulawesi Tenggara
    "75": (66_997, 1_189_685),  # Gorontalo
    "76": (73_078, 1_563_289),  # Sulawesi Barat
    "81": (63_869, 1_864_335),  # Maluku
    "82": (18_182, 1_318_178),  # Maluku Utara
    "91": (12_069, 4_354_468),  # Papua
    "92": (11_053, 1_146_666),  # Papua Barat
}

# sourced: TNP2K survey of waves 1–3, April 2020
MEN_SHARE = 0.665
WOMEN_SHARE = 0.335


@dataclass(frozen=True)
class AgeBand:
    """The people whose age on 11 April 2020 lies between two birthdays, both included."""

    youngest: int
    oldest: int
    share: float

    @property
    def first_birth(self) -> datetime.date:
        """Return the earliest birth date of the band."""
        return WAVE_ONE.replace(year=WAVE_ONE.year - self.oldest - 1) + datetime.timedelta(days=1)

    @property
    def last_birth(self) -> datetime.date:
        """Return the latest birth date of the band."""
        return WAVE_ONE.replace(year=WAVE_ONE.year - self.youngest)

    @property
    def days(self) -> int:
        """Return the number of birth dates of the band."""
        return (self.last_birth - self.first_birth).days + 1


# sourced: TNP2K for the first two bands and for the range 18–68; assumed: how the remaining 14.0 % divide
AGE_BANDS = (
    AgeBand(18, 25, 0.477),
    AgeBand(26, 35, 0.383),
    AgeBand(36, 45, 0.090),
    AgeBand(46, 55, 0.040),
    AgeBand(56, 68, 0.010),
)

# sourced: TNP2K for SMA/SMK together (58.93 %) and S1 (25.27 %), "others at most about 5 % each";
# sourced: BPS August 2020 for SMA : SMK = 29.0 : 24.83; assumed: the remaining 15.80 % divide evenly
EDUCATION: dict[str, float] = {
    "SD": 0.0526,
    "SMP": 0.0527,
    "SMA": 0.5893 * 29.0 / 53.83,
    "SMK": 0.5893 * 24.83 / 53.83,
    "D1-D3": 0.0527,
    "S1": 0.2527,
}
# assumed: nobody has finished a diploma before 20 or a degree before 22
EARLIEST_GRADUATION = {"D1-D3": 20, "S1": 22}

# sourced: TNP2K for unemployed (80.8 %); assumed: how the remaining 19.2 % divide
EMPLOYMENT: dict[str, float] = {
    "unemployed": 0.808,
    "furloughed": 0.070,
    "employed": 0.050,
    "self-employed": 0.042,
    "not in labor force": 0.030,
}

# assumed: of those who live in the province where they were first registered, this share lives in the same district
SAME_DISTRICT_SHARE = 0.75
# assumed: people with two given names, and people without a family name (single names are common in Indonesia)
SECOND_NAME_SHARE = 0.25
NO_FAMILY_NAME_SHARE = 0.10


def share_aged(youngest: int, oldest: int) -> float:
    """Return the share of applicants aged between two birthdays, both included, on 11 April 2020."""
    asked = AgeBand(youngest, oldest, 0.0)
    total = 0.0
    for band in AGE_BANDS:
        first, last = max(band.first_birth, asked.first_birth), min(band.last_birth, asked.last_birth)
        total += band.share * max(0, (last - first).days + 1) / band.days
    return total


def education_at(age: int) -> dict[str, float]:
    """Return the shares of education at one age, such that the shares of all ages together are EDUCATION.

    A level that needs an age is drawn with its share ÷ the share of people old enough; the others divide what is
    left in their own proportion.
    """
    oldest = AGE_BANDS[-1].oldest
    late = {
        level: EDUCATION[level] / share_aged(earliest, oldest) if age >= earliest else 0.0
        for level, earliest in EARLIEST_GRADUATION.items()
    }
    left = 1 - sum(late.values())
    rest = 1 - sum(EDUCATION[level] for level in late)
    return {level: late.get(level, share * left / rest) for level, share in EDUCATION.items()}
