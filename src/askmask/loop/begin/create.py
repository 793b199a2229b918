"""Making a project, from whichever kind of images: checked, prepared, begun, or nothing is left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from askmask.config import load_config
from askmask.data.prepare.checks import ProgressCallback
from askmask.data.prepare.folder import PrepareOptions, prepare_folder
from askmask.data.prepare.writing import PrepareSummary
from askmask.data.slides.opening import find_slides
from askmask.data.slides.preparing import (
    WORKING_MPP,
    SlideOptions,
    write_slide_set,
)
from askmask.errors import ConfigError, ProjectError
from askmask.loop.project import CONFIG_NAME
from askmask.progress import Lap, unheeded
from askmask.whole_folders import clear_unfinished, whole_folder

SLIDES_FOLDER: Final = "slides"
"""Folder of a project that holds what is known of its slides."""


@dataclass(frozen=True, slots=True)
class ImageFolders:
    """Folders of images and masks, and the options that say how to read them."""

    images: Path
    masks: Path | None
    options: PrepareOptions


@dataclass(frozen=True, slots=True)
class Slides:
    """Slides as people have them, and what was said of them."""

    paths: Sequence[Path]
    options: SlideOptions
    masks: Path | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a project began.

    Attributes
    ----------
    labelled, validation, pool : int
        Images: with known masks, to learn from; kept apart; to be asked about.
    notes : tuple of str
        What a person should know of the images, a sentence or two each.
    """

    labelled: int
    validation: int
    pool: int
    notes: tuple[str, ...]


def create_project(
    root: Path,
    *,
    dataset: Path | None = None,
    folders: ImageFolders | Slides | None = None,
    source: str | None = None,
    overrides: Sequence[str] = (),
    progress: ProgressCallback | None = None,
    on_prepared: Callable[[PrepareSummary], object] | None = None,
    lap: Lap = unheeded,
) -> Beginning:
    """Make a project with settings that fit, and take in the masks of its start images.

    Parameters
    ----------
    root : Path
        The project's folder, without a project; made if it is absent.
    dataset : Path, optional
        A prepared data set, left where it is.
    folders : ImageFolders or Slides, optional
        Images to be checked and prepared inside the project; or slides, which stay where they are,
        while what is found of them is kept inside the project.
    source : str, optional
        ``"package.module:factory"``, which makes a `Source`.
    overrides : sequence of str
        ``dotted.key=value``: settings that stay as given, whatever the images are like.
    progress : callable, optional
        Told how many of the images or slides of `folders` are done, and of how many.
    on_prepared : callable, optional
        Told what the images of `folders` came to.
    lap : callable, optional
        Told what was just done, as it is done.

    Returns
    -------
    Beginning

    Raises
    ------
    ConfigError
        Unless exactly one of the three is given; if a setting is wrong, or classes have no names.
    ProjectError
        If there is a project in `root`.
    UnknownName, WeightsError
        If there is no such network, or no such file of weights.
    PrepareError
        With a line for every problem of every image. Nothing is left behind by any error.
    """
    _check_one_of(dataset, folders, source)
    clear_unfinished(root, last=CONFIG_NAME)
    if (root / CONFIG_NAME).exists():
        raise ProjectError(
            f"expected no project in {str(root)!r}, found {CONFIG_NAME}. "
            "Choose another folder, or go on with that project."
        )
    from askmask.loop.begin.begin import TEMPLATE, begin_project  # loads torch
    from askmask.loop.begin.slide_masks import write_slide_masks
    from askmask.models.build import check_start

    lap("loading")
    named = "data.path=." if source is None else f"data.source={source}"
    if isinstance(folders, Slides):
        overrides = [f"data.mpp={WORKING_MPP!r}", *overrides]
    config = load_config(TEMPLATE, [named, *overrides])  # a wrong setting is told before any work
    check_start(config.model)
    with whole_folder(root, last=CONFIG_NAME) as unfinished:
        if isinstance(folders, ImageFolders):
            dataset = unfinished / "dataset"
            summary = _prepare(folders, dataset, progress)
            lap("checking and preparing images")
            if on_prepared is not None:
                on_prepared(summary)
        if isinstance(folders, Slides):
            dataset = unfinished / SLIDES_FOLDER
            mpp = config.data.mpp or WORKING_MPP
            options = replace(folders.options, mpp=mpp)
            write_slide_set(find_slides(folders.paths), dataset, options, progress)
            if folders.masks is not None:
                write_slide_masks(
                    dataset, folders.masks, has_background=config.evaluation.has_background
                )
            lap("looking at slides")
            overrides = [*overrides, f"data.mpp={mpp!r}"]
        path = "null" if dataset is None else str(dataset.resolve())
        settings = [f"data.path={path}", *([] if source is None else [named]), *overrides]
        return begin_project(unfinished, settings, lap=lap)


def _check_one_of(
    dataset: Path | None, folders: ImageFolders | Slides | None, source: str | None
) -> None:
    named = {"--data": dataset, "--images": folders, "--source": source}
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1:
        raise ConfigError(
            "expected one of --data DATASET, --images FOLDER, --slides SLIDES and --source "
            f"PACKAGE:FACTORY, got {' and '.join(given) or 'none of them'}. Give the one that you "
            "have."
        )


def _prepare(folders: ImageFolders, out: Path, progress: ProgressCallback | None) -> PrepareSummary:
    """Check every image and mask and write them as a prepared data set."""
    said = folders.options
    if folders.masks is None and said.classes is None and said.classes_file is None:
        raise ConfigError(
            "expected the names of the classes, got none. Give them in the order of their indices, "
            "the background first: --classes background,gland"
        )
    options = replace(said, allow_missing_masks=True)
    return prepare_folder(folders.images, folders.masks, out, options=options, progress=progress)
