"""What predicting comes to: of an image of the project, and of a folder of others."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from askmask.data.larger_images import read_around
from askmask.errors import SourceError

if TYPE_CHECKING:  # they need torch, which the table does not
    import askmask.loop.round_model


def predict_known(
    model: "askmask.loop.round_model.RoundModel", image_id: str
) -> "askmask.loop.round_model.Prediction":
    """Predict an image of the model's project, seen with its surroundings if its source has them.

    Raises
    ------
    ProjectError
        If the round has no model, or a recalibration that is not of this model.
    SourceError
        If there is no such image, or it cannot be read.
    """
    seen = read_around(model.project.source, image_id)
    found = model.predict(seen.pixels, name=image_id)
    return replace(
        found,
        labels=found.labels[seen.inner],
        confidence=found.confidence[seen.inner],
        probs=found.probs[:, *seen.inner],
    )


@dataclass(frozen=True, slots=True)
class PredictedImage:
    """A line of the table.

    Attributes
    ----------
    image : str
        Its name below the folder.
    height, width : int
        Pixels.
    shares : tuple of floats
        Share of the pixels of each class.
    mean_confidence : float
        Mean probability of the predicted class.
    expected_accuracy : float or None
        The same, if the model is recalibrated: how many of the pixels should be right. None for a
        model that is not, whose confidence promises nothing.
    mean_entropy : float
        Mean predictive entropy, nats.
    objects : int or None
        Predicted objects; None where the network has no contour to split them by.
    """

    image: str
    height: int
    width: int
    shares: tuple[float, ...]
    mean_confidence: float
    expected_accuracy: float | None
    mean_entropy: float
    objects: int | None


@dataclass(slots=True)
class Predictions:
    """Result for all files: lines of the table, and what could not be predicted and why."""

    images: list[PredictedImage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def check(self, out: Path) -> None:
        """Raise if any file could not be predicted.

        Raises
        ------
        SourceError
            With a line per such file.
        """
        if self.problems:
            total = len(self.images) + len(self.problems)
            listed = "\n".join(f"  {problem}" for problem in self.problems)
            raise SourceError(
                f"{len(self.problems)} of {total} images could not be predicted; the others are "
                f"in {str(out)!r}:\n{listed}"
            )
