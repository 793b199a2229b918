"""Changing the classes of a project that has answers: names, colours, and classes that come later.

A label in an answer is a number, so a name or a colour changes no answer. A class that is added has
a new number. Nothing else can be changed: answers speak of every class that there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from askmask.config import (
    Config,
    commented_yaml,
    load_written_config,
    reasons_in,
    with_overrides,
    written_config,
)
from askmask.data.from_config import open_source
from askmask.errors import ConfigError, ProjectError
from askmask.loop.project import CONFIG_NAME, DATABASE_NAME
from askmask.records import ClassMap
from askmask.runtime.worker_lock import only_worker
from askmask.store.store import Store
from askmask.whole_files import write_atomically

PATIENCE_SECONDS: Final = 10.0
"""How long a worker that was just told to end may take."""


@dataclass(frozen=True, slots=True)
class ClassChange:
    """What a change of the classes did.

    Attributes
    ----------
    added : tuple of str
        Classes that are new.
    renamed : tuple of (str, str)
        Names before and now.
    labelled_images : int
        Images with answers, which say nothing of the new classes.
    models : int
        Models that were set aside, since they know fewer classes.
    """

    added: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    labelled_images: int
    models: int


def change_classes(root: Path, names: Sequence[str], colours: Mapping[str, str]) -> ClassChange:
    """Give the classes of a project other names and colours, and add classes.

    Answers stay as they are. With a new class the models so far are moved to a folder of their own
    in ``models/``: a network has one output for each class. The next training starts from all
    answers.

    Parameters
    ----------
    root : Path
        The project's folder; nobody works on it.
    names : sequence of str
        In index order: those that there are, renamed or not, then the new ones.
    colours : mapping of str to str
        ``"#rrggbb"`` by name, for the page.

    Raises
    ------
    ConfigError
        If there are fewer names than classes, two are alike, or one cannot be shown.
    ProjectError
        If there is no project, its classes belong to a source of its own, or somebody works on it.
    """
    path = root / CONFIG_NAME
    if not path.is_file():
        raise ProjectError(f"expected a project in {str(root)!r}, found no {CONFIG_NAME}.")
    config = load_written_config(path)
    before = open_source(config.data).classes.names
    after = ClassMap.of(tuple(names)).names
    if len(after) < len(before):
        raise ConfigError(
            f"expected at least the {len(before)} classes {list(before)!r}, got {len(after)}. A "
            "class cannot be removed, since answers speak of it; rename it instead."
        )
    if after != before and config.data.source is not None:
        raise ProjectError(
            f"the classes of this project belong to its source {config.data.source!r}. Change them "
            "there; here only colours can be changed."
        )
    with only_worker(root, patience_seconds=PATIENCE_SECONDS):
        # Models first: killed in between, a project without models trains again.
        models = _set_models_aside(root, len(before)) if len(after) > len(before) else 0
        _write(path, config, before, after, colours)
    with Store(root / DATABASE_NAME) as store:
        labelled = len(list(store.labelled_images()))
    return ClassChange(
        added=after[len(before) :],
        renamed=tuple((a, b) for a, b in zip(before, after, strict=False) if a != b),
        labelled_images=labelled,
        models=models,
    )


def _write(
    path: Path,
    config: Config,
    before: tuple[str, ...],
    after: tuple[str, ...],
    colours: Mapping[str, str],
) -> None:
    changed: dict[str, object] = {"serve.colours": dict(colours)}
    if after != before:
        changed["data.classes"] = list(after)
    reasons = reasons_in(path.read_text(encoding="utf-8"))
    config = written_config(with_overrides(config, changed), path.parent)
    write_atomically(path, commented_yaml(config, reasons))


def _set_models_aside(root: Path, n_classes: int) -> int:
    """Move every file of ``models/`` to a folder in it; return how many models that were."""
    folder = root / "models"
    files = [entry for entry in folder.iterdir() if entry.is_file()]
    if not files:
        return 0
    number = 1
    while (target := folder / f"of_{n_classes}_classes_{number}").exists():
        number += 1
    target.mkdir()
    for file in files:
        file.rename(target / file.name)
    return sum(file.suffix == ".safetensors" for file in files)
