"""Every metric of a model on one split: per group and over all images, in one pass."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Integer

from askmask.config import EvaluationConfig
from askmask.errors import ConfigError, ShapeError
from askmask.metrics.calibration_scores import CalibrationSums
from askmask.metrics.counting import top_label
from askmask.metrics.intervals import ImageSums
from askmask.metrics.objects import ObjectScores, connected_objects, find_objects
from askmask.metrics.risk import aurc, risk_rows
from askmask.metrics.segmentation import ConfusionCounts
from askmask.metrics.strata import Strata
from askmask.records import ClassMap, Mask, MetricRow

ALL = "all"
"""Group and class of the rows that hold everything."""


class Evaluation:
    """Accumulator of all metrics of one split; an image is given once and not kept.

    The predicted class is the one with the largest mean probability. With two classes, objects
    are those of the foreground; with more, those of each foreground class, and the rows of class
    ``"all"`` pool the objects of all of them.

    Parameters
    ----------
    classes : ClassMap
        The classes of the data set.
    config : EvaluationConfig
        Bins of the calibration, and whether and how objects are found.
    split : str
        Written into the rows.
    """

    def __init__(self, classes: ClassMap, config: EvaluationConfig, split: str) -> None:
        self.classes = classes
        self.config = config
        self.split = split
        self._groups: dict[str | None, _Sums] = {}
        self._strata = Strata(len(classes), config.calibration_bins)
        self._images = ImageSums(config.calibration_bins)

    def update(
        self,
        group: str | None,
        mean_probs: Float[np.ndarray, "C H W"],
        boundary_probs: npt.NDArray[np.floating] | None,
        mask: Mask,
    ) -> None:
        """Count one image.

        Parameters
        ----------
        group : str or None
            Stratum of the image; None counts in ``"all"`` only.
        mean_probs : (C, H, W) float array
            Mean class probabilities. Not modified.
        boundary_probs : (H, W) float array or None
            Probability of a contour; at `boundary_threshold` and above it splits objects. None
            splits nothing.
        mask : Mask
            The truth. Unlabelled pixels count nowhere. Objects come from its instances, those of
            a class being their parts in it; without instances, from the components of each class.

        Raises
        ------
        ShapeError
            If shapes do not fit or `mean_probs` are no probabilities. Nothing was counted then.
        ConfigError
            If the group is called ``"all"``.
        """
        if group == ALL:
            raise ConfigError(
                f"expected a group other than {ALL!r}, the name of the rows over all images. "
                "Rename the group in the data set."
            )
        size = mask.labels.shape
        if boundary_probs is not None and boundary_probs.shape != size:
            raise ShapeError(
                f"expected boundary probabilities of the mask's shape {size}, "
                f"got {boundary_probs.shape}. Predict at the size of the mask."
            )
        image = self._new_sums()
        image.calibration.update(mean_probs, mask.labels)  # checks shapes and values
        predicted = top_label(mean_probs)[0].astype(np.intp)
        image.confusion.update(predicted, mask.labels)
        boundary = None
        if boundary_probs is not None:
            boundary = boundary_probs >= self.config.boundary_threshold
        for index, scores in image.objects.items():
            found = find_objects(predicted == index, boundary, self.config.min_object_pixels)
            scores.update(found, _true_objects(mask, index), mask.labelled)
        self._groups.setdefault(group, self._new_sums()).merge(image)
        self._strata.update(mean_probs, predicted, mask.labels)
        self._images.add(image.calibration)

    def merge(self, other: "Evaluation") -> None:
        """Add the images of another evaluation with the same classes and config.

        Raises
        ------
        ConfigError
            If classes or config differ.
        """
        if (other.classes, other.config) != (self.classes, self.config):
            raise ConfigError(
                "expected an evaluation with the same classes and config, got "
                f"{list(other.classes.names)!r} with {other.config!r}."
            )
        for group, sums in other._groups.items():  # noqa: SLF001 - the same class
            self._groups.setdefault(group, self._new_sums()).merge(sums)
        self._strata.merge(other._strata)  # noqa: SLF001
        self._images.merge(other._images)  # noqa: SLF001

    def rows(self) -> list[MetricRow]:
        """Every metric for ``"all"`` and then for each group by name.

        The rows are those of `ConfusionCounts`, `CalibrationSums`, ``aurc``, and, unless the
        config leaves objects out, `ObjectScores`. For ``"all"`` those of `risk_rows`, `Strata` and
        `ImageSums` follow. Before the first update, all values are NaN with count 0.
        """
        whole = self._new_sums()
        for sums in self._groups.values():
            whole.merge(sums)
        rows = list(whole.rows(self.split, ALL, self.classes))
        rows += risk_rows(whole.calibration.by_doubt, self.split, ALL)
        rows += self._strata.rows(self.split, ALL, self.classes)
        rows += self._images.rows(self.split, ALL)
        for group in sorted(name for name in self._groups if name is not None):
            rows += self._groups[group].rows(self.split, group, self.classes)
        return rows

    def _new_sums(self) -> "_Sums":
        n_classes = len(self.classes)
        has_background = self.config.has_background
        objects = {
            index: ObjectScores(self.config.object_rule, self.config.min_object_pixels)
            for index in range(int(has_background), n_classes)
        }
        return _Sums(
            ConfusionCounts(n_classes, has_background=has_background),
            CalibrationSums(n_classes, self.config.calibration_bins),
            objects if self.config.objects else {},
        )


@dataclass(slots=True)
class _Sums:
    """The accumulators of one group; objects by class index."""

    confusion: ConfusionCounts
    calibration: CalibrationSums
    objects: dict[int, ObjectScores] = field(default_factory=dict)

    def merge(self, other: "_Sums") -> None:
        self.confusion.merge(other.confusion)
        self.calibration.merge(other.calibration)
        for index, scores in self.objects.items():
            scores.merge(other.objects[index])

    def rows(self, split: str, group: str, classes: ClassMap) -> Iterator[MetricRow]:
        yield from self.confusion.rows(split, group, classes)
        yield from self.calibration.rows(split, group, classes)
        area = aurc(self.calibration.by_doubt)
        yield MetricRow(split, group, ALL, "aurc", area, self.calibration.n_pixels)
        if not self.objects:
            return
        pooled = ObjectScores(next(iter(self.objects.values())).rule)
        for scores in self.objects.values():
            pooled.merge(scores)
        yield from pooled.rows(split, group, ALL)
        if len(self.objects) > 1:
            for index, scores in self.objects.items():
                yield from scores.rows(split, group, classes.names[index])


def _true_objects(mask: Mask, index: int) -> Integer[np.ndarray, "H W"]:
    """Objects of one class in the truth."""
    inside: Bool[np.ndarray, "H W"] = mask.labels == index
    if mask.instances is None:
        return connected_objects(inside)
    return np.where(inside, mask.instances, 0)
