"""A drawn data set: tissue with glands that touch, vessels that look like them, and artefacts.

Small and free of licences, so that the loop can be tried and tested anywhere; hard enough that
strategies differ. It resembles H&E, and no result on it says anything about patients.
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from askmask.data.drawn.optics import photograph
from askmask.data.drawn.staining import stain
from askmask.data.drawn.tissue import Grade, lay_out
from askmask.data.prepared import DatasetWriter
from askmask.errors import ShapeError
from askmask.records import ClassMap, ImageInfo, Mask
from askmask.seeds import numpy_generator

DEMO_CLASSES = ClassMap(("background", "gland", "vessel"))
"""Classes of the drawn tissue."""

SMALLEST = 32
"""Fewest rows and columns of a drawn image."""


def draw_tissue(
    seed: int, height: int, width: int, *, grade: str = "benign"
) -> tuple[UInt8[np.ndarray, "H W 3"], Mask]:
    """Draw one image of tissue and its mask.

    Parameters
    ----------
    seed : int
        Another seed draws other tissue.
    height, width : int
        Pixels, each >= `SMALLEST`; a larger image shows more tissue.
    grade : {"benign", "malignant"}
        Regular glands with one row of nuclei, or irregular, fused and crowded ones.

    Returns
    -------
    image : (H, W, 3) uint8 array
        RGB.
    mask : Mask
        Classes `DEMO_CLASSES`, every pixel labelled; each gland and vessel is an instance, also
        where it touches the next.

    Raises
    ------
    ShapeError
        If the image would be smaller than `SMALLEST`.
    ValueError
        If there is no such grade.
    """
    if min(height, width) < SMALLEST:
        raise ShapeError(
            f"expected an image of at least {SMALLEST} x {SMALLEST} pixels, got {height} x {width}."
        )
    kind = Grade(grade)
    generator = numpy_generator(seed, "tissue", kind.value, height, width)
    layout = lay_out(generator, (height, width), kind)
    image = photograph(generator, stain(generator, layout, kind))
    return image, Mask(layout.labels, layout.objects)


def write_demo(
    out: Path,
    *,
    seed: int = 0,
    n_train: int = 36,
    n_validation: int = 6,
    n_test: int = 24,
    size: tuple[int, int] = (128, 128),
) -> None:
    """Write the drawn data set as a prepared data set.

    Parameters
    ----------
    out : Path
        The folder to make; absent or empty.
    seed : int
        Another seed draws other tissue.
    n_train, n_validation : int
        Together the images of split ``"train"``, to which no role is given: the config draws the
        start and the validation set from them.
    n_test : int
        Images of split ``"test"``, role ``"test"``.
    size : (int, int)
        Rows and columns of each image.

    Raises
    ------
    SourceError
        If `out` holds something.
    ShapeError
        If `size` is too small.

    Notes
    -----
    Images alternate between the groups ``"benign"`` and ``"malignant"``. An image depends on
    `seed`, its own number and `size` only, not on how many there are.
    """
    parts = (("train", n_train + n_validation, None), ("test", n_test, "test"))
    grades = tuple(Grade)
    with DatasetWriter(out, DEMO_CLASSES, f"drawn tissue, seed {seed}") as writer:
        for split, n_images, role in parts:
            for number in range(1, n_images + 1):
                grade = grades[(number - 1) % len(grades)]
                own_seed = _image_seed(seed, split, number)
                image, mask = draw_tissue(own_seed, *size, grade=grade)
                info = ImageInfo(f"{split}_{number:02d}", *size, split, grade.value, role)
                writer.add(info, image, mask)


def _image_seed(seed: int, split: str, number: int) -> int:
    return int(numpy_generator(seed, "demo", split, number).integers(2**62))
