"""Hypothesis strategies for answers to a small image, shared by the tests of what composes them."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from askmask.records import UNLABELLED, Mask, Region
from askmask.store.compose import Piece

IMAGE = Region("image", 0, 0, 6, 7)


@st.composite
def regions(draw: st.DrawFn, image: Region = IMAGE) -> Region:
    top, bottom = sorted(draw(st.sets(st.integers(0, image.height), min_size=2, max_size=2)))
    left, right = sorted(draw(st.sets(st.integers(0, image.width), min_size=2, max_size=2)))
    return Region(image.image_id, top, left, bottom - top, right - left)


@st.composite
def masks(draw: st.DrawFn, height: int, width: int, *, instances: bool | None = None) -> Mask:
    shape = (height, width)
    labels = draw(hnp.arrays(np.int16, shape, elements=st.integers(UNLABELLED, 2)))
    if instances is None:
        instances = draw(st.booleans())
    ids = draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 3))) if instances else None
    return Mask(labels, ids)


@st.composite
def pieces(draw: st.DrawFn, *, instances: bool | None = None) -> Piece:
    region = draw(regions())
    mask = draw(masks(region.height, region.width, instances=instances))
    return Piece(region, mask, keeps_ids=draw(st.booleans()))


def newest_labels(given: list[Piece], image: Region = IMAGE) -> np.ndarray:
    """Labels of the whole image by plain loops, the reference of `compose`."""
    labels = np.full((image.height, image.width), UNLABELLED, np.int16)
    for piece in given:
        for row in range(piece.region.height):
            for col in range(piece.region.width):
                value = piece.mask.labels[row, col]
                if value != UNLABELLED:
                    labels[piece.region.row + row, piece.region.col + col] = value
    return labels


def boundary_edges(labels: np.ndarray) -> int:
    """Edges between labelled 4-neighbours of different classes, by plain loops."""
    lines = [list(line) for line in labels] + [list(line) for line in labels.T]
    return sum(
        one != other and UNLABELLED not in (one, other)
        for line in lines
        for one, other in pairwise(line)
    )
