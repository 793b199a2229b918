"""The model of a round: its files, its recalibration, and the predictors made of both.

A `RoundModel` is what ``project.model()`` returns. Weights are read and hashed at the first need,
once for all that use them while the files stay as they are; the log tells of each reading.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int16

from askmask.calibration import ProbabilityMap, Recalibration
from askmask.config import Config
from askmask.data.source import Source
from askmask.errors import ProjectError
from askmask.loop.calibration_file import (
    StoredRecalibration,
    judged_by,
    read_recalibration,
    save_recalibration,
)
from askmask.loop.project import START, Project
from askmask.models.build import build_model
from askmask.models.contract import Model
from askmask.models.weights import file_digest, load_model_weights
from askmask.sampling.judge import judge_of, kept_features
from askmask.sampling.mapped_mean import MappedMean
from askmask.sampling.predictors import (
    Ensemble,
    Image,
    MonteCarloDropout,
    PredictedSums,
    Predictor,
)
from askmask.sampling.views import MeanOfViews
from askmask.store.store import TrainingRecord

__all__ = ["START", "Prediction", "RoundModel", "open_model"]

_log = logging.getLogger(__name__)

Signature = tuple[tuple[int, int, int] | None, ...]
"""Inode, size and time of each file; None for one that is not there."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Prediction of one image; arrays on the CPU that belong to the caller.

    Attributes
    ----------
    labels : (H, W) int16 array
        The most probable class of each pixel.
    confidence : (H, W) float32 array
        Its probability, in [0, 1]; what should be right, if the model is recalibrated.
    probs : (C, H, W) float32 array
        Mean probability of every class; sums to 1 over C.
    boundary_probs : (H, W) float32 array or None
        Probability of a contour; None when not asked for, or without a boundary head.
    """

    labels: Int16[np.ndarray, "H W"]
    confidence: Float32[np.ndarray, "H W"]
    probs: Float32[np.ndarray, "C H W"]
    boundary_probs: Float32[np.ndarray, "H W"] | None


class RoundModel:
    """The model of one round as its files are now; nothing is read before it is needed.

    Not safe for use by several threads at once. What belongs to other files, because the round was
    trained or recalibrated anew, is a new `RoundModel`: ask the project again.

    Parameters
    ----------
    project : Project
        Open; stays the caller's.
    round : int
        Whose model; `START` for the networks as they are before any training.
    weights : LoadedWeights
        Of that round.

    Attributes
    ----------
    project : Project
        As given.
    config : Config
        The project's settings when the model was asked for.
    round : int
        As given.
    """

    def __init__(self, project: Project, round: int, weights: "LoadedWeights") -> None:
        self.project = project
        self.config: Config = project.config
        self.round = round
        self._weights = weights
        self._path = project.recalibration_path(round)
        self._features = kept_features(project.config)

    @property
    def name(self) -> str | None:
        """Name of the first model file, as queries and answers keep it; None for `START`."""
        return None if self.round == START else self.project.model_path(self.round).name

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.project.device

    @property
    def training(self) -> TrainingRecord | None:
        """The finished training that wrote it; None before one."""
        finished = self.project.store.finished_trainings(self.round)
        return finished[-1] if finished else None

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests of the model files, one per member of an ensemble."""
        return self._weights.digests

    @property
    def networks(self) -> Sequence[Model]:
        """The network, or every member of an ensemble, in eval mode.

        Raises
        ------
        ProjectError
            If the round has no model; `START` has none that may predict.
        """
        if self.round == START:
            raise ProjectError(
                "expected a model that was trained, got the network as it is before any training. "
                "Train it first: `askmask train`, or ask by a strategy without a score map."
            )
        return self._weights.networks

    @property
    def encoder(self) -> Model:
        """First network, in eval mode, for its features; `START` has one, too."""
        return self._weights.networks[0]

    @cached_property
    def recalibration(self) -> StoredRecalibration | None:
        """The recalibration of its confidence; None if it was not recalibrated.

        Raises
        ------
        ProjectError
            If the file is damaged, belongs to other weights, or was fitted for judging by another
            number of samples or views than the config has now.
        """
        if self.round == START or not self._path.is_file():
            return None
        return read_recalibration(
            self._path, self.round, weights=self.digests, judged_by=judged_by(self.config)
        )

    @property
    def marks(self) -> tuple[str, ...]:
        """Suffixes under which scores of this model may be kept; new ones take the first.

        It names the recalibration and, by a digest, all settings of judging, so that scores by
        others are never taken for these. Before there were views it named the former alone: such
        scores stand as they are.
        """
        stored, judging = self.recalibration, self.config.evaluation
        name = "" if stored is None else f"+{stored.method}-{stored.digest}"
        settings = json.dumps(judging.model_dump(mode="json"), sort_keys=True)
        digest = hashlib.sha256(settings.encode()).hexdigest()[:12]
        return (f"{name}+judged-{digest}", *([name] if judging.views == 1 else []))

    @cached_property
    def sampler(self) -> Ensemble | MonteCarloDropout:
        """Predictor whose samples are scored, recalibrated if the config wants it.

        Raises
        ------
        ProjectError
            If the round has no model, or a recalibration that is not of this model.
        """
        stored = self.recalibration if self.config.calibration.asking else None
        scaling = None if stored is None else stored.sampler
        precision, samples = self.config.sampling.precision, self.config.sampling.samples
        if self.config.sampling.method == "ensemble":
            return Ensemble(self.networks, precision, scaling=scaling, features=self._features)
        return MonteCarloDropout(
            self.networks[0],
            samples,
            precision=precision,
            scaling=scaling,
            features=self._features,
        )

    @cached_property
    def judge(self) -> Predictor:
        """Predictor that the model is judged by and delivers by, recalibrated if it has been.

        Raises
        ------
        ProjectError
            As `sampler`.
        """
        stored = self.recalibration
        return self.plain_judge if stored is None else self.judge_with(stored.judge)

    @cached_property
    def plain_judge(self) -> Predictor:
        """The same without its recalibration."""
        return judge_of(self.config, self.networks)

    def judge_with(self, recalibration: Recalibration) -> Predictor:
        """Return the predictor that judges, with another recalibration than the stored one."""
        if isinstance(recalibration, ProbabilityMap):
            return MappedMean(self.plain_judge, recalibration)
        return judge_of(self.config, self.networks, recalibration)

    def dropout_sampler(self, n_samples: int) -> MonteCarloDropout:
        """Dropout samples, as many as wanted instead of the config's number; not recalibrated."""
        precision = self.config.sampling.precision
        return MonteCarloDropout(
            self.networks[0], n_samples, precision=precision, features=self._features
        )

    def predict(self, image: Image, *, name: str = "", boundary: bool = False) -> Prediction:
        """Predict an image that is at hand as an array.

        Parameters
        ----------
        image : (H, W, 3) uint8 array
            RGB, H and W >= 32, at the scale of the project's images. Not modified.
        name : str
            Names the random draws, if the config judges by samples: equal names, equal draws.
        boundary : bool
            Whether to predict contours, too.

        Raises
        ------
        ShapeError
            If the image is no such array.
        ProjectError
            As `judge`.
        """
        found = self.sums(self.judge, image, name=name, boundary=boundary)
        probs = found.sums.mean_probs.float()
        confidence, labels = probs.max(0)
        contour = found.boundary_probs
        return Prediction(
            labels=labels.cpu().numpy().astype(np.int16),
            confidence=confidence.cpu().numpy(),
            probs=probs.cpu().numpy(),
            boundary_probs=None if contour is None else contour.float().cpu().numpy(),
        )

    def sums(
        self, predictor: Predictor, image: Image, *, name: str, boundary: bool = False
    ) -> PredictedSums:
        """Predict an image by one of the predictors of this model, with its seed and round."""
        return predictor.predict(
            image, seed=self.config.seed, round=self.round, image_id=name, boundary=boundary
        )

    def parts(self, image: Image, *, name: str) -> Iterator[PredictedSums]:
        """Predict an image by one view after another, with contours and not recalibrated.

        Their sum is what `plain_judge` predicts.
        """
        judge, names = self.plain_judge, {"seed": self.config.seed, "round": self.round}
        if isinstance(judge, MeanOfViews):
            yield from judge.parts(image, **names, image_id=name, boundary=True)
        else:
            yield judge.predict(image, **names, image_id=name, boundary=True)

    def recalibrate(self, stored: StoredRecalibration) -> "RoundModel":
        """Keep a recalibration beside the weights; return the model that has it."""
        save_recalibration(self._path, stored)
        return self.project.model(self.round)

    def forget_recalibration(self) -> "RoundModel":
        """Delete the recalibration if there is one; return the model without."""
        self._path.unlink(missing_ok=True)
        return self.project.model(self.round)


class LoadedWeights:
    """Networks of one round, read from their files at the first need.

    What is read is what stood there when this was made: files replaced since then are refused.

    Parameters
    ----------
    paths : sequence of Path
        One file per member of an ensemble; none for networks as they are before any training.
    build : callable
        Makes a network to be filled; without paths, one with its starting weights.
    device : torch.device
        Where the networks run.
    round : int
        Named in errors.
    """

    def __init__(
        self, paths: Sequence[Path], build: Callable[[], Model], device: torch.device, round: int
    ) -> None:
        self.paths = tuple(paths)
        self._build = build
        self._device = device
        self._round = round
        self._signature = _signature(paths)

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Digests of the files that are there."""
        self._check_unchanged()
        return tuple(file_digest(path) for path in self.paths if path.is_file())

    @cached_property
    def networks(self) -> Sequence[Model]:
        """Every network, in eval mode; ProjectError if a file is missing."""
        if not self.paths:
            return (self._build().to(self._device).eval(),)
        return tuple(self._read(path) for path in self.paths)

    def _check_unchanged(self) -> None:
        if _signature(self.paths) != self._signature:
            raise ProjectError(
                f"expected the model of round {self._round} as it was when it was asked for, but "
                "its file was replaced since. Ask for the model again, or repeat the command."
            )

    def _read(self, path: Path) -> Model:
        self._check_unchanged()
        if not path.is_file():
            raise ProjectError(
                f"expected a model of round {self._round} at {str(path)!r}, found none. "
                "Train it first: `askmask train`."
            )
        model = self._build()
        load_model_weights(model, path)
        _log.info("read the model %s", path.name)
        return model.to(self._device).eval()


def open_model(project: Project, round: int) -> RoundModel:
    """Return the model of a round, the same one while its files and the config are the same.

    What it has read stays in the project until another model is asked for.
    """
    paths = () if round == START else tuple(project.model_paths(round))
    config = project.config
    seed = config.seed if round == START else 0
    key = (round, _signature(paths), seed, json.dumps(config.model.model_dump(mode="json")))
    held = project.held_models
    if held.get("weights key") != key:
        held.clear()
        build = partial(build_network, project.source, config, seed, pretrained=round == START)
        held["weights key"] = key
        held["weights"] = LoadedWeights(paths, build, project.device, round)
    recalibration = _signature((project.recalibration_path(round),))
    model: RoundModel | None = held.get("model")
    if model is None or model.config is not config or held["recalibration"] != recalibration:
        held["recalibration"] = recalibration
        held["model"] = model = RoundModel(project, round, held["weights"])
    return model


def _signature(paths: Sequence[Path]) -> Signature:
    """Identity of files, so that changed ones are noticed without reading them."""
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            stat = path.stat()
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def build_network(source: Source, config: Config, seed: int, *, pretrained: bool = True) -> Model:
    """Build a network for the classes of a data set, with its starting weights or random ones."""
    settings = config.model
    if not pretrained:  # every weight is about to be read from a file
        settings = settings.model_copy(update={"weights": None})
    return build_model(settings, len(source.classes), seed)
