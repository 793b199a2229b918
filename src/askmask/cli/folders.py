"""A project straight from folders of images: checked and prepared."""

from dataclasses import dataclass, replace
from pathlib import Path

from askmask.cli.prepare import counting, print_summary
from askmask.data.prepare.folder import PrepareOptions, prepare_folder
from askmask.errors import ConfigError


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
    options = replace(said, allow_missing_masks=True)
    with counting("checking images") as show:
        summary = prepare_folder(folders.images, folders.masks, out, options=options, progress=show)
    print_summary(summary, shown_as=shown_as)
