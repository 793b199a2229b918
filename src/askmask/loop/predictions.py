"""What predicting comes to: of an image of the project, and of a folder of others.

That folder is filled line by line, and taken up where a run was killed.

::

    OUT/unfinished.json     while it is filled: everything that the predictions depend on
    OUT/predictions.csv     a line for each image whose files are there
    OUT/predictions.json    at the end: what the folder must tell for itself
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from askmask.data.larger_images import read_around
from askmask.data.prepared import check_out
from askmask.data.text_cells import cell_text, text_cell
from askmask.errors import SourceError
from askmask.whole_files import write_atomically
from askmask.whole_folders import whole_folder

UNFINISHED: Final = "unfinished.json"
TABLE: Final = "predictions.csv"
FACTS: Final = "predictions.json"

_BEFORE: Final = ("image", "height", "width")
_AFTER: Final = (
    *("mean_confidence", "expected_accuracy", "mean_entropy", "objects"),
    *("model", "recalibration"),
)

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
        check_predicted("images", len(self.images), self.problems, out)


def check_predicted(kind: str, n_predicted: int, problems: Sequence[str], out: Path) -> None:
    """Raise if anything could not be predicted.

    Parameters
    ----------
    kind : str
        What was to be predicted, in the plural: ``"images"`` or ``"slides"``.
    n_predicted : int
        How many of them were, >= 0.
    problems : sequence of str
        One line for each of the others.
    out : Path
        Where the predictions are.

    Raises
    ------
    SourceError
        With all of these lines.
    """
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise SourceError(
            f"{len(problems)} of {n_predicted + len(problems)} {kind} could not be predicted; the "
            f"others are in {str(out)!r}:\n{listed}"
        )


def check_free(out: Path) -> None:
    """Check that predictions can be written to a folder, or that a killed run may be taken up.

    Raises
    ------
    SourceError
        If it is a file, or holds something else.
    """
    if not (out / UNFINISHED).is_file():
        check_out(out, last=FACTS, finished="whole predictions")


class PredictedFolder:
    """The folder of one run.

    Parameters
    ----------
    out : Path
        Absent, empty, or left by a run that was killed.
    facts : mapping
        What the folder must tell for itself, as JSON: its `classes`, `models` and `recalibration`
        among it.
    asked : mapping
        What else the predictions depend on, as JSON.
    """

    def __init__(
        self, out: Path, facts: Mapping[str, Any], asked: Mapping[str, object]
    ) -> None:  # Any: what JSON holds
        self._out = out
        self._facts = facts
        self._mark = _json({**facts, "asked": asked})
        self._told_by = ("+".join(facts["models"]), str(facts["recalibration"]))
        shares = [f"share_{name}" for name in facts["classes"]]
        self._headings = [*_BEFORE, *shares, *_AFTER]
        self._file: io.TextIOBase | None = None

    @contextmanager
    def filling(self, folders: Sequence[str]) -> Iterator[dict[str, PredictedImage]]:
        """Fill the folder while the block runs; say at its end that it is whole.

        Parameters
        ----------
        folders : sequence of str
            To be made in it.

        Yields
        ------
        dict of str to PredictedImage
            Lines that a killed run left, by the name of their image.

        Raises
        ------
        SourceError
            If the run that was killed had another model or other settings.
        """
        known = self._taken_up()
        if known is None:
            with whole_folder(self._out, last=UNFINISHED) as made:
                for name in folders:
                    (made / name).mkdir()
                (made / UNFINISHED).write_text(self._mark, encoding="utf-8")
            known = {}
        rows = [_line(self._headings), *(_line(self._cells(line)) for line in known.values())]
        write_atomically(self._out / TABLE, "".join(rows))
        with (self._out / TABLE).open("a", encoding="utf-8", newline="") as self._file:
            yield known
        write_atomically(self._out / FACTS, _json(self._facts))
        (self._out / UNFINISHED).unlink()

    def add(self, line: PredictedImage) -> None:
        """Add the line of an image whose files are written."""
        assert self._file is not None, "called inside the block"
        self._file.write(_line(self._cells(line)))
        self._file.flush()  # so that a killed run leaves the lines of the masks that are there

    def _taken_up(self) -> dict[str, PredictedImage] | None:
        """Whole lines that a killed run left; None if there was none."""
        check_free(self._out)
        try:
            mark = (self._out / UNFINISHED).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if mark != self._mark:
            raise SourceError(
                f"expected {str(self._out)!r} to be absent or empty, but an interrupted run "
                "left predictions of another model or by other settings in it. Repeat that run in "
                "the same words to finish it, choose another folder, or remove this one."
            )
        table = self._out / TABLE
        if not table.is_file():
            return {}
        text = table.read_bytes().decode(errors="replace")  # torn in the midst of a letter
        whole, end, _ = text.rpartition("\r\n")
        rows = csv.reader(io.StringIO(whole + end, newline=""))
        lines = [self._read(row) for row in rows if len(row) == len(self._headings)]
        return {line.image: line for line in lines if line is not None}

    def _cells(self, line: PredictedImage) -> list[object]:
        """Cells of a line; nothing where a value does not exist."""
        return [
            *(text_cell(line.image), line.height, line.width, *line.shares, line.mean_confidence),
            *(line.expected_accuracy, line.mean_entropy, line.objects, *self._told_by),
        ]

    def _read(self, row: Sequence[str]) -> PredictedImage | None:
        """Line of a row; None for the headings."""
        if row == self._headings:
            return None
        image, height, width, *shares = row[: -len(_AFTER)]
        confidence, accuracy, entropy, objects = row[-len(_AFTER) : -len(self._told_by)]
        return PredictedImage(
            image=cell_text(image),
            height=int(height),
            width=int(width),
            shares=tuple(map(float, shares)),
            mean_confidence=float(confidence),
            expected_accuracy=float(accuracy) if accuracy else None,
            mean_entropy=float(entropy),
            objects=int(objects) if objects else None,
        )


def _line(cells: Sequence[object]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _json(tree: Mapping[str, object]) -> str:
    return json.dumps(tree, indent=1) + "\n"
