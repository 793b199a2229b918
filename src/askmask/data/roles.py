"""Which images the loop starts from, may ask about, validates on and is tested on."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from askmask.config import DataConfig
from askmask.errors import ConfigError
from askmask.records import ImageInfo
from askmask.seeds import derive_key

LEAST_LABELLED: Final = 6
"""Of fewer labelled images none is kept apart later: every label is needed to learn from."""
KEPT_SHARE: Final = 5
"""One image of so many is kept."""
MOST_KEPT: Final = 20
_LEARNING_SPLIT = "train"


@dataclass(frozen=True, slots=True)
class Roles:
    """Image ids by role, each in the order of the source; no id comes twice.

    `start` is labelled from the beginning, `pool` may be asked about, `validation` and `test` are
    only ever judged on.
    """

    start: tuple[str, ...]
    pool: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def assign_roles(images: Sequence[ImageInfo], data: DataConfig, seed: int) -> Roles:
    """Divide the images of a source.

    Start, pool and validation images come from the split ``"train"``; the images of other splits
    are used only if `data.test` names their split. An image without a mask is always in the pool.
    A number of images is drawn such that the groups keep their proportions; a larger draw of the
    same seed contains the smaller one. Draws depend on the ids, not on the order of `images`.

    Parameters
    ----------
    images : sequence of ImageInfo
        Every image of the source.
    data : DataConfig
        The rules. Without `data.test`, the images whose role is ``"test"`` are tested on.
    seed : int
        Seed of the trial: draws the start set. The validation set is drawn from
        `data.split_seed`, so that every trial is judged on the same images.

    Returns
    -------
    Roles

    Raises
    ------
    ConfigError
        If a split, a role or an image of `data.leave_out` does not exist, too many images are asked
        for, the start set would be empty, or an image of a fixed role other than the pool has no
        mask.
    """
    images = _taking_part(images, data)
    test = _test_images(images, data)
    taken = {info.image_id for info in test}
    learning = [
        info
        for info in images
        if info.split == _LEARNING_SPLIT and info.role != "test" and info.image_id not in taken
    ]
    if not learning:
        raise ConfigError(
            f"expected images in the split {_LEARNING_SPLIT!r} that are not tested on, got none; "
            f"the splits are {_splits(images)}. Prepare the data set with such a split."
        )
    validation = _validation_images(learning, data)
    rest = _without(learning, validation)
    start = _start_images(rest, data, seed)
    pool = _without(rest, start)
    return Roles(_ids(start), _ids(pool), _ids(validation), _ids(test))


def with_kept(roles: Roles, kept: Collection[str]) -> Roles:
    """Roles after some images of the start set and the pool were kept for validation."""
    learning = (*roles.start, *roles.pool)
    return Roles(
        start=tuple(name for name in roles.start if name not in kept),
        pool=tuple(name for name in roles.pool if name not in kept),
        validation=(*roles.validation, *(name for name in learning if name in kept)),
        test=roles.test,
    )


def kept_count(labelled: int) -> int:
    """How many of so many labelled images are kept for validation; 0 if there are too few.

    Examples
    --------
    >>> [kept_count(labelled) for labelled in (5, 6, 20, 500)]
    [0, 2, 4, 20]
    """
    if labelled < LEAST_LABELLED:
        return 0
    return min(max(2, labelled // KEPT_SHARE), MOST_KEPT)


def draw_stratified(images: Sequence[ImageInfo], count: int, seed: int, purpose: str) -> list[str]:
    """Draw images at random such that the groups keep their proportions.

    Within each group the images are ordered by a keyed hash; the image at place i of n stands at
    (i + 1/2) / n, and the `count` images that stand first are drawn. So a group of n among N gives
    about ``count * n / N`` images, and a larger draw contains the smaller one.

    Parameters
    ----------
    images : sequence of ImageInfo
        To draw from.
    count : int
        In [0, len(images)].
    seed : int
        Another seed draws others.
    purpose : str
        What the draw is for: draws for two purposes are independent.

    Returns
    -------
    list of str
        The ids drawn, in the order of drawing.
    """
    groups: dict[str | None, list[tuple[int, str]]] = defaultdict(list)
    for info in images:
        groups[info.group].append((derive_key(seed, purpose, info.image_id), info.image_id))
    places = [
        ((place + 0.5) / len(members), hashed, image_id)
        for members in groups.values()
        for place, (hashed, image_id) in enumerate(sorted(members))
    ]
    return [image_id for _, _, image_id in sorted(places)[:count]]


def _taking_part(images: Sequence[ImageInfo], data: DataConfig) -> list[ImageInfo]:
    unknown = sorted(set(data.leave_out) - {info.image_id for info in images})
    if unknown:
        raise ConfigError(
            f"expected ids of images in data.leave_out, got {unknown!r}, which the data set does "
            "not have. Correct or remove them."
        )
    return [info for info in images if info.image_id not in data.leave_out]


def _test_images(images: Sequence[ImageInfo], data: DataConfig) -> list[ImageInfo]:
    if not data.test:
        chosen = [info for info in images if info.role == "test"]
    else:
        unknown = sorted(set(data.test) - {info.split for info in images})
        if unknown:
            raise ConfigError(
                f"data.test names {unknown!r}, but the splits are {_splits(images)}. "
                "Choose among them."
            )
        chosen = [info for info in images if info.split in data.test]
    return _with_masks(chosen, "test")


def _validation_images(learning: list[ImageInfo], data: DataConfig) -> list[ImageInfo]:
    if data.validation == "dataset":
        return _with_masks([info for info in learning if info.role == "validation"], "validation")
    kept = {info.image_id for info in learning if data.start == "dataset" and info.role == "start"}
    free = [info for info in learning if info.has_mask and info.image_id not in kept]
    _check_count("data.validation", data.validation, len(free), smallest=0)
    return _draw(free, data.validation, data.split_seed, "validation")


def _start_images(rest: list[ImageInfo], data: DataConfig, seed: int) -> list[ImageInfo]:
    masked = [info for info in rest if info.has_mask]
    if data.start == "none":
        return []
    if data.start == "all":
        chosen = masked
    elif data.start == "dataset":
        chosen = _with_masks([info for info in rest if info.role == "start"], "start")
    else:
        _check_count("data.start", data.start, len(masked), smallest=1)
        chosen = _draw(masked, data.start, seed, "start")
    if not chosen:
        raise ConfigError(
            f"data.start={data.start!r} gives no image to start from. Set data.start to a number "
            "of images, to all to start from every image that has a mask, or to none to ask first."
        )
    return chosen


def _with_masks(images: list[ImageInfo], role: str) -> list[ImageInfo]:
    """Return the images if all have a mask, else say which have none."""
    bare = [info.image_id for info in images if not info.has_mask]
    if bare:
        raise ConfigError(
            f"{len(bare)} {role} images have no mask, e.g. {bare[0]!r}. "
            "Give their masks, or another role or split."
        )
    return images


def _draw(images: list[ImageInfo], count: int, seed: int, purpose: str) -> list[ImageInfo]:
    drawn = set(draw_stratified(images, count, seed, purpose))
    return [info for info in images if info.image_id in drawn]


def _check_count(name: str, count: int, available: int, smallest: int) -> None:
    if not smallest <= count <= available:
        raise ConfigError(
            f"expected {name} in [{smallest}, {available}] (images of the split "
            f"{_LEARNING_SPLIT!r} that have a mask and are free), got {count!r}."
        )


def _without(images: list[ImageInfo], taken: list[ImageInfo]) -> list[ImageInfo]:
    ids = {info.image_id for info in taken}
    return [info for info in images if info.image_id not in ids]


def _ids(images: list[ImageInfo]) -> tuple[str, ...]:
    return tuple(info.image_id for info in images)


def _splits(images: Sequence[ImageInfo]) -> list[str]:
    return sorted({info.split for info in images})
