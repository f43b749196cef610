"""The pools of names."""

from __future__ import annotations

import random

import pytest

from prakerja_load.applicants import names


@pytest.mark.parametrize("pool", [names.given_names, names.family_names])
def test_a_pool_is_sorted_plain_and_without_repeats(pool) -> None:
    for sex in "LP":
        chosen = pool().of(sex)
        assert chosen == sorted(set(chosen))
        assert all(name.isascii() and name.isalpha() and name.istitle() for name in chosen)
    assert pool().names[0] == ""
    assert len(pool().names) == 1 + len(pool().of("L")) + len(pool().of("P"))


def test_there_are_enough_names_to_tell_people_apart() -> None:
    given, family = names.given_names(), names.family_names()
    assert len(given.of("L")) > 400
    assert len(given.of("P")) > 150
    assert len(family.of("L")) > 80
    assert len(family.of("P")) > 50


def test_names_come_from_faker() -> None:
    from faker.providers.person.id_ID import Provider

    assert set(names.given_names().of("P")) <= set(Provider.first_names_female)
    assert set(names.family_names().of("L")) <= set(Provider.last_names_male)


def test_no_seed_changes_the_pools() -> None:
    from faker import Faker

    before = names.given_names().names.tolist()
    names.given_names.cache_clear()
    Faker.seed(99)
    random.seed(99)
    assert names.given_names().names.tolist() == before
