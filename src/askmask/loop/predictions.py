"""What predicting a folder of images comes to: a line for each image, and the problems."""

from dataclasses import dataclass, field
from pathlib import Path

from askmask.errors import SourceError


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
