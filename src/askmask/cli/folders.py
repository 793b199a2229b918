"""A project straight from folders of images: checked, prepared, and settings that fit them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from askmask.cli.prepare import counting, print_summary
from askmask.data.prepare.folder import PrepareOptions, prepare_folder
from askmask.errors import ConfigError, SourceError
from askmask.records import ImageInfo

SMALLEST_SIDE: Final = 32
"""Below this a network has nothing to look at."""
_NAMED: Final = 5
_TEMPLATE_REGION: Final = 128
_TEMPLATE_CROP: Final = 192


@dataclass(frozen=True, slots=True)
class ImageFolders:
    """What `askmask init` was told of images and masks."""

    images: Path
    masks: Path | None
    options: PrepareOptions


def prepare_images(folders: ImageFolders, out: Path, *, shown_as: Path) -> None:
    """Check every image and mask and write them as a prepared data set.

    Parameters
    ----------
    folders : ImageFolders
        Where they are, and what was said of them.
    out : Path
        Where to write.
    shown_as : Path
        Where it will be when all is done: what is printed.

    Raises
    ------
    PrepareError
        With a line for every problem; nothing is written.
    ConfigError
        If the classes have no names.
    """
    said = folders.options
    if folders.masks is None and said.classes is None and said.classes_file is None:
        raise ConfigError(
            "expected the names of the classes, got none. Give them in the order of their indices, "
            "the background first: --classes background,gland"
        )
    options = replace(said, allow_missing_masks=True, smallest_side=SMALLEST_SIDE)
    with counting("checking images") as show:
        summary = prepare_folder(folders.images, folders.masks, out, options=options, progress=show)
    print_summary(summary, shown_as=shown_as)


def check_sizes(infos: Sequence[ImageInfo]) -> None:
    """Refuse images that no network can look at, before a project is made of them.

    Raises
    ------
    SourceError
        With their names.
    """
    small = [info for info in infos if min(info.height, info.width) < SMALLEST_SIDE]
    if small:
        named = ", ".join(f"{i.image_id!r} ({i.height} x {i.width})" for i in small[:_NAMED])
        more = f" and {len(small) - _NAMED} more" if len(small) > _NAMED else ""
        raise SourceError(
            f"expected images of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels, or a network "
            f"has nothing to look at, got {named}{more}. Prepare the data set without them, or at "
            "a larger scale."
        )


def settings_for(infos: Sequence[ImageInfo]) -> list[str]:
    """Overrides of the template that a data set needs: what is labelled, and how large images are.

    Without any mask the first query comes before any label, and nothing is kept for validation.
    """
    masked = sum(info.has_mask and info.split == "train" for info in infos)
    settings = []
    if masked == 0:
        settings += ["data.start=none", "data.validation=0"]
    elif masked <= 2:  # every label is needed to learn from
        settings.append("data.validation=0")
    side = min(min(info.height, info.width) for info in infos)
    if side < _TEMPLATE_REGION:
        region = max(side // 2, 1)
        settings.append(f"query.region.size=[{region}, {region}]")
        settings.append(f"query.region.stride={max(region // 4, 1)}")
    if side < _TEMPLATE_CROP:
        settings.append(f"training.crop={max(side, SMALLEST_SIDE)}")
    return settings
