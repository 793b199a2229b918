"""Whole slides predicted: a pyramid of labels, one of confidence, and a table of objects for each.

Held at one time: a tile's network, and what is kept of one row of tiles. What is finished of a
slide waits on disk, so that a killed run goes on where it was. Tiles may be predicted elsewhere:
they are put together, and everything is written, here.
"""

import json
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.data.larger_images import MARGIN
from askmask.data.slides.opening import open_tiled, same_names, slide_bytes, slide_name
from askmask.data.slides.pyramid_file import write_pyramid
from askmask.data.slides.resampled import Resampled, at_mpp
from askmask.data.slides.slide_set import SlideEntry, cut_side
from askmask.data.slides.slide_source import SlideSource
from askmask.data.slides.tiled_image import Box
from askmask.data.slides.tissue_mask import find_tissue, tissue_at
from askmask.errors import ClusterError, PrepareError, ProjectError, SourceError
from askmask.loop.calibration_file import judged_by
from askmask.loop.elsewhere.bench import Bench
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.round_model import RoundModel
from askmask.loop.slides.blended import RAMP, TILE, Values, blended_rows, tile_places
from askmask.loop.slides.finished_bands import NOT_SEEN, Band, BandRows, FinishedBands
from askmask.loop.slides.predict_options import ALL, PredictOptions
from askmask.loop.slides.predicted import (
    CONFIDENCE_SCALE,
    ObjectTable,
    PredictedSlide,
    PredictedSlides,
    write_slides,
)
from askmask.loop.slides.tile_jobs import SlideFile, TileJob, jobs_of, tiles_by_jobs
from askmask.loop.slides.tiles import Output, predicted_tile
from askmask.metrics.streamed_objects import FoundObject, StreamedObjects
from askmask.progress import Listener, Progress, silent
from askmask.runtime.executors import Executor
from askmask.whole_files import write_atomically

_UNFINISHED: Final = ".unfinished"
_OBJECT_PIXELS: Final = 4 * 2**20  # of a band that objects are looked for in at once
_SMALLEST: Final = 32  # what networks accept
_STRIDE: Final = 32  # of the coarsest features of any network


def predict_slides(
    model: RoundModel,
    slides: Sequence[Path],
    out: Path,
    *,
    options: PredictOptions = ALL,
    report: Listener = silent,
    elsewhere: Elsewhere | None = None,
) -> PredictedSlides:
    """Predict slides by a round's model, at its project's resolution.

    Writes ``labels/NAME.ome.tif`` (class indices, `NOT_SEEN` where there is no tissue near),
    ``confidence/NAME.ome.tif`` (`CONFIDENCE_SCALE` is 1), ``objects/NAME.csv``, ``slides.csv`` and
    ``predictions.json``. Repeated after it was interrupted, it goes on where it was.

    Parameters
    ----------
    model : RoundModel
        Of a project of slides.
    slides : sequence of Path
        Files; they need not belong to the project.
    out : Path
        Absent, empty, or what the same call left unfinished.
    options : PredictOptions
        What is to be said of the slides.
    report : callable
        Told how far it has come, in rows of tiles.
    elsewhere : Elsewhere, optional
        Where tiles are predicted, by default in this process. The files are the same. Whoever works
        there must see the slides under the paths that they have here.

    Raises
    ------
    ProjectError
        If the project is not one of slides, or the round has no model.
    SourceError
        If `out` holds something else, or slides would be called alike.
    ConfigError
        If slides are to be sent.
    ClusterError
        If nobody elsewhere may be given work, or the cluster is lost; what is finished is kept.
    """
    if alike := same_names(slides):
        raise PrepareError(alike)
    engine = _Engine(model, slides, options)
    unfinished = out / _UNFINISHED
    done = PredictedSlides()
    with jobs_of(model, slides, elsewhere) as engine.jobs:
        _begin(out, engine.facts)
        for number, path in enumerate(slides):
            try:
                line = engine.predict(path, out, unfinished / f"{number:05d}", report)
            except SourceError as error:
                done.problems.append(f"{path.name}: {error}")
                continue
            except ClusterError:
                _clear_if_empty(out)
                raise
            done.slides.append(line)
    write_slides(out / "slides.csv", engine.classes, done.slides)
    write_atomically(out / "predictions.json", json.dumps(engine.facts, indent=1) + "\n")
    for number in range(len(slides)):
        FinishedBands(unfinished / f"{number:05d}").delete()
    (unfinished / "of.json").unlink()
    unfinished.rmdir()
    return done


def _begin(out: Path, facts: dict[str, object]) -> None:
    """Make the folders, or find that an interrupted call of the same arguments made them."""
    mark = out / _UNFINISHED / "of.json"
    text = json.dumps(facts, indent=1) + "\n"
    if mark.is_file():
        if mark.read_text(encoding="utf-8") == text:
            return
        raise SourceError(
            f"expected {str(out)!r} to be absent or empty, found an unfinished prediction of "
            "another model, of other slides or of another part. Repeat that command to finish it, "
            "choose another folder, or remove this one."
        )
    left = [] if not out.exists() else [p for p in out.iterdir() if p.name != _UNFINISHED]
    if left or out.is_file():
        raise SourceError(
            f"expected {str(out)!r} to be absent or an empty folder, but it holds something. "
            "Choose another folder, or remove it first."
        )
    mark.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(mark, text)


def _clear_if_empty(out: Path) -> None:
    """Remove what was made before anything was predicted."""
    if not any(out.glob(f"{_UNFINISHED}/*/*")) and {p.name for p in out.iterdir()} == {_UNFINISHED}:
        shutil.rmtree(out)


class _Engine:
    """A loaded model and how it is applied to a slide, here or, with `jobs`, elsewhere."""

    jobs: tuple[Executor, Bench] | None = None

    def __init__(self, model: RoundModel, slides: Sequence[Path], options: PredictOptions) -> None:
        source = model.project.source
        if not isinstance(source, SlideSource):
            raise ProjectError(
                "expected a project of slides, got one of plain images, whose resolution nobody "
                "knows. Make one with `askmask init PROJECT --slides SLIDES`."
            )
        self._model = model
        self._options = options
        self._source = source
        self._mpp = source.mpp
        self.classes = source.classes.names
        evaluation = model.project.config.evaluation
        self._min_pixels = evaluation.min_object_pixels
        self._first_class = int(evaluation.has_background)
        smallest = np.zeros((_SMALLEST, _SMALLEST, 3), np.uint8)
        probe = model.sums(model.judge, smallest, name="", boundary=True)
        # A contour that belongs to one class cannot split another one's objects.
        self._has_contour = (
            probe.boundary_probs is not None
            and evaluation.objects
            and len(self.classes) == 1 + evaluation.has_background
        )
        threshold = evaluation.boundary_threshold if self._has_contour else None
        self._output = Output(len(self.classes), threshold)
        self.facts = self._facts(slides)

    def _facts(self, slides: Sequence[Path]) -> dict[str, object]:
        """What the folder of predictions must tell for itself."""
        stored = self._model.recalibration
        return {
            "askmask": "predicted slides",
            "classes": list(self.classes),
            "not_seen": NOT_SEEN,
            "confidence_scale": CONFIDENCE_SCALE,
            "mpp": self._mpp,
            "round": self._model.round,
            "models": list(self._model.digests),
            "recalibration": "none" if stored is None else f"{stored.method}-{stored.digest}",
            "judged_by": asdict(judged_by(self._model.config)),
            "min_object_pixels": self._min_pixels,
            "options": asdict(self._options),
            "slides": [[path.name, slide_bytes(path)] for path in slides],
            "tissue": [self._tissue_version(path) for path in slides],
        }

    def _known(self, path: Path) -> SlideEntry | None:
        """The project's slide of a file, if it has a mask: a person may have corrected it."""
        known = self._source.entry_of(path)
        return None if known is None or known.tissue is None else known

    def _tissue_version(self, path: Path) -> str:
        """Version of the project's mask of a slide; empty if its tissue is looked for."""
        known = self._known(path)
        return "" if known is None else self._source.tissue_version(known)

    def predict(self, path: Path, out: Path, folder: Path, report: Listener) -> PredictedSlide:
        """Predict one slide and write its files, going on from what is in `folder`."""
        name = slide_name(path)
        with ExitStack() as stack:
            image = stack.enter_context(closing(open_tiled(path)))
            own = image.mpp if image.mpp is not None else self._options.own_mpp
            view = stack.enter_context(closing(at_mpp(image, self._mpp, own)))
            assert own is not None, "a slide without is refused above"
            part = self._part(view)
            tissue = None
            if self._options.tissue:
                known = self._known(path)
                tissue = find_tissue(image, own) if known is None else self._source.tissue(known)
            finished = FinishedBands(folder)
            file = SlideFile(path.absolute(), slide_bytes(path) or 0, own, self._mpp)
            self._predict_bands(_Slide(name, file, view, part, tissue), finished, report)
            corner = part.row * view.factor, part.col * view.factor
        size = part.height, part.width
        millimetres = part.row * self._mpp / 1000, part.col * self._mpp / 1000
        for kind, choose in (
            ("labels", lambda band: band.labels),
            ("confidence", lambda band: band.confidence),
        ):
            (out / kind).mkdir(exist_ok=True)
            write_pyramid(
                out / kind / f"{name}.ome.tif",
                size,
                BandRows(finished, choose),
                mpp=self._mpp,
                corner_mm=millimetres,
                identity=json.dumps([kind, name, self.facts]),
            )
        objects = self._objects(finished)
        (out / "objects").mkdir(exist_ok=True)
        table = ObjectTable(self.classes, part, view.factor, self._mpp)
        table.write(out / "objects" / f"{name}.csv", objects)
        counts, total = self._counted(finished)
        square_mm = (self._mpp / 1000) ** 2
        return PredictedSlide(
            slide=name,
            height=part.height,
            width=part.width,
            row=round(corner[0]),
            col=round(corner[1]),
            mpp=self._mpp,
            seen_mm2=float(counts.sum()) * square_mm,
            areas_mm2=tuple((counts * square_mm).tolist()),
            mean_confidence=total / float(counts.sum()) if counts.any() else None,
            objects=len(objects),
        )

    def _part(self, view: Resampled) -> Box:
        """What is to be predicted, in pixels of the working resolution."""
        part = self._options.part
        if part is None:
            return Box(0, 0, *view.size)
        row, col = int(part.row / view.factor), int(part.col / view.factor)
        row, col = row // _STRIDE * _STRIDE, col // _STRIDE * _STRIDE
        bottom = min(round(part.bottom / view.factor), view.size[0])
        right = min(round(part.right / view.factor), view.size[1])
        if bottom - row < _SMALLEST or right - col < _SMALLEST:
            raise SourceError(
                f"expected a part of {view.name!r} with at least {_SMALLEST} pixels on a side at "
                f"{self._mpp:g} micrometres per pixel, got rows {part.row} to {part.bottom} and "
                f"columns {part.col} to {part.right}. The slide ends at "
                f"{round(view.size[0] * view.factor)}, {round(view.size[1] * view.factor)}."
            )
        return Box(row, col, bottom - row, right - col)

    def _predict_bands(self, slide: "_Slide", finished: FinishedBands, report: Listener) -> None:
        size = slide.part.height, slide.part.width
        total = len(cut_side(size[0], TILE))
        report(Progress(self._model.round, "predict", finished.count, total))
        if finished.count == total:
            return
        with closing(self._values(slide, finished.count)) as values:
            rows = blended_rows(
                size,
                self._output.n_values,
                lambda _: next(values),
                self._output.finish,
                first=finished.count,
                carry=finished.carry(),
            )
            for row in rows:
                band = Band(row.layers[0], row.layers[1], row.layers[2:])
                finished.add(band, row.carry)
                report(Progress(self._model.round, "predict", finished.count, total))

    def _values(self, slide: "_Slide", first: int) -> Generator[Values | None, None, None]:
        """Values of every tile from a row of tiles on; None where there is no tissue."""
        beyond = MARGIN - RAMP
        jobs: list[TileJob | None] = []
        for place in tile_places((slide.part.height, slide.part.width), first=first):
            row, col = slide.part.row + place.box.row, slide.part.col + place.box.col
            tile = Box(row, col, place.box.height, place.box.width)
            job = TileJob(slide.file, slide.name, tile, beyond, place.settled, self._output)
            jobs.append(job if slide.has_tissue(tile, self._mpp) else None)
        found = self._found(slide, [job for job in jobs if job is not None])
        for one in jobs:
            yield None if one is None else next(found)
        next(found, None)  # lets what is elsewhere end

    def _found(self, slide: "_Slide", wanted: Sequence[TileJob]) -> Iterator[Values]:
        """Values of tiles, from here or from elsewhere."""
        if self.jobs is not None:
            yield from tiles_by_jobs(self.jobs, wanted)
            return
        for job in wanted:
            yield predicted_tile(
                self._model, slide.view, job.tile, job.beyond, name=job.name, output=job.output
            )

    def _objects(self, finished: FinishedBands) -> list[FoundObject]:
        """Objects of every class but the background."""
        found: list[FoundObject] = []
        for label in range(self._first_class, len(self.classes)):
            objects = StreamedObjects(label, self._min_pixels)
            for band in finished.bands():
                step = max(_OBJECT_PIXELS // band.labels.shape[1], 1)
                for row in range(0, band.labels.shape[0], step):
                    some = slice(row, row + step)
                    contour = band.contour[0, some] > 0 if self._has_contour else None
                    objects.add(band.labels[some], band.confidence[some], contour)
            found += objects.found()
        return found

    def _counted(self, finished: FinishedBands) -> tuple[npt.NDArray[np.int64], float]:
        """Pixels of each class, and the sum of the confidences of all of them."""
        counts, total = np.zeros(len(self.classes), np.int64), 0.0
        for band in finished.bands():
            counts += np.bincount(band.labels.ravel(), minlength=256)[: len(self.classes)]
            total += float(band.confidence.sum(dtype=np.int64)) / CONFIDENCE_SCALE
        return counts, total


@dataclass(frozen=True, slots=True, eq=False)
class _Slide:
    """A slide that is open, and the part of it that is predicted."""

    name: str
    file: SlideFile
    view: Resampled
    part: Box
    tissue: npt.NDArray[np.bool_] | None

    def has_tissue(self, box: Box, mpp: float) -> bool:
        """Whether anything in a box is tissue."""
        return self.tissue is None or bool(tissue_at(self.tissue, box, mpp).any())
