"""Options that no journey can have, and journeys by name."""

import pytest
from fake_system import PASSWORD
from journey_people import options

from prakerja_load.journey.journeys import NAMES, make_journey


def test_every_name_makes_the_journey_of_that_name() -> None:
    for name in NAMES:
        journey = make_journey(options(name=name, returning_password=PASSWORD))
        assert journey.name == name
        numbers = [step.number for step in journey.steps]
        assert numbers == list(range(1, len(numbers) + 1))


def test_an_unknown_journey_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="new-applicant, returning-applicant"):
        make_journey(options(name="newapplicant"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nik_typo", 1.5),
        ("under_age", -0.1),
        ("refresh", float("nan")),
        ("think_time_scale", 0.0),
        ("photo_size", 10),
        ("funnel", "wave-2"),
        ("shed_retries", -1),
        ("prefilled", -1),
    ],
)
def test_an_impossible_value_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=key):
        options(**{key: value})


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ValueError, match=r"nik_typo.*photo_size"):
        options(nik_typo=2.0, photo_size=1)


def test_more_refused_people_than_there_are_people_are_refused() -> None:
    with pytest.raises(ValueError, match="more than everybody"):
        options(under_age=0.6, someone_elses_nik=0.6)
