"""Named random streams and keyed permutations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prakerja_load import seeds

KEYS = st.integers(0, 2**64 - 1)


def test_the_hash_is_splitmix64() -> None:
    # the first three outputs of the published generator for seed 0
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [seeds.mix(0, index) for index in range(3)] == expected


@settings(deadline=None, max_examples=50)
@given(KEYS, st.lists(KEYS, min_size=1, max_size=20))
def test_an_array_is_hashed_as_its_elements_are(stream: int, indices: list[int]) -> None:
    array = np.array(indices, np.uint64)
    # the index after the last wraps round in the array and is cut off in the scalar: both count modulo 2⁶⁴
    assert seeds.mix_array(stream, array).tolist() == [seeds.mix(stream, index) for index in indices]
    assert seeds.unit_array(stream, array).tolist() == [seeds.unit(stream, index) for index in indices]


def test_streams_may_be_an_array_too() -> None:
    streams = np.array([[1], [2**64 - 1]], np.uint64)
    indices = np.arange(4, dtype=np.uint64)
    expected = [[seeds.mix(stream, index) for index in range(4)] for stream in (1, 2**64 - 1)]
    assert seeds.mix_array(streams, indices).tolist() == expected


def test_hashing_leaves_its_arguments_alone() -> None:
    indices = np.arange(5, dtype=np.uint64)
    seeds.mix_array(7, indices)
    assert indices.tolist() == [0, 1, 2, 3, 4]


@settings(deadline=None, max_examples=50)
@given(KEYS, KEYS)
def test_units_lie_in_the_half_open_interval(stream: int, index: int) -> None:
    assert 0 <= seeds.unit(stream, index) < 1


def test_units_are_spread_evenly() -> None:
    units = seeds.unit_array(seeds.key(1, "spread"), np.arange(100_000, dtype=np.uint64))
    counts = np.bincount((units * 10).astype(np.int64), minlength=10)
    chi_square = float(((counts - 10_000) ** 2 / 10_000).sum())
    assert chi_square < 33.7  # 9 degrees of freedom: exceeded by chance once in 10 000


def test_names_keep_streams_apart() -> None:
    keys = {seeds.key(1), seeds.key(2), seeds.key(1, "a"), seeds.key(1, "a", "b"), seeds.key(1, "ab"), seeds.key(1, 7)}
    assert len(keys) == 6


def test_a_generator_repeats_itself() -> None:
    first, again = seeds.generator(5, "x").random(4), seeds.generator(5, "x").random(4)
    other = seeds.generator(5, "y").random(4)
    assert first.tolist() == again.tolist() != other.tolist()


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 3000), KEYS)
def test_a_permutation_is_a_bijection(size: int, stream: int) -> None:
    shuffled = seeds.Permutation(size, stream).apply(np.arange(size))
    assert sorted(shuffled.tolist()) == list(range(size))


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 2**40), KEYS, st.data())
def test_a_permutation_of_an_array_is_that_of_its_elements(size: int, stream: int, data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=10))
    permutation = seeds.Permutation(size, stream)
    shuffled = permutation.apply(np.array(indices))
    assert shuffled.tolist() == [permutation(index) for index in indices]
    assert all(0 <= value < size for value in shuffled.tolist())


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 500), KEYS), min_size=1, max_size=5))
def test_permutations_side_by_side_do_not_mix(members: list[tuple[int, int]]) -> None:
    sizes, streams = [size for size, _ in members], [stream for _, stream in members]
    places = [(number, index) for number, size in enumerate(sizes) for index in range(size)]
    shuffled = seeds.Permutations(sizes, streams).apply(
        np.array([number for number, _ in places]), np.array([index for _, index in places])
    )
    assert shuffled.tolist() == [seeds.Permutation(sizes[number], streams[number])(index) for number, index in places]


@pytest.mark.parametrize("index", [-1, 10])
def test_an_index_outside_the_range_is_refused(index: int) -> None:
    permutation = seeds.Permutation(10, 1)
    with pytest.raises(IndexError, match=r"outside \[0, 10\)"):
        permutation(index)
    with pytest.raises(IndexError, match=r"outside \[0, 10\)"):
        permutation.apply(np.array([3, index]))


def test_nothing_cannot_be_shuffled() -> None:
    with pytest.raises(ValueError, match="at least one element, got 0"):
        seeds.Permutation(0, 1)


def test_another_key_is_another_order() -> None:
    indices = np.arange(1000)
    orders = {tuple(seeds.Permutation(1000, stream).apply(indices).tolist()) for stream in range(20)}
    assert len(orders) == 20


def test_neighbors_land_far_apart() -> None:
    # the mean distance of two independent places in [0, n) is n/3, with a deviation of n/√18 each
    size, count = 10**8, 20_000
    places = seeds.Permutation(size, seeds.key(3, "far")).apply(np.arange(count)).astype(np.int64)
    mean = float(np.abs(np.diff(places)).mean()) / size
    assert abs(mean - 1 / 3) < 5 / np.sqrt(18 * count)
