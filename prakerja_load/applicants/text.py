"""The traits of a cohort as the text that forms and files carry, a list of n strings for each field."""

from __future__ import annotations

import datetime
import functools
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prakerja_load.applicants import address, nik
from prakerja_load.applicants.cohort import MAIL_DOMAINS, RECORDED_DAYS, Cohort, Whole
from prakerja_load.applicants.family_card import FIRST_RECORDED
from prakerja_load.applicants.names import family_names, given_names
from prakerja_load.applicants.proportions import EDUCATION, EMPLOYMENT
from prakerja_load.applicants.regions import regions
from prakerja_load.applicants.strata import birth_dates

Texts = NDArray[Any]  # an array of str (or date) objects
_BASE36 = string.digits + string.ascii_lowercase
_TAIL = 36**3


@dataclass(frozen=True)
class Pools:
    """The texts that the positions of a cohort stand for."""

    sexes: Texts
    births: Texts  # dates
    birth_texts: Texts  # YYYY-MM-DD
    birth_numbers: Whole  # DDMMYY of men, then of women
    recorded_numbers: Whole  # DDMMYY
    given: Texts
    second: Texts  # with the blank before it, or empty
    family: Texts  # with the blank before it, or empty
    mail_given: Texts
    mail_family: Texts  # with the full stop before it, or empty
    mail_index: Texts  # all three-digit numbers of base 36
    mail_domains: Texts
    education: Texts
    employment: Texts


@functools.cache
def pools() -> Pools:
    """Return the pools, built once."""
    births = birth_dates()
    men = nik.six_digits(births)
    recorded = [FIRST_RECORDED + datetime.timedelta(days=day) for day in range(RECORDED_DAYS)]
    given, family = given_names().names.tolist(), family_names().names.tolist()
    return Pools(
        sexes=_texts("LP"),
        births=_texts(births),
        birth_texts=_texts(day.isoformat() for day in births),
        birth_numbers=np.concatenate([men, men + nik.WOMAN * 10_000]),
        recorded_numbers=nik.six_digits(recorded),
        given=_texts(given),
        second=_texts(_after(" ", given)),
        family=_texts(_after(" ", family)),
        mail_given=_texts(name.lower() for name in given),
        mail_family=_texts(_after(".", (name.lower() for name in family))),
        mail_index=_texts(a + b + c for a in _BASE36 for b in _BASE36 for c in _BASE36),
        mail_domains=_texts(_after("@", MAIL_DOMAINS)),
        education=_texts(EDUCATION),
        employment=_texts(EMPLOYMENT),
    )


def niks(people: Cohort) -> list[str]:
    """Return the citizen numbers."""
    births = pools().birth_numbers[people.birth_day + people.is_woman * (len(pools().birth_numbers) // 2)]
    return _numbers(nik.assemble(regions().district_codes[people.registered], births))


def family_cards(people: Cohort) -> list[str]:
    """Return the numbers of the family cards."""
    recorded = pools().recorded_numbers[people.recorded_day]
    return _numbers(nik.assemble(regions().district_codes[people.domicile], recorded))


def full_names(people: Cohort) -> list[str]:
    """Return one or two given names and mostly a family name."""
    name = pools().given[people.given_name] + pools().second[people.second_name] + pools().family[people.family_name]
    return _list(name)


def emails(people: Cohort) -> list[str]:
    """Return given.family.NNNNNN@example.… with the index in base 36, which makes it unique."""
    texts = pools()
    head, tail = np.divmod(people.index, _TAIL)
    name = texts.mail_given[people.given_name] + texts.mail_family[people.family_name] + "."
    number = texts.mail_index[head] + texts.mail_index[tail]
    return _list(name + number + texts.mail_domains[people.mail_domain])


def addresses(people: Cohort) -> list[str]:
    """Return street, house number and ward."""
    return _list(address.houses()[people.house] + address.wards()[people.ward])


# field of ApplicantProfile → how it is written
FIELDS: dict[str, Callable[[Cohort], list[str]]] = {
    "nik": niks,
    "kk": family_cards,
    "full_name": full_names,
    "sex": lambda people: _list(pools().sexes[people.is_woman]),
    "birth_date": lambda people: _list(pools().birth_texts[people.birth_day]),
    "email": emails,
    "phone": lambda people: [f"0{number}" for number in people.phone.tolist()],
    "province": lambda people: _list(regions().province[people.domicile]),
    "regency": lambda people: _list(regions().regency[people.domicile]),
    "district": lambda people: _list(regions().district[people.domicile]),
    "address": addresses,
    "education": lambda people: _list(pools().education[people.education]),
    "employment": lambda people: _list(pools().employment[people.employment]),
    "password": lambda people: [f"Prakerja-{bits:016x}" for bits in people.password.tolist()],
}


def dates_of_birth(people: Cohort) -> list[datetime.date]:
    """Return the birth dates as dates."""
    dates: list[datetime.date] = pools().births[people.birth_day].tolist()
    return dates


def _texts(values: Iterable[Any]) -> Texts:
    return np.array(list(values), object)


def _after(mark: str, names: Iterable[str]) -> list[str]:
    return [mark + name if name else "" for name in names]


def _numbers(values: Whole) -> list[str]:
    return list(map(str, values.tolist()))


def _list(values: Texts) -> list[str]:
    texts: list[str] = values.tolist()
    return texts
