"""Named random streams: every random decision is a pure function of (seed, name, index).

Two kinds. `mix`/`unit` hash one (key, index) pair, so that anything about index i can be made without making
anything about i−1. `generator` is a NumPy Philox stream for whole arrays. `Permutation` shuffles [0, size)
without storing it, `Permutations` many such ranges side by side.

The hash is splitmix64's finalizer (Steele, Lea & Flood, OOPSLA 2014). The permutation is a four-round generalized
Feistel network with cycle walking (Black & Rogaway, CT-RSA 2002, methods 2 and 3): an index is written as
left · columns + right with rows = ⌈√size⌉ and columns = ⌈size / rows⌉, so fewer than rows values lie outside the
range and walking on from one of them is rare.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_M1 = 0xBF58_476D_1CE4_E5B9
_M2 = 0x94D0_49BB_1331_11EB
_ROUNDS = 4


def key(seed: int, *names: str | int) -> int:
    """Return the 64-bit key of a named stream."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(stream: int, index: int) -> int:
    """Return 64 random bits for one index of a stream."""
    z = (stream + (index + 1) * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * _M1) & _MASK
    z = ((z ^ (z >> 27)) * _M2) & _MASK
    return z ^ (z >> 31)


def unit(stream: int, index: int) -> float:
    """Return a uniform number in [0, 1) with 53 bits for one index of a stream."""
    return (mix(stream, index) >> 11) * 1.1102230246251565e-16


def mix_array(stream: int | NDArray[np.uint64], indices: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return `mix` for an array of indices, equal to it element by element.

    `stream` may be an array too; it is broadcast against the indices, which have at least one dimension.
    """
    import numpy as np

    z: NDArray[np.uint64] = np.add(np.multiply(indices + 1, _GOLDEN), stream)
    z ^= z >> 30
    z *= _M1
    z ^= z >> 27
    z *= _M2
    z ^= z >> 31
    return z


def unit_array(stream: int | NDArray[np.uint64], indices: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return `unit` for an array of indices, equal to it element by element."""
    import numpy as np

    return (mix_array(stream, indices) >> 11).astype(np.float64) * 1.1102230246251565e-16


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the NumPy generator of a named stream."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=key(seed, *names)))


class Permutation:
    """A keyed permutation of [0, size): `p(i)` for one index, `p.apply(array)` for many."""

    def __init__(self, size: int, stream: int) -> None:
        self.size = size
        self._stream = stream
        self._rows, self._columns = _sides(size)
        self._keys = [mix(stream, number) for number in range(_ROUNDS)]

    def __call__(self, index: int) -> int:
        if not 0 <= index < self.size:
            raise IndexError(f"index {index} lies outside [0, {self.size})")
        rows, columns, keys = self._rows, self._columns, self._keys
        while True:
            left, right = divmod(index, columns)
            for number in range(0, _ROUNDS, 2):
                left = (left + (mix(keys[number], right) >> 1)) % rows
                right = (right + (mix(keys[number + 1], left) >> 1)) % columns
            index = left * columns + right
            if index < self.size:
                return index

    def apply(self, indices: NDArray[Any]) -> NDArray[np.uint64]:
        """Return the permuted indices, equal to calling the permutation on each."""
        import numpy as np

        return self._alone.apply(np.zeros(np.shape(indices), np.intp), indices)

    @functools.cached_property
    def _alone(self) -> Permutations:
        return Permutations([self.size], [self._stream])


class Permutations:
    """Keyed permutations side by side: member m shuffles [0, sizes[m]) as `Permutation(sizes[m], streams[m])` does."""

    def __init__(self, sizes: Sequence[int], streams: Sequence[int]) -> None:
        import numpy as np

        sides = [_sides(size) for size in sizes]
        self._sizes = np.array(sizes, np.uint64)
        self._rows = np.array([rows for rows, _ in sides], np.uint64)
        self._columns = np.array([columns for _, columns in sides], np.uint64)
        self._keys = np.array([[mix(stream, number) for stream in streams] for number in range(_ROUNDS)], np.uint64)

    def apply(self, members: NDArray[np.intp], indices: NDArray[Any]) -> NDArray[np.uint64]:
        """Return, element by element, the index permuted by the member that stands beside it (both shape (n,))."""
        import numpy as np

        value = np.asarray(indices, np.uint64)
        sizes = self._sizes[members]
        if (value >= sizes).any():
            worst = int(np.argmax(value >= sizes))
            raise IndexError(f"index {int(value[worst])} lies outside [0, {int(sizes[worst])})")
        value = self._shuffle(members, value)
        outside = np.flatnonzero(value >= sizes)
        while outside.size:
            value[outside] = self._shuffle(members[outside], value[outside])
            outside = outside[value[outside] >= sizes[outside]]
        return value

    def _shuffle(self, members: NDArray[np.intp], value: NDArray[np.uint64]) -> NDArray[np.uint64]:
        import numpy as np

        rows, columns, keys = self._rows[members], self._columns[members], self._keys[:, members]
        left, right = np.divmod(value, columns)
        for number in range(0, _ROUNDS, 2):
            left = (left + (mix_array(keys[number], right) >> np.uint64(1))) % rows
            right = (right + (mix_array(keys[number + 1], left) >> np.uint64(1))) % columns
        return left * columns + right


def _sides(size: int) -> tuple[int, int]:
    if size < 1:
        raise ValueError(f"a permutation needs at least one element, got {size}")
    rows = math.isqrt(size - 1) + 1
    return rows, -(-size // rows)
