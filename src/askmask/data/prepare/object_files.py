"""Images whose objects lie in files of their own: which file belongs to which image.

Three layouts are read, as public sets of nuclei and cells come:

::

    masks/IMAGE/ANY.png                         a folder for each image, named as it
    masks/IMAGE_ANY.png                         names that begin with the image's
    SET/IMAGE/images/IMAGE.png, SET/IMAGE/masks/ANY.png      one tree for both
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from askmask.data.prepare.pairing import PairedImage, condensed, missing_masks
from askmask.data.prepare.stored_files import StoredFile

MASK_FOLDERS: Final = frozenset(
    {"mask", "masks", "label", "labels", "annotation", "annotations", "groundtruth", "ground_truth"}
)
"""Names of folders, in lower case, whose pictures are masks and no images to label."""
_IMAGE_FOLDERS: Final = frozenset({"image", "images", "img"})
_SEPARATORS: Final = "_- ."


def is_in_mask_folder(file: StoredFile) -> bool:
    """Whether a folder on the way to a file says that it is a mask."""
    return any(part.lower() in MASK_FOLDERS for part in file.folder.split("/"))


def pair_objects(
    images: dict[str, StoredFile],
    masks: Sequence[StoredFile],
    *,
    mask_suffix: str = "",
    allow_missing_masks: bool = False,
) -> tuple[list[PairedImage], list[str]]:
    """Pair images and the files of their objects.

    Parameters
    ----------
    images : dict of str to StoredFile
        By stem.
    masks : sequence of StoredFile
        Files of objects; in one tree with the images, or in a folder of their own.
    mask_suffix : str
        What follows the image's name in the name of a folder or file of its objects.
    allow_missing_masks : bool
        Whether an image may have no object file; it is then for a person to label.

    Returns
    -------
    items : list of PairedImage
        One for each image, sorted by id. In a tree with one image in each folder ``images``, the
        id is the path of the folder above it.
    problems : list of str
        Images without files, unless allowed, files that belong to no image, and files that could
        belong to several.
    """
    found, orphans, unclear = assign_objects(images, masks, mask_suffix=mask_suffix)
    items = [
        PairedImage(image_id, image, None, objects=tuple(found.get(stem, ())))
        for stem, image, image_id in _with_ids(images)
    ]
    items.sort(key=lambda item: item.image_id)
    without = [] if allow_missing_masks else [item for item in items if not item.objects]
    return items, [
        *missing_masks(without, mask_suffix),
        *condensed(
            orphans,
            [f"{name!r}: no image for it. Add the image, or remove the file." for name in orphans],
            "files of objects have no image. Add the images, or remove the files",
        ),
        *unclear,
    ]


def assign_objects(
    images: dict[str, StoredFile], masks: Sequence[StoredFile], *, mask_suffix: str = ""
) -> tuple[dict[str, list[StoredFile]], list[str], list[str]]:
    """Files of objects by the stem of their image; names without an image; and what is unclear."""
    alone = _alone_in_folder(images)
    found: dict[str, list[StoredFile]] = defaultdict(list)
    orphans, unclear = [], []
    for mask in sorted(masks, key=lambda file: file.name):
        owners = _owners(mask, images, alone, mask_suffix)
        if len(owners) > 1:
            unclear.append(
                f"{mask.name!r}: could be of {' or of '.join(map(repr, owners))}. Put the files of "
                "each image into a folder of its name."
            )
        elif owners:
            found[owners[0]].append(mask)
        else:
            orphans.append(mask.name)
    return found, orphans, unclear


def _owners(
    mask: StoredFile, images: dict[str, StoredFile], alone: dict[str, str], suffix: str
) -> list[str]:
    """Stems of the images that a file may belong to."""
    above, _, name = mask.folder.rpartition("/")
    if name.lower() in MASK_FOLDERS and above in alone:
        return [alone[above]]
    if mask.folder.removesuffix(suffix) in images:
        return [mask.folder.removesuffix(suffix)]
    stem = mask.stem
    places = [place for place, letter in enumerate(stem) if letter in _SEPARATORS]
    starts = [stem[:place] for place in places] if not suffix else [stem.partition(suffix)[0]]
    return [start for start in starts if start in images]


def _alone_in_folder(images: dict[str, StoredFile]) -> dict[str, str]:
    """Stem of the only image of each folder ``X/images``, by ``X``."""
    inside: dict[str, list[str]] = defaultdict(list)
    for stem, image in images.items():
        above, slash, name = image.folder.rpartition("/")
        if slash and name.lower() in _IMAGE_FOLDERS:
            inside[above].append(stem)
    return {above: stems[0] for above, stems in inside.items() if len(stems) == 1}


def _with_ids(images: dict[str, StoredFile]) -> list[tuple[str, StoredFile, str]]:
    """Stem, file and id of each image."""
    short = {stem: above for above, stem in _alone_in_folder(images).items()}
    return [(stem, image, short.get(stem, stem)) for stem, image in images.items()]
