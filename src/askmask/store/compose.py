"""How answers become the labelled set: the newest label of each pixel wins.

Pure functions on arrays; the store calls them and keeps the answers. Two rules hold everywhere:

- A pixel that a newer answer leaves `UNLABELLED` keeps its older label: "I do not know" takes
  nothing away that somebody else knew. To change a label, answer with another one.
- Objects of different answers are different objects, so their ids are shifted apart; answers that
  were cut from one whole-image mask (`Piece.keeps_ids`) keep their ids, so that an object cut by
  two regions stays one object.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from askmask.records import UNLABELLED, Instances, Labels, Mask, Region

Slices = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Labels of a region, as one answer gave them; `keeps_ids`: cut from a whole-image mask."""

    region: Region
    mask: Mask
    keeps_ids: bool = False


@dataclass(frozen=True, slots=True)
class Gain:
    """Pixels and edges that an answer adds to the labelled set of its image.

    Attributes
    ----------
    pixels : int
        Pixels that had no label before and have one now.
    boundary_length : int
        Edges between 4-neighbours of different classes of which at least one pixel is new. An
        edge to an unlabelled pixel is none. A correction of known pixels adds nothing.
    """

    pixels: int
    boundary_length: int


def compose(window: Region, newest_first: Iterable[Piece]) -> Mask:
    """Labelled set inside a window, the newest label of each pixel.

    Parameters
    ----------
    window : Region
        Part of one image; the whole image as a rule.
    newest_first : iterable of Piece
        Of the same image. Parts outside the window are left out. It is read no further than the
        window has unlabelled pixels, so that older versions of an image's labels cost nothing.

    Returns
    -------
    Mask
        Fresh arrays of the window's size. `instances` is None if a piece without them shows at a
        pixel, or if nothing is labelled. Otherwise the pieces that keep their ids have theirs,
        and the objects of the others have larger ids, in the order of their answers.
    """
    labels = np.full((window.height, window.width), UNLABELLED, np.int16)
    showing: list[tuple[Piece, Slices, Slices, npt.NDArray[np.bool_]]] = []
    left = labels.size
    for piece in newest_first:
        shared = _shared(window, piece.region)
        if shared is None:
            continue
        there, here = shared
        given = piece.mask.labels[here]
        shows = (labels[there] == UNLABELLED) & (given != UNLABELLED)
        count = int(shows.sum())
        if count:
            labels[there][shows] = given[shows]
            showing.append((piece, there, here, shows))
            left -= count
        if left == 0:
            break
    masks = [piece.mask.instances for piece, *_ in showing]
    if not showing or any(ids is None for ids in masks):
        return Mask(labels)
    instances = np.zeros(labels.shape, np.int32)
    showing.reverse()
    offsets = _id_offsets([piece for piece, *_ in showing])
    for (piece, there, here, shows), offset in zip(showing, offsets, strict=True):
        assert piece.mask.instances is not None, "checked above"
        ids = piece.mask.instances[here]
        instances[there][shows] = np.where(ids > 0, ids + offset, 0)[shows]
    return Mask(labels, instances)


def gain(image: Region, new: Piece, older: Iterable[Piece]) -> Gain:
    """What `new` adds to the labels that `older` pieces gave.

    Parameters
    ----------
    image : Region
        The whole image.
    new : Piece
        The newest answer.
    older : iterable of Piece
        Every older one of the image, newest first; those that do not reach into `new` or its
        neighbouring pixels may be left out.
    """
    window = grown(new.region, image)  # neighbours of the region's border pixels count too
    before = compose(window, older).labels
    after = compose(window, [new, Piece(window, Mask(before))]).labels
    is_new = (before == UNLABELLED) & (after != UNLABELLED)
    return Gain(int(is_new.sum()), _new_edges(after, is_new))


def grown(region: Region, image: Region) -> Region:
    """Return `region` with one more pixel on each side, as far as the image reaches."""
    row, col = max(region.row - 1, 0), max(region.col - 1, 0)
    bottom = min(region.row + region.height + 1, image.height)
    right = min(region.col + region.width + 1, image.width)
    return Region(region.image_id, row, col, bottom - row, right - col)


def mask_digest(mask: Mask) -> bytes:
    """16 bytes that are equal where labels and objects are.

    Which number an object has does not matter, only which pixels it holds.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(np.array(mask.labels.shape, "<i8").tobytes())
    digest.update(np.ascontiguousarray(mask.labels, "<i2").tobytes())
    if mask.instances is not None:
        digest.update(b"instances")
        digest.update(_renumbered(mask.instances).astype("<i4").tobytes())
    return digest.digest()


def _id_offsets(pieces: Sequence[Piece]) -> list[int]:
    """Number to add to the ids of each piece; only pieces that keep their ids share some."""
    largest = [0 if p.mask.instances is None else int(p.mask.instances.max()) for p in pieces]
    kept = [top for top, piece in zip(largest, pieces, strict=True) if piece.keeps_ids]
    start = max(kept, default=0)
    offsets = []
    for top, piece in zip(largest, pieces, strict=True):
        offsets.append(0 if piece.keeps_ids else start)
        start += 0 if piece.keeps_ids else top
    return offsets


def _shared(window: Region, region: Region) -> tuple[Slices, Slices] | None:
    """Slices of the part that both boxes hold, in the window's array and in the region's."""
    if not window.overlaps(region):
        return None
    top, left = max(window.row, region.row), max(window.col, region.col)
    bottom = min(window.row + window.height, region.row + region.height)
    right = min(window.col + window.width, region.col + region.width)
    return _from(window, top, left, bottom, right), _from(region, top, left, bottom, right)


def _from(box: Region, top: int, left: int, bottom: int, right: int) -> Slices:
    return slice(top - box.row, bottom - box.row), slice(left - box.col, right - box.col)


def _new_edges(labels: Labels, is_new: npt.NDArray[np.bool_]) -> int:
    count = 0
    for first, second in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),  # vertical neighbours
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),  # horizontal neighbours
    ):
        one, other = labels[first], labels[second]
        both = (one != UNLABELLED) & (other != UNLABELLED)
        count += int((both & (one != other) & (is_new[first] | is_new[second])).sum())
    return count


def _renumbered(instances: Instances) -> Instances:
    """Return objects numbered 1, 2, ... in the order of their first pixel; 0 stays 0."""
    flat = instances.ravel()
    first = np.full(int(flat.max(initial=0)) + 1, flat.size)  # of each id; absent ids go last
    first[flat[::-1]] = np.arange(flat.size)[::-1]  # where an id comes again, the last write stays
    first[0] = -1
    numbers = np.empty(first.size, np.int32)
    numbers[first.argsort(kind="stable")] = np.arange(first.size)
    return numbers[instances]
