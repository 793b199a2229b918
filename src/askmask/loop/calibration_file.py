"""The recalibration of a round's model as a file beside its weights: JSON, data and never code.

A file names the weights it was fitted to by their digests and is refused beside any others. Fitting
is elsewhere.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askmask.calibration import LogitScaling, ProbabilityMap, Recalibration
from askmask.config import Config
from askmask.errors import ProjectError
from askmask.whole_files import write_atomically

VERSION = 1


@dataclass(frozen=True, slots=True)
class Fold:
    """Validation images, and the map fitted to all other ones: what honest scores of them use."""

    image_ids: tuple[str, ...]
    judge: Recalibration


@dataclass(frozen=True, slots=True)
class JudgedBy:
    """How a predictor that judges predicts.

    Attributes
    ----------
    samples : int
        S of each view; 0 is one pass without dropout.
    views : int
        Mirrored and turned views of an image that the mean is taken over, itself included.
    """

    samples: int
    views: int


@dataclass(frozen=True, slots=True)
class StoredRecalibration:
    """The recalibration that was fitted to a round's model.

    Attributes
    ----------
    judge : Recalibration
        For the predictor that judges and delivers.
    sampler : LogitScaling or None
        For the predictor whose samples are scored; None where samples stay as they are.
    folds : tuple of Fold
        Empty with a single validation image.
    weights : tuple of str
        Digests of the model files, one per member.
    judged_by : JudgedBy
        By how many samples and views the model was judged.
    sampler_samples : int
        S of the predictor whose samples are scored.
    image_ids : tuple of str
        Validation images that it was fitted to.
    pixels : int
        Labelled pixels that it was fitted to.
    """

    judge: Recalibration
    sampler: LogitScaling | None
    folds: tuple[Fold, ...]
    weights: tuple[str, ...]
    judged_by: JudgedBy
    sampler_samples: int
    image_ids: tuple[str, ...]
    pixels: int

    @property
    def method(self) -> str:
        """Name of the method, as in the config."""
        return self.judge.method

    @property
    def digest(self) -> str:
        """8 hex digits that tell two recalibrations apart."""
        return hashlib.blake2b(_dump(self).encode(), digest_size=4).hexdigest()

    def facts(self) -> dict[str, object]:
        """The fitted numbers, for other programs."""
        facts: dict[str, object] = {"images": len(self.image_ids), "pixels": self.pixels}
        if isinstance(self.judge, LogitScaling):
            facts |= {"scale": self.judge.scale, "shift": self.judge.shift}
        if self.sampler is not None:
            facts |= {"sampler_scale": self.sampler.scale, "sampler_shift": self.sampler.shift}
        return facts

    def words(self) -> str:
        """Say what was fitted to what, and what it is good for."""
        n_images = len(self.image_ids)
        fitted = f"{self.method} fitted to {self.pixels:,} pixels of {n_images} validation images"
        if isinstance(self.judge, LogitScaling) and self.judge.temperature is not None:
            fitted += f", T = {self.judge.temperature:.3f}"
            if self.sampler is not None and self.sampler.temperature is not None:
                temperature = self.sampler.temperature
                fitted += f" (T = {temperature:.3f} for the samples that asking scores)"
        if n_images == 1:
            return f"{fitted}. A single image cannot tell how well: keep more for validation."
        return f"{fitted}. Scores of a validation image use a map fitted without it."

    def held_out(self, image_id: str) -> Recalibration | None:
        """Map that did not see the image; None for the only validation image."""
        if image_id not in self.image_ids:
            return self.judge
        return next((fold.judge for fold in self.folds if image_id in fold.image_ids), None)


def save_recalibration(path: Path, stored: StoredRecalibration) -> None:
    """Write a recalibration; an older one is replaced whole."""
    write_atomically(path, _dump(stored))


def read_recalibration(
    path: Path, round: int, *, weights: tuple[str, ...], judged_by: JudgedBy
) -> StoredRecalibration:
    """Read the recalibration of a round's model.

    Parameters
    ----------
    path : Path
        The file.
    round : int
        Named in errors.
    weights : tuple of str
        Digests of the present model files.
    judged_by : JudgedBy
        Of the predictor that judges now.

    Raises
    ------
    ProjectError
        If the file is damaged, belongs to other weights, or was fitted for judging by another
        number of samples or views.
    """
    stored = _read(path)
    cure = "Fit it again with `askmask calibrate`, or remove it with `--method none`."
    if stored.weights != weights:
        raise ProjectError(
            f"expected a recalibration of the present weights of round {round} in {str(path)!r}, "
            f"but it was fitted to others. {cure}"
        )
    if stored.judged_by != judged_by:
        raise ProjectError(
            f"expected a recalibration for judging by {judged_by.samples} samples and "
            f"{judged_by.views} views (evaluation.samples, evaluation.views) in {str(path)!r}, got "
            f"one for {stored.judged_by.samples} and {stored.judged_by.views}. {cure}"
        )
    return stored


def judged_by(config: Config) -> JudgedBy:
    """How the predictor that judges predicts."""
    sampling, evaluation = config.sampling, config.evaluation
    is_ensemble = sampling.method == "ensemble"
    return JudgedBy(sampling.members if is_ensemble else evaluation.samples, evaluation.views)


def sampler_samples(config: Config) -> int:
    """S of the predictor whose samples are scored."""
    sampling = config.sampling
    return sampling.members if sampling.method == "ensemble" else sampling.samples


def _dump(stored: StoredRecalibration) -> str:
    tree = {
        "askmask": "recalibration",
        "version": VERSION,
        "method": stored.method,
        "weights": stored.weights,
        "judge_samples": stored.judged_by.samples,
        "sampler_samples": stored.sampler_samples,
        "images": stored.image_ids,
        "pixels": stored.pixels,
        "judge": _to_tree(stored.judge),
        "sampler": None if stored.sampler is None else _to_tree(stored.sampler),
        "folds": [{"images": f.image_ids, "judge": _to_tree(f.judge)} for f in stored.folds],
    }
    if stored.judged_by.views > 1:  # files of before there were views, and their digests, stand
        tree["judge_views"] = stored.judged_by.views
    return json.dumps(tree, indent=1)


def _read(path: Path) -> StoredRecalibration:
    try:
        return _of_file(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProjectError(
            f"expected a recalibration in {str(path)!r}, but it cannot be read: {error!r}. "
            "Fit it again with `askmask calibrate`."
        ) from error


def _of_file(tree: Mapping[str, Any]) -> StoredRecalibration:  # Any: JSON
    if (tree["askmask"], tree["version"]) != ("recalibration", VERSION):
        raise ValueError(f"version {tree['version']!r}, expected {VERSION}")
    method, sampler = tree["method"], tree["sampler"]
    return StoredRecalibration(
        judge=_of_tree(method, tree["judge"]),
        sampler=None if sampler is None else _scaling(method, sampler),
        folds=tuple(Fold(tuple(f["images"]), _of_tree(method, f["judge"])) for f in tree["folds"]),
        weights=tuple(tree["weights"]),
        judged_by=JudgedBy(int(tree["judge_samples"]), int(tree.get("judge_views", 1))),
        sampler_samples=int(tree["sampler_samples"]),
        image_ids=tuple(tree["images"]),
        pixels=int(tree["pixels"]),
    )


def _to_tree(recalibration: Recalibration) -> dict[str, object]:
    if isinstance(recalibration, LogitScaling):
        return {"scale": recalibration.scale, "shift": recalibration.shift}
    return {"edges": recalibration.edges, "values": recalibration.values}


def _of_tree(method: str, tree: Mapping[str, Any]) -> Recalibration:  # Any: JSON
    if "scale" in tree:
        return _scaling(method, tree)
    edges, values = (tuple(map(_floats, tree[name])) for name in ("edges", "values"))
    return ProbabilityMap(method, edges, values)


def _scaling(method: str, tree: Mapping[str, Any]) -> LogitScaling:  # Any: JSON
    return LogitScaling(method, _floats(tree["scale"]), _floats(tree["shift"]))


def _floats(values: Any) -> tuple[float, ...]:  # Any: JSON
    return tuple(float(value) for value in values)
