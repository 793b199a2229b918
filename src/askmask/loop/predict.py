"""Masks, confidence maps and a table for images outside the project.

Images larger than a tile are predicted in tiles with a margin, so memory holds a tile's network
activations and, per pixel of the image, its colours (3 bytes) and results (5 bytes), and for a
moment 8 bytes more to write a file, or some 66 to split objects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from askmask.data.pictures.picture import AS_SHOWN, Reading
from askmask.data.prepare.stored_files import StoredFile
from askmask.data.prepared import PreparedSource
from askmask.data.ranges import RangeRule
from askmask.data.rasters import decode_raw, encode_instances, encode_mask, to_rgb
from askmask.data.scaling import shrink_image
from askmask.errors import AskmaskError, SourceError
from askmask.loop.calibration_file import judged_by
from askmask.loop.elsewhere.bench import SentSource
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.predictions import PredictedFolder, PredictedImage, Predictions, check_free
from askmask.loop.round_model import RoundModel
from askmask.metrics.objects import find_objects
from askmask.progress import Listener, Progress, silent
from askmask.records import Instances, Labels
from askmask.sampling.predictors import Image

CONFIDENCE_SCALE = 65_535
"""Value of a confidence of 1 in a confidence map; 0 is 0."""

TILE = 1024
"""Side of a tile; an image up to half as large again is predicted whole."""
MARGIN = 128
"""Pixels that a tile sees beyond its own, on each side."""

_SMALLEST = 32  # what networks accept
_STRIDE = 32  # of the coarsest features of any network; divides the margin
_Raster = npt.NDArray[np.uint16]
_Value = TypeVar("_Value", bound=np.generic)


def predict_files(
    model: RoundModel,
    files: Sequence[StoredFile],
    out: Path,
    *,
    scale: float | None = None,
    reading: Reading = AS_SHOWN,
    value_range: RangeRule | None = None,
    report: Listener = silent,
    elsewhere: Elsewhere | None = None,
) -> Predictions:
    """Predict images by a round's model, recalibrated if it has been.

    Writes ``masks/NAME.png`` (class indices), ``confidence/NAME.png`` (16 bit, `CONFIDENCE_SCALE`
    is 1), with a contour decoder ``instances/NAME.png`` (16-bit object ids), ``predictions.csv``
    and at last ``predictions.json``, all at the size of the images. A file that cannot be predicted
    is a problem in the result and stops nothing. A run that was killed goes on where it was when
    it is repeated with the same model and settings.

    Parameters
    ----------
    model : RoundModel
        Of a project of two classes, if objects are wanted.
    files : sequence of StoredFile
        The images.
    out : Path
        Absent, an empty folder, or what such a run was killed in.
    scale : float, optional
        Shrink images by this factor first; by default as the project's data set was.
    reading : Reading
        How to take files that are turned or have other channels. By default photographs are turned
        as programs show them; masks and maps come at the size of what is shown.
    value_range : (low, high) or Percentiles, optional
        What becomes black and white; by default as in the project's data set, in which images of
        8 bits stay as they are. Percentiles are those of each image.
    report : callable
        Called after each image.
    elsewhere : Elsewhere, optional
        Where images are predicted, by default in this process. The files are the same.

    Raises
    ------
    ProjectError
        If the round has no model, or a recalibration that is not of this model.
    SourceError
        If `out` holds something else.
    """
    check_free(out)
    engine = Engine(model, scale, reading, value_range)
    folders = ("masks", "confidence", *(["instances"] if engine.has_objects else []))
    folder = PredictedFolder(out, engine.facts(), engine.asked())
    found, taken = Predictions(), set[str]()
    with folder.filling(folders) as known:
        left = [file for file in files if file.name not in known]
        predicted = _predicted(engine, left, elsewhere)
        report(Progress(model.round, "predict", 0, len(files)))
        for done, file in enumerate(files, start=1):
            result: PredictedImage | PredictedFile | AskmaskError
            result = known.get(file.name) or next(predicted)[1]
            report(Progress(model.round, "predict", done, len(files)))
            if file.stem in taken:
                result = _same_name(file)
            if isinstance(result, AskmaskError):
                found.problems.append(f"{file.name}: {result}")
                continue
            taken.add(file.stem)
            if isinstance(result, PredictedFile):
                for name, content in result.files.items():
                    _write(out / name, content)
                folder.add(result.line)
                result = result.line
            found.images.append(result)
        next(predicted, None)  # lets what is elsewhere end
    return found


@dataclass(frozen=True, slots=True)
class PredictedFile:
    """Line of the table for an image, and its files by their path below the folder."""

    line: PredictedImage
    files: dict[str, bytes]


def _predicted(
    engine: "Engine", files: Sequence[StoredFile], elsewhere: Elsewhere | None
) -> Iterator[tuple[StoredFile, PredictedFile | AskmaskError]]:
    """Every file with what was predicted of it, or why nothing was."""
    if elsewhere is not None:
        from askmask.loop.elsewhere.predicting import predicted_by_jobs

        yield from predicted_by_jobs(engine, files, elsewhere)
        return
    for file in files:
        try:
            result: PredictedFile | AskmaskError = engine.predict(file)
        except AskmaskError as error:
            result = error
        yield file, result


class Engine:
    """A loaded model and everything that a line of the table tells of it.

    Parameters as in `predict_files`; they are attributes.
    """

    def __init__(
        self,
        model: RoundModel,
        scale: float | None,
        reading: Reading,
        value_range: RangeRule | None,
    ) -> None:
        self.model = model
        self.given = (scale, reading, value_range)
        self._project = project = model.project
        self._model = model
        self._recalibration = model.recalibration
        self._weights = model.digests
        source = project.source
        prepared = source if isinstance(source, PreparedSource | SentSource) else None
        self._own_range = None if prepared is None else prepared.value_range
        self._given_range = value_range
        own_scale = 1.0 if prepared is None else prepared.scale
        self._scale = own_scale if scale is None else scale
        self._reading = reading
        smallest = np.zeros((_SMALLEST, _SMALLEST, 3), np.uint8)
        probe = model.sums(model.judge, smallest, name="", boundary=True)
        evaluation = project.config.evaluation
        self.has_objects = (
            probe.boundary_probs is not None
            and evaluation.objects
            and len(source.classes) == 1 + evaluation.has_background
        )

    def facts(self) -> dict[str, object]:
        """Facts that the folder of predictions keeps about itself."""
        return {
            "askmask": "predictions",
            "classes": list(self._project.source.classes.names),
            "confidence_scale": CONFIDENCE_SCALE,
            "round": self._model.round,
            "models": list(self._weights),
            "recalibration": self._recalibration_name(),
            "judged_by": asdict(judged_by(self._model.config)),
            "scale": self._scale,
            "min_object_pixels": self._project.config.evaluation.min_object_pixels,
        }

    def asked(self) -> dict[str, object]:
        """What else the predictions depend on."""
        return {"reading": repr(self._reading), "value_range": repr(self._given_range)}

    def predict(self, file: StoredFile) -> PredictedFile:
        """Predict one image."""
        image = self._read(file)
        size = image.shape[:2]
        small = image if self._scale == 1 else shrink_image(image, self._scale)
        if min(small.shape[:2]) < _SMALLEST:
            raise SourceError(
                f"expected at least {_SMALLEST} x {_SMALLEST} pixels, got {small.shape[:2]}."
            )
        canvas = _Canvas(small.shape[:2])
        for tile in tiles(*small.shape[:2]):
            self._predict_tile(canvas, small, tile, file.name)
        pixels = small.shape[0] * small.shape[1]
        objects = self._objects(canvas)
        target = f"{file.stem}.png"
        files = {f"masks/{target}": encode_mask(_enlarged(canvas.labels, size))}
        confidence = _enlarged(canvas.confidence, size).astype(np.int32)
        files[f"confidence/{target}"] = encode_instances(confidence)
        if objects is not None:
            files[f"instances/{target}"] = encode_instances(_enlarged(objects, size))
        counts = np.bincount(canvas.labels.ravel(), minlength=len(self._project.source.classes))
        mean = canvas.sum_confidence / pixels
        line = PredictedImage(
            image=file.name,
            height=size[0],
            width=size[1],
            shares=tuple((counts / pixels).tolist()),
            mean_confidence=mean,
            expected_accuracy=None if self._recalibration is None else mean,
            mean_entropy=canvas.sum_entropy / pixels,
            objects=None if objects is None else int(objects.max()),
        )
        return PredictedFile(line, files)

    def _read(self, file: StoredFile) -> Image:
        """RGB of a file, in the brightness that the model has learnt."""
        raw = decode_raw(file.read(), file.name, self._reading)
        is_shallow = raw.dtype == np.uint8
        if is_shallow and self._own_range is not None and self._given_range is None:
            raise SourceError(
                "expected more than 8 bits per channel, as the images of the project's data set "
                "have them, got 8. Say what becomes black and white: --value-range 0,255 leaves "
                "it as it is."
            )
        rule = self._given_range or (None if is_shallow else self._own_range)
        if rule is None and not is_shallow:
            raise SourceError(
                "expected 8 bits per channel, as the images of the project's data set have them, "
                "got 16. Say what becomes black and white: --value-range LOW,HIGH, or "
                "--value-range image for each image's own range."
            )
        return to_rgb(raw if rule is None else raw.astype(np.uint16), rule)

    def _predict_tile(self, canvas: "_Canvas", image: Image, tile: "Tile", name: str) -> None:
        prediction = self._model.sums(
            self._model.judge,
            image[tile.seen],
            name=name if tile.is_whole else f"{name}@{tile.row},{tile.col}",
            boundary=self.has_objects,
        )
        canvas.add(tile, prediction.sums.mean_probs[(slice(None), *tile.inner)].cpu())
        if prediction.boundary_probs is not None:
            threshold = self._project.config.evaluation.boundary_threshold
            is_contour = prediction.boundary_probs[tile.inner] >= threshold
            canvas.boundary[tile.own] = is_contour.cpu().numpy()

    def _objects(self, canvas: "_Canvas") -> Instances | None:
        if not self.has_objects:
            return None
        evaluation = self._project.config.evaluation
        foreground = canvas.labels == len(self._project.source.classes) - 1
        return find_objects(foreground, canvas.boundary, evaluation.min_object_pixels)

    def _recalibration_name(self) -> str:
        stored = self._recalibration
        return "none" if stored is None else f"{stored.method}-{stored.digest}"


@dataclass(frozen=True, slots=True)
class Tile:
    """Part of an image that is predicted at once.

    Attributes
    ----------
    row, col : int
        Where its own pixels begin.
    own, seen : slices of rows and columns
        Its own pixels in the image; those and its margin.
    inner : slices of rows and columns
        Its own pixels within those seen.
    is_whole : bool
        Whether it is the only one.
    """

    row: int
    col: int
    own: tuple[slice, slice]
    seen: tuple[slice, slice]
    inner: tuple[slice, slice]
    is_whole: bool


def tiles(height: int, width: int) -> Iterator[Tile]:
    """Tiles whose own pixels cover an image once, in reading order."""
    rows, cols = _cuts(height), _cuts(width)
    for row in rows:
        for col in cols:
            own = slice(*row), slice(*col)
            seen = _grown(row, height), _grown(col, width)
            inner = tuple(
                slice(o.start - s.start, o.stop - s.start) for o, s in zip(own, seen, strict=True)
            )
            is_whole = len(rows) == len(cols) == 1
            yield Tile(row[0], col[0], own, seen, (inner[0], inner[1]), is_whole)


def _cuts(side: int) -> list[tuple[int, int]]:
    """Starts and ends of nearly equal parts of a side, none longer than 1.5 tiles.

    They start at multiples of the stride, where the grid of the whole image's features lies, too.
    """
    count = 1 if side <= TILE * 3 // 2 else -(-side // TILE)
    starts = [side * part // count // _STRIDE * _STRIDE for part in range(count)]
    return list(pairwise([*starts, side]))


def _grown(part: tuple[int, int], side: int) -> slice:
    return slice(max(part[0] - MARGIN, 0), min(part[1] + MARGIN, side))


class _Canvas:
    """Results of an image, put together from tiles."""

    def __init__(self, size: tuple[int, ...]) -> None:
        self.labels: Labels = np.zeros(size, np.int16)
        self.confidence: _Raster = np.zeros(size, np.uint16)
        self.boundary: npt.NDArray[np.bool_] = np.zeros(size, np.bool_)
        self.sum_confidence = 0.0
        self.sum_entropy = 0.0

    def add(self, tile: Tile, mean_probs: Float[Tensor, "C h w"]) -> None:
        confidence, labels = mean_probs.double().max(0)
        self.labels[tile.own] = labels.numpy()
        self.confidence[tile.own] = (confidence * CONFIDENCE_SCALE).round().numpy()
        self.sum_confidence += float(confidence.sum())
        self.sum_entropy += float(torch.special.entr(mean_probs.double()).sum())


def _enlarged(raster: npt.NDArray[_Value], size: tuple[int, ...]) -> npt.NDArray[_Value]:
    """Raster at another size: each pixel takes the value at its centre."""
    if raster.shape == size:
        return raster
    places = [
        ((2 * np.arange(long) + 1) * short) // (2 * long)
        for long, short in zip(size, raster.shape, strict=True)
    ]
    return raster[np.ix_(*places)]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _same_name(file: StoredFile) -> SourceError:
    return SourceError(
        f"another image was written as {file.stem + '.png'!r} already. Rename one of the two."
    )
