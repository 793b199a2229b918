"""A project on disk: the config, the database, the models, and the images of its data set.

::

    askmask.yaml   every setting          models/round_003.safetensors   one model a round
    askmask.db     everything that happened   queries/round_003/          what was asked, as files
    reports/       what was drawn from it     scores/round_003.json       histograms of the scores
"""

import copy
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from askmask.config import Config, commented_yaml, load_written_config, written_config
from askmask.data.from_config import open_source
from askmask.data.roles import Roles, assign_roles, with_kept
from askmask.data.source import Closable, Source
from askmask.errors import ProjectError
from askmask.loop.begin.keeping import choose_kept
from askmask.records import ImageInfo, Mask, Region
from askmask.store.database import damage
from askmask.store.rounds import KeptApart
from askmask.store.store import Store, TrainingRecord
from askmask.whole_files import write_atomically

if TYPE_CHECKING:  # they need torch, which opening a project does not
    import torch

    import askmask.loop.round_model

START: Final = -1
"""Stands for a round before the first: a model as it is before any training."""
CONFIG_NAME = "askmask.yaml"
DATABASE_NAME = "askmask.db"


class Project:
    """An open project; close it, or use it in a ``with`` block.

    Parameters
    ----------
    root : Path
        The project's folder.
    config : Config
        Its settings.
    source : Source, optional
        Where images come from; by default the one that ``config.data`` names.

    Attributes
    ----------
    images : dict of str to ImageInfo
        Every image of the source by id.
    """

    def __init__(self, root: Path, config: Config, source: Source | None = None) -> None:
        self.root = root
        self.config = config
        self.source: Source = open_source(config.data) if source is None else source
        infos = self.source.images()
        self.images: dict[str, ImageInfo] = {info.image_id: info for info in infos}
        self._assigned = assign_roles(infos, config.data, config.seed)
        self.store = Store(root / DATABASE_NAME)
        try:
            if not self.store.is_read_only:
                for folder in ("models", "queries", "reports"):
                    (root / folder).mkdir(parents=True, exist_ok=True)
                self.store.add_images(infos)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        self.held_models: dict[str, Any] = {}  # Any: what `round_model` keeps here needs torch

    @classmethod
    def create(
        cls,
        root: Path,
        config: Config,
        source: Source | None = None,
        *,
        reasons: Mapping[str, str] | None = None,
    ) -> "Project":
        """Make a new project in an empty or absent folder.

        `reasons` are written above the settings that they are for, by dotted key.

        Raises
        ------
        ProjectError
            If `root` already holds a project.
        """
        path = root / CONFIG_NAME
        if path.exists():
            raise ProjectError(
                f"expected no project in {str(root)!r}, found {CONFIG_NAME}. "
                "Choose another folder, or go on with that project."
            )
        # Whatever cannot be used is refused before anything is written.
        source = open_source(config.data) if source is None else source
        assign_roles(source.images(), config.data, config.seed)
        root.mkdir(parents=True, exist_ok=True)
        saved = written_config(config, root)  # relative: the project and its images move together
        write_atomically(path, commented_yaml(saved, reasons or {}))
        return cls(root, config, source)

    @classmethod
    def open(cls, root: Path, source: Source | None = None) -> "Project":
        """Open the project in `root`; where this user may not write, for reading.

        Raises
        ------
        ProjectError
            If there is none, or its database is gone.
        """
        path = root / CONFIG_NAME
        if not path.is_file():
            raise ProjectError(
                f"expected a project in {str(root)!r}, found no {CONFIG_NAME}. "
                "Make one with `askmask init`."
            )
        models = sorted((root / "models").glob("*.safetensors"))
        if models and not (root / DATABASE_NAME).is_file():
            raise ProjectError(
                f"expected {DATABASE_NAME} in {str(root)!r}, which holds every answer, found none "
                f"beside {len(models)} trained models. Put a copy of it back, or make a new "
                "project with `askmask init`."
            )
        return cls(root, load_written_config(path), source)

    def with_config(self, config: Config) -> "Project":
        """Return the same open project under other settings; `close` either, once.

        Roles stay as they are, and so does a model that is loaded.
        """
        other = copy.copy(self)
        other.config = config
        return other

    @property
    def roles(self) -> Roles:
        """Which images the loop starts from, asks about, validates and tests on.

        Labelled images that people kept apart later are for validation as soon as a training has
        left them out.
        """
        kept = self.store.kept.now()
        if kept is None or kept.since is None:
            return self._assigned
        return with_kept(self._assigned, kept.images)

    def judged_images(self, training: TrainingRecord | None) -> tuple[str, ...]:
        """Validation images that a model may be judged on: those that its training left out."""
        kept = self.store.kept.now()
        if training is None or kept is None or kept.since is None:
            return self.roles.validation
        left_out = self._fitted_by(training).started_at >= kept.since
        return self.roles.validation if left_out else self._assigned.validation

    def knows_validation(self, round: int) -> bool:
        """Whether the model of a round has learned from images that were kept apart since."""
        trained = self.store.finished_trainings(round)[-1]
        return self.judged_images(trained) != self.roles.validation

    def truth(self, image_id: str) -> Mask | None:
        """Mask that models are judged by; None if there is none.

        It is that of the data set. For an image that people kept apart later it is what they
        answered, so it may be labelled in parts.
        """
        kept = self.store.kept.now()
        if kept is not None and image_id in kept.images:
            return self.store.labelled(image_id)
        return self.source.read_mask(image_id)

    def keep_some_apart(self, by: str) -> KeptApart:
        """Keep some labelled images for validation, from the next training on.

        Raises
        ------
        ProjectError
            If the project has validation images, or too few labelled ones.
        StoreError
            If some are kept already.
        """
        if self._assigned.validation:
            raise ProjectError(
                f"expected a project without validation images, this one has "
                f"{len(self._assigned.validation)}. There is nothing to be done."
            )
        return self.store.kept.keep(choose_kept(self.store, self.config.data.split_seed), by)

    def _fitted_by(self, training: TrainingRecord) -> TrainingRecord:
        """Training that fitted the weights of another: one without steps kept those before it."""
        found = training
        for record in reversed(self.store.finished_trainings()):
            if record.started_at <= found.started_at and not found.steps:
                found = record
        return found

    @cached_property
    def device(self) -> "torch.device":
        """Where the project's models run, as its config says; sets the number of threads.

        Raises
        ------
        ConfigError
            If the config asks for CUDA and there is none.
        """
        from askmask.runtime.compute import configure

        return configure(self.config)

    def newest_training(self) -> TrainingRecord | None:
        """Training that wrote the newest model: the last one that finished and whose files exist.

        Last means last done, whatever its round: a round may be trained anew, and with queries
        asked ahead a round need not have a model at all. Exports, predictions, the worker, the
        page and `model` all mean this one when they say newest.
        """
        for record in reversed(self.store.finished_trainings()):
            if self.has_model(record.round):
                return record
        return None

    def has_model(self, round: int) -> bool:
        """Whether every file of a round's model is there."""
        return all(path.is_file() for path in self.model_paths(round))

    def model(self, round: int | None = None) -> "askmask.loop.round_model.RoundModel":
        """Model of a round; without one, the newest as `newest_training` says.

        Parameters
        ----------
        round : int, optional
            A round, or `START` for the network before any training. Whether a round that is named
            has a model is found out when its weights are needed.

        Raises
        ------
        ProjectError
            If the newest is wanted and there is none.
        """
        from askmask.loop.round_model import open_model

        if round is None:
            newest = self.newest_training()
            if newest is None:
                raise ProjectError(
                    f"expected a trained model in {str(self.root)!r}, found none. "
                    "Train one: `askmask train`."
                )
            round = newest.round
        return open_model(self, round)

    def model_path(self, round: int, member: int = 0) -> Path:
        """File of a round's model; `member` counts the models of an ensemble."""
        suffix = f"_member_{member}" if member else ""
        return self.root / "models" / f"round_{round:03d}{suffix}.safetensors"

    def model_paths(self, round: int) -> list[Path]:
        """Files of a round's model: one, or one per member of an ensemble."""
        sampling = self.config.sampling
        members = sampling.members if sampling.method == "ensemble" else 1
        return [self.model_path(round, member) for member in range(members)]

    def recalibration_path(self, round: int) -> Path:
        """File of a round's recalibration."""
        return self.model_path(round).with_suffix(".calibration.json")

    def scores_path(self, round: int) -> Path:
        """File of the histograms of the scores that a round's query chose from."""
        return self.root / "scores" / f"round_{round:03d}.json"

    def heat_path(self, round: int) -> Path:
        """File of the heat maps of whole slides that a round's query chose from."""
        return self.scores_path(round).with_suffix(".heat.npz")

    def delete_models(self, round: int) -> None:
        """Delete the model files of a round and its recalibration; its metrics stay."""
        for ending in ("*.safetensors", ".calibration.json"):
            for path in (self.root / "models").glob(f"round_{round:03d}{ending}"):
                path.unlink()

    @property
    def start_regions(self) -> tuple[Region, ...]:
        """The whole images of the start set."""
        return tuple(self.images[image_id].whole for image_id in self.roles.start)

    @property
    def pool_ids(self) -> tuple[str, ...]:
        """Images that may still be asked about, partly labelled ones included."""
        return (*self.roles.start, *self.roles.pool)

    @property
    def pool_pixels(self) -> int:
        """Pixels of start set and pool together: what a labelled fraction refers to."""
        return sum(self.images[image_id].whole.pixels for image_id in self.pool_ids)

    def close(self) -> None:
        """Close the database, and the images if their source holds files open."""
        self.store.close()
        if isinstance(self.source, Closable):
            self.source.close()

    def __enter__(self) -> "Project":  # noqa: PYI034 (beartype refuses Self in a method)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        damaged = None if error is None else damage(error, self.store.path)
        if damaged is not None:
            raise damaged from error
