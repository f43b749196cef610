"""Photos of nobody: valid JPEG files of a gray gradient, of any size, each different from every other.

The picture is 8 × 8 pixels; comment segments fill the file up to its size, and one of them holds 16 bytes that
belong to one person and one kind of photo. What a registration system does with a photo (receive, hash, store) costs
by the byte, not by the motif.
"""

from __future__ import annotations

from prakerja_load import seeds

SMALLEST = 256  # bytes; the fixed parts take 180

_START = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_MARK = b"\xff\xfe\x00\x12"  # a comment of 16 bytes follows
_PICTURE = b"".join(
    (
        b"\xff\xdb\x00\x43\x00" + bytes([64] * 64),  # quantization: every coefficient in steps of 64
        b"\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00",  # baseline, 8 × 8, one gray component
        b"\xff\xc4\x00\x14\x00" + bytes([1] + [0] * 15) + b"\x00",  # DC code 0: no difference
        b"\xff\xc4\x00\x15\x10" + bytes([1, 1] + [0] * 14) + b"\x00\x03",  # AC codes 0: end of block, 10: three bits
        b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
        b"\x51",  # 0 · 10 100 · 0, filled with 1: mean gray, one step of the first cosine, end of block
        b"\xff\xd9",
    )
)
_LONGEST_COMMENT = 65_533


class Photos:
    """The photos of a run: `of(kind, person)` are the bytes of one (0.7 µs at 4 KiB)."""

    def __init__(self, seed: int, size: int) -> None:
        if size < SMALLEST:
            raise ValueError(f"a photo of {size} bytes is not possible, at least {SMALLEST}")
        padding = _comments(size - len(_START) - len(_MARK) - 16 - len(_PICTURE))
        self._head = _START + padding + _MARK
        self._streams = {
            kind: (seeds.key(seed, "photo", kind, 0), seeds.key(seed, "photo", kind, 1)) for kind in ("ktp", "selfie")
        }

    def of(self, kind: str, person: int) -> bytes:
        """Return the photo of a kind ("ktp" or "selfie") that a person uploads."""
        first, second = self._streams[kind]
        mark = seeds.mix(first, person) << 64 | seeds.mix(second, person)
        return b"".join((self._head, mark.to_bytes(16, "big"), _PICTURE))


def _comments(size: int) -> bytes:
    """Return comment segments of `size` bytes in all, at least 4."""
    gradient = bytes(range(256)) * (_LONGEST_COMMENT // 256 + 1)
    segments = []
    while size:
        whole = min(size, _LONGEST_COMMENT + 4)
        if 0 < size - whole < 4:  # no segment is shorter than its own marker and length
            whole -= 4
        segments.append(b"\xff\xfe" + (whole - 2).to_bytes(2, "big") + gradient[: whole - 4])
        size -= whole
    return b"".join(segments)
