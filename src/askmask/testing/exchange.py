"""What every exchange format guarantees; see `askmask.formats.format.Format`."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from askmask.formats.format import Expected, Export, Format, Item
from askmask.formats.names import image_names, known_image_names
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Labels, Region

CLASSES = ClassMap(("ground", "gland", "a & b"))
SLIDE = ImageInfo("slide/1", 24, 30)
IMAGES = {"slide/1": SLIDE, "slide:1": ImageInfo("slide:1", 6, 9)}
ASKED = {
    "r001_001_slide_1": Region("slide/1", 3, 5, 8, 11),
    "r001_002_slide_1": Region("slide/1", 12, 0, 8, 11),
}


def picture(image_id: str) -> npt.NDArray[np.uint8]:
    """Pixels of an image of `IMAGES`."""
    info = IMAGES[image_id]
    values = np.arange(info.height * info.width * 3) % 251
    return values.astype(np.uint8).reshape(info.height, info.width, 3)


def batch(
    items: Iterable[Item], *, has_background: bool = True, is_prediction: bool = False
) -> Export:
    """Export of some items of `IMAGES`."""
    return Export(
        classes=CLASSES,
        has_background=has_background,
        is_prediction=is_prediction,
        model="round_000.safetensors",
        items=items,
        images=IMAGES,
        read_image=picture,
    )


def expected(*, has_background: bool = True) -> Expected:
    """What a file that comes back may speak of."""
    names = known_image_names(IMAGES.values()) | ASKED
    return Expected(CLASSES, has_background, names, IMAGES)


def drawn() -> Labels:
    """A ring with a hole, a dot in it, touching classes, and pixels that nobody labelled."""
    rows = (
        "000000000..",
        "01111111022",
        "01000001022",
        "01010001122",
        "01000001.22",
        "011111110.0",
        "00000000000",
        "2.......000",
    )
    values = {".": UNLABELLED, "0": 0, "1": 1, "2": 2}
    return np.array([[values[mark] for mark in row] for row in rows], np.int16)


class FormatContract:
    """Subclass it, and set `format` to a format whose round trip is exact."""

    format: Format

    def test_every_pixel_of_two_regions_of_one_image_comes_back(self, tmp_path: Path) -> None:
        (first, one), (second, other) = ASKED.items()
        items = [Item(first, one, drawn()), Item(second, other, drawn()[::-1].copy())]
        assert self.format.write(tmp_path, batch(items)) == 2
        found = {item.region: item.labels for item in self.format.read(tmp_path, expected()).found}
        assert set(found) == {one, other}
        np.testing.assert_array_equal(found[one], drawn())
        np.testing.assert_array_equal(found[other], drawn()[::-1])

    def test_classes_without_a_background_come_back(self, tmp_path: Path) -> None:
        (name, region) = next(iter(ASKED.items()))
        self.format.write(tmp_path, batch([Item(name, region, drawn())], has_background=False))
        (found,) = self.format.read(tmp_path, expected(has_background=False)).found
        np.testing.assert_array_equal(found.labels, drawn())

    def test_whole_images_with_like_names_come_back_to_their_own(self, tmp_path: Path) -> None:
        names = image_names(IMAGES.values())
        rasters = {
            name: np.full((region.height, region.width), index, np.int16)
            for index, (name, region) in enumerate(names.items(), start=1)
        }
        items = [Item(name, names[name], labels) for name, labels in rasters.items()]
        self.format.write(tmp_path, batch(items))
        for found in self.format.read(tmp_path, expected()).found:
            value = 1 if found.region.image_id == "slide/1" else 2
            assert (found.labels == value).all()
