"""Slides predicted whole: no seam, files that others open, objects, going on after a stop."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from scipy import ndimage
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.config import Config
from askmask.data.slides.preparing import SlideOptions as SetOptions
from askmask.data.slides.preparing import write_slide_set
from askmask.data.slides.pyramid_file import write_pyramid
from askmask.data.slides.slide_source import SlideSource
from askmask.data.slides.tiled_image import Box
from askmask.errors import ProjectError, SourceError
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.loop.slides import predict_slides
from askmask.loop.slides.predict_options import PredictOptions
from askmask.progress import Progress
from slide_files import drawn, small_tiles, tissue_slide, write_ome, write_pages
from test_slides_in_the_loop import trained

Build = Callable[..., Config]
CLASSES = ("background", "gland")
PREDICT = predict_slides.predict_slides

# Batch norms use the statistics of the training: what the network says of a pixel depends on a
# few pixels around it alone, so tiles can be compared with the whole image.
FINITE = {"name": "unet", "options": {"base_channels": 8, "depth": 2, "norm": "batch"}}


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """900 x 1100 pixels of half a micrometre."""
    folder = tmp_path_factory.mktemp("scans")
    return write_ome(folder / "one.ome.tif", drawn(900, 1100), mpp=0.5, tile=256)


@pytest.fixture(scope="module")
def project(slide: Path, tmp_path_factory: pytest.TempPathFactory, disc_config: Build):
    root = tmp_path_factory.mktemp("project")
    write_slide_set([slide], root / "set", SetOptions(CLASSES, tissue="none"))
    where = {"path": str(root / "set"), "start": "none", "validation": 0, "test": []}
    query = {"region": {"size": [48, 48], "stride": 16, "budget_regions": 6}}
    config = disc_config(data=where, model=FINITE, query=query)
    with Project.create(root / "p", config) as opened:
        trained(opened)
        yield opened


@pytest.fixture(autouse=True, scope="module")
def _small_tiles() -> Iterator[None]:
    with small_tiles():
        yield


@pytest.fixture(scope="module")
def out(project: Project, slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slide, predicted."""
    folder = tmp_path_factory.mktemp("predicted") / "out"
    PREDICT(project.model(), [slide], folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def labels_of(path: Path, level: int = 0) -> np.ndarray:
    with tifffile.TiffFile(path) as file:
        return file.series[0].levels[level].asarray()


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def whole(project: Project, slide: Path):
    source = project.source
    assert isinstance(source, SlideSource)
    with source.view(source.slide_set.slides[0]) as view:
        return project.model().predict(view.read(0, Box(0, 0, *view.size)), boundary=True)


def test_tiles_say_what_the_network_says_of_the_whole_slide(
    project: Project, slide: Path, out: Path
) -> None:
    expected = whole(project, slide)
    labels = labels_of(out / "labels" / "one.ome.tif")
    assert labels.shape == (450, 550)
    assert len(np.unique(labels)) == 2
    np.testing.assert_array_equal(labels, expected.labels)
    confidence = labels_of(out / "confidence" / "one.ome.tif")
    assert np.abs(confidence - expected.confidence * 255).max() <= 0.51


def test_objects_are_those_of_the_whole_slide_in_pixels_of_its_first_level(
    project: Project, slide: Path, out: Path
) -> None:
    rows = table(out / "objects" / "one.csv")
    labels = labels_of(out / "labels" / "one.ome.tif")
    numbered, _ = ndimage.label(labels == 1, np.ones((3, 3)))
    boundary = whole(project, slide).boundary_probs
    from askmask.metrics.objects import find_objects

    assert len(rows) == find_objects(labels == 1, boundary >= 0.5, 10).max() > 0
    boxes = {
        (s[0].start * 2, s[1].start * 2, s[0].stop * 2, s[1].stop * 2)
        for s in ndimage.find_objects(numbered)
    }
    tops = [tuple(float(row[n]) for n in ("top", "left", "bottom", "right")) for row in rows]
    assert set(tops) & boxes
    assert {row["class"] for row in rows} == {"gland"}
    (line,) = table(out / "slides.csv")
    assert int(line["objects"]) == len(rows)
    assert float(line["seen_mm2"]) == pytest.approx(450 * 550 / 1e6)
    assert float(line["gland_mm2"]) == pytest.approx((labels == 1).sum() / 1e6)


def test_the_pyramid_opens_in_other_programs_at_its_scale(out: Path) -> None:
    path = out / "labels" / "one.ome.tif"
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert file.is_bigtiff
        assert [level.shape for level in file.series[0].levels] == [(450, 550), (225, 275)]
        assert 'PhysicalSizeX="1.0"' in file.ome_metadata
    with openslide.OpenSlide(path) as opened:
        assert opened.level_dimensions == ((550, 450), (275, 225))
        assert float(opened.properties["openslide.mpp-x"]) == pytest.approx(1.0)
        shown = np.asarray(opened.read_region((100, 50), 0, (300, 200)))[:, :, 0]
    np.testing.assert_array_equal(shown, labels_of(path)[50:250, 100:400])
    np.testing.assert_array_equal(labels_of(path, 1), labels_of(path)[::2, ::2])


def test_a_part_is_what_the_whole_slide_has_there(
    project: Project, slide: Path, out: Path, tmp_path: Path
) -> None:
    part = PredictOptions(part=Box(128, 320, 500, 600))
    PREDICT(project.model(), [slide], tmp_path / "part", options=part)
    labels = labels_of(out / "labels" / "one.ome.tif")
    some = labels_of(tmp_path / "part" / "labels" / "one.ome.tif")
    assert some.shape == (250, 300)
    np.testing.assert_array_equal(some, labels[64:314, 160:460])
    (line,) = table(tmp_path / "part" / "slides.csv")
    assert (line["row"], line["col"]) == ("128", "320")


class Stopped(Exception):
    pass


@pytest.mark.parametrize(
    "after", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_a_stopped_prediction_goes_on_and_comes_to_the_same(
    project: Project, slide: Path, out: Path, tmp_path: Path, after: int
) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == after:
            raise Stopped

    with pytest.raises(Stopped):
        PREDICT(project.model(), [slide], tmp_path / "out", report=stop)
    told: list[int] = []
    PREDICT(project.model(), [slide], tmp_path / "out", report=lambda p: told.append(p.done))
    assert told[0] == after
    assert contents(tmp_path / "out") == contents(out)


def test_what_is_unfinished_is_not_gone_on_with_by_other_arguments(
    project: Project, slide: Path, tmp_path: Path
) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 1:
            raise Stopped

    with pytest.raises(Stopped):
        PREDICT(project.model(), [slide], tmp_path / "out", report=stop)
    other = PredictOptions(part=Box(0, 0, 400, 400))
    with pytest.raises(SourceError, match="unfinished prediction of another model, of other"):
        PREDICT(project.model(), [slide], tmp_path / "out", options=other)


def test_a_folder_with_something_in_it_is_left_alone(
    project: Project, slide: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SourceError, match="it holds something"):
        PREDICT(project.model(), [slide], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_glass_is_not_looked_at(project: Project, tmp_path: Path) -> None:
    image = tissue_slide(1200, 1200, border=400)
    slide = write_pages(tmp_path / "glass.tif", image, mpp=1.0)
    PREDICT(project.model(), [slide], tmp_path / "out")
    labels = labels_of(tmp_path / "out" / "labels" / "glass.ome.tif")
    assert (labels[:224] == 255).all()  # the tile above the tissue reaches 32 pixels down
    assert (labels[400:800, 400:800] != 255).all()
    (line,) = table(tmp_path / "out" / "slides.csv")
    assert float(line["seen_mm2"]) == pytest.approx((labels != 255).sum() / 1e6)


def test_a_slide_that_cannot_be_predicted_stops_no_other(
    project: Project, slide: Path, tmp_path: Path
) -> None:
    torn = tmp_path / "torn.tif"
    torn.write_bytes(b"II*\0nothing")
    found = PREDICT(project.model(), [torn, slide], tmp_path / "out")
    assert [line.slide for line in found.slides] == ["one"]
    assert "torn.tif" in found.problems[0]
    with pytest.raises(SourceError, match=r"1 of 2 slides.*\n  torn\.tif"):
        found.check(tmp_path / "out")
    told = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert (told["mpp"], told["not_seen"]) == (1.0, 255)


@pytest.mark.slow
def test_a_project_of_plain_images_predicts_no_slides(
    disc_config: Build, slide: Path, tmp_path: Path
) -> None:
    with Project.create(tmp_path / "p", disc_config()) as plain:
        loop = Loop(plain)
        loop.tell_start(MaskOracle(plain.source))
        loop.train()
        with pytest.raises(ProjectError, match="expected a project of slides"):
            PREDICT(plain.model(), [slide], tmp_path / "out")


def test_the_command_predicts_a_slide(project: Project, slide: Path, tmp_path: Path) -> None:
    words = ["predict", str(project.root), str(slide), str(tmp_path / "out"), "--tissue", "none"]
    result = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [line["slide"] for line in told["slides"]] == ["one"]
    assert (tmp_path / "out" / "labels" / "one.ome.tif").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--part", "1,2,3"], "expected --part as ROW,COL,HEIGHT,WIDTH"),
        (["--part", "0,0,-5,5"], "expected --part as ROW,COL,HEIGHT,WIDTH"),
        (["--scale", "0.5"], "expected no --scale, which is for plain images"),
        (["--mpp", "0"], "expected --mpp above 0"),
    ],
)
def test_options_that_make_no_sense_of_slides_are_one_error(
    words, told, project: Project, slide: Path, tmp_path: Path
) -> None:
    start = ["predict", str(project.root), str(slide), str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*start, *words])
    assert told in str(result.exception)
    assert not (tmp_path / "out").exists()


# --- the pyramid ----------------------------------------------------------------------------

ABOUT = {"mpp": 0.5, "corner_mm": (1.0, 2.0), "identity": "drawn"}


def write(path: Path, raster: np.ndarray) -> None:
    write_pyramid(path, raster.shape, lambda a, b, step: raster[a:b:step], **ABOUT)


def test_openslide_and_tifffile_see_the_same_levels(tmp_path: Path) -> None:
    raster = np.random.default_rng(0).integers(0, 5, (1312, 2112), np.uint8)
    path = tmp_path / "a.ome.tif"
    write(path, raster)
    with tifffile.TiffFile(path) as file, openslide.OpenSlide(path) as opened:
        (series,) = file.series
        assert opened.level_downsamples == (1, 2, 4, 8)
        assert opened.properties["openslide.mpp-x"] == "0.5"
        assert opened.level_dimensions == tuple(level.shape[::-1] for level in series.levels)
        for number, size in enumerate(opened.level_dimensions):
            shown = np.asarray(opened.read_region((0, 0), number, size))
            np.testing.assert_array_equal(shown[:, :, 0], raster[:: 2**number, :: 2**number])
            assert (shown[:, :, 3] == 255).all()


@pytest.mark.parametrize("levels_fit", [True, False])
def test_the_ome_of_a_pyramid_names_its_first_plane_alone(levels_fit: bool, tmp_path: Path) -> None:
    size = (500, 500) if levels_fit else (1100, 600)
    raster = np.zeros(size, np.uint8)
    path = tmp_path / "a.ome.tif"
    write(path, raster)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert file.ome_metadata is not None
        assert file.ome_metadata.count("<TiffData") == 1
        assert '<TiffData IFD="0" PlaneCount="1"/>' in file.ome_metadata
        assert [page.is_reduced for page in file.pages] == [False, *([True] * (2 - 2 * levels_fit))]


def test_a_pyramid_whose_rows_fail_leaves_no_file(tmp_path: Path) -> None:
    def read(first: int, last: int, step: int) -> np.ndarray:
        if step > 1:
            raise OSError("the disk is gone")
        return np.zeros((last - first, 600), np.uint8)

    with pytest.raises(OSError, match="the disk is gone"):
        write_pyramid(tmp_path / "a.ome.tif", (600, 600), read, **ABOUT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [(5, 7), (512, 513), (1300, 2100)])
def test_every_second_pixel_makes_the_next_level(size: tuple[int, int], tmp_path: Path) -> None:
    raster = np.random.default_rng(0).integers(0, 5, size, np.uint8)
    path = tmp_path / "a.ome.tif"
    write(path, raster)
    with tifffile.TiffFile(path) as file:
        for number, level in enumerate(file.series[0].levels):
            np.testing.assert_array_equal(level.asarray(), raster[:: 2**number, :: 2**number])
        assert max(level.shape) <= 512
        assert 'PositionX="2.0"' in file.ome_metadata
