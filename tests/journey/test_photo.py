"""Photos of nobody."""

import io

import pytest
from PIL import Image

from prakerja_load.journey.photo import SMALLEST, Photos


@pytest.mark.parametrize("size", [SMALLEST, 4096, 65_716, 65_717, 65_718, 65_720, 65_721, 2 * 1024 * 1024])
def test_a_photo_has_the_size_asked_for_and_is_a_picture(size: int) -> None:
    content = Photos(7, size).of("ktp", 12)

    assert len(content) == size
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("JPEG", (8, 8))
        shades = [picture.getpixel((x, 0)) for x in range(8)]
    assert shades != [shades[0]] * 8


def test_no_two_photos_are_alike_and_each_can_be_made_again() -> None:
    photos = Photos(7, 4096)
    made = {photos.of(kind, person) for kind in ("ktp", "selfie") for person in range(500)}

    assert len(made) == 1000
    assert photos.of("selfie", 3) == Photos(7, 4096).of("selfie", 3)
    assert photos.of("selfie", 3) != Photos(8, 4096).of("selfie", 3)


def test_a_photo_too_small_to_be_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 256"):
        Photos(7, SMALLEST - 1)
