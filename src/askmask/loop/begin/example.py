"""A small project that works at once: drawn tissue, a few images labelled, the rest to be asked."""

from pathlib import Path
from typing import Final

from askmask.config import load_written_config
from askmask.data.drawn.demo import write_demo
from askmask.errors import ProjectError
from askmask.loop.begin.create import Beginning
from askmask.loop.project import CONFIG_NAME
from askmask.whole_folders import whole_folder

NAME: Final = "example"
"""Name of the example project in its settings."""
LABELLED: Final = 4
KEPT: Final = 4
"""Images kept for validation."""
ASKED_ABOUT: Final = 24
SIDE: Final = 192
"""Rows and columns of its images."""
FIRST_SECONDS: Final = 8
"""What a training takes: somebody waits for the first one."""

_SETTINGS: Final = (
    f"name={NAME}",
    f"data.start={LABELLED}",
    f"data.validation={KEPT}",
    f"training.seconds={FIRST_SECONDS}",
    "training.dice_weight=1.0",  # vessels are a few pixels in a hundred
    "sampling.samples=10",
    "query.region.size=[64, 64]",
    "query.region.stride=16",
    "query.region.budget_regions=10",
    "serve.train_after=5",
)


def begin_example(root: Path) -> Beginning:
    """Draw the images and make the project; it appears whole or not at all.

    Parameters
    ----------
    root : Path
        The project's folder; absent or empty.

    Raises
    ------
    ProjectError
        If there is something in `root`.
    WeightsError
        If the network's weights cannot be had.
    """
    from askmask.loop.begin.begin import begin_project  # loads torch

    if root.is_dir() and any(root.iterdir()):
        raise ProjectError(
            f"expected an empty place for the example, found files in {str(root)!r}. Choose "
            "another: --folder FOLDER."
        )
    with whole_folder(root, last=CONFIG_NAME) as unfinished:
        dataset = unfinished / "dataset"
        write_demo(
            dataset,
            n_train=LABELLED + ASKED_ABOUT,
            n_validation=KEPT,
            n_test=0,
            size=(SIDE, SIDE),
        )
        return begin_project(unfinished, [f"data.path={dataset.resolve()}", *_SETTINGS])


def is_example(root: Path) -> bool:
    """Whether the example was made in a folder; False if there is no project.

    Raises
    ------
    ProjectError
        If there is another project.
    """
    path = root / CONFIG_NAME
    if not path.is_file():
        return False
    name = load_written_config(path).name
    if name != NAME:
        raise ProjectError(
            f"expected the example in {str(root)!r}, found the project {name!r}. Choose another "
            "folder for the example: --folder FOLDER."
        )
    return True
