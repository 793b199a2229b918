"""The loop on slides: asked in tissue, shared among slides, the same as on plain images."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.config import Config, RegionConfig, load_written_config
from askmask.data.prepared import DatasetWriter
from askmask.data.slides import preparing
from askmask.data.slides.preparing import SlideOptions, write_slide_set
from askmask.data.slides.slide_set import read_slide_set
from askmask.data.source import Source
from askmask.errors import ConfigError
from askmask.loop.ask import propose
from askmask.loop.begin.machine_speed import Speed
from askmask.loop.begin.settings import fitting_settings
from askmask.loop.elsewhere.scoring import PoolElsewhere
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.loop import Loop
from askmask.loop.predictions import predict_known
from askmask.loop.project import Project
from askmask.progress import silent
from askmask.query.regions import Candidate, places_of
from askmask.query.regions.selection import best_of_groups
from askmask.records import Answer, ClassMap, ImageInfo, Mask, Region
from askmask.runtime.executors import Serial
from slide_files import drawn, tissue_slide, write_ome, write_pages, write_svs

Build = Callable[..., Config]
CLASSES = ("background", "gland")
SIDE = 128


def painted(source: Source, region: Region) -> Answer:
    """Answer from the pixels themselves: what is red is gland."""
    image = source.read_image(region.image_id)[region.slices]
    labels = (image[:, :, 0].astype(int) > 150).astype(np.int16)
    return Answer(region, Mask(labels), 1, author="test", tool="test")


def slide_project(
    root: Path, build: Build, slides: list[Path], *, tissue: str = "otsu", **sections: object
) -> Project:
    write_slide_set(slides, root / "set", SlideOptions(CLASSES, tissue=tissue))  # type: ignore[arg-type]
    where = {"path": str(root / "set"), "start": "none", "validation": 0, "test": []}
    return Project.create(root / "project", build(data=where, **sections))


def trained(project: Project) -> Loop:
    loop = Loop(project)
    loop.tell([painted(project.source, item.region) for item in loop.ask().items])
    loop.train()
    return loop


@pytest.fixture
def _small_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "FIELD_SIDE", SIDE)


def test_a_query_is_the_same_of_a_picture_and_of_a_slide_read_in_tiles(
    tmp_path: Path, disc_config: Build
) -> None:
    pixels = drawn(160, 200)
    with DatasetWriter(tmp_path / "plain", ClassMap(CLASSES), "one picture") as writer:
        writer.add(ImageInfo("one/0_0", 160, 200, has_mask=False), pixels, None)
    where = {"path": str(tmp_path / "plain"), "start": "none", "validation": 0, "test": []}
    slide = write_ome(tmp_path / "one.ome.tif", pixels, mpp=1.0)
    with (
        Project.create(tmp_path / "p", disc_config(data=where)) as plain,
        slide_project(tmp_path, disc_config, [slide], tissue="none") as tiled,
    ):
        queries = [trained(project).ask() for project in (plain, tiled)]
        assert queries[0].items == queries[1].items
        assert queries[0].acquisition == "predictive_entropy"
        found = [predict_known(project.model(), "one/0_0").probs for project in (plain, tiled)]
        np.testing.assert_array_equal(*found)


BY_TWO = pytest.mark.parametrize(
    "acquisition", ["random", pytest.param("predictive_entropy", marks=pytest.mark.slow)]
)


def project_with_glass(tmp_path: Path, build: Build, acquisition: str) -> Project:
    """Project of one slide, with glass around its tissue, that asks all there is."""
    slide = write_pages(tmp_path / "one.tif", tissue_slide(500, 600, border=150), mpp=1.0)
    region = {"size": [24, 24], "stride": 8, "budget_regions": 200}
    query = {"acquisition": acquisition, "region": region}
    return slide_project(tmp_path, build, [slide], query=query)


@pytest.mark.usefixtures("_small_fields")
@BY_TWO
def test_every_asked_region_is_at_least_half_tissue(
    acquisition: str, tmp_path: Path, disc_config: Build
) -> None:
    with project_with_glass(tmp_path, disc_config, acquisition) as project:
        trained(project)
        items = propose(project, 2).items
        assert 20 < len(items) < 200  # all there is
        for item in items:
            askable = project.source.askable(item.region.image_id)  # type: ignore[attr-defined]
            assert askable[item.region.slices].mean() >= 0.5


@pytest.mark.usefixtures("_small_fields")
@BY_TWO
def test_jobs_ask_all_of_the_same_regions_of_slides(
    acquisition: str, tmp_path: Path, disc_config: Build
) -> None:
    with project_with_glass(tmp_path, disc_config, acquisition) as project:
        model = trained(project).project.model()
        pool = PoolElsewhere(project, 2, model, silent, elsewhere=Elsewhere(Serial()))
        by_jobs = propose(project, 2, model=model, pool=pool)
        here = propose(project, 2, model=model)
        assert 20 < len(here.items) < 200  # all there is
        assert by_jobs.items == here.items
        assert by_jobs.heat is not None
        assert here.heat is not None
        assert repr(by_jobs.heat.maps()) == repr(here.heat.maps())


@pytest.mark.usefixtures("_small_fields")
def test_no_slide_takes_more_of_a_query_than_its_limit(tmp_path: Path, disc_config: Build) -> None:
    slides = [
        write_pages(tmp_path / f"{n}.tif", drawn(200, 280, n), mpp=1.0, levels=1) for n in range(3)
    ]
    query = {"region": {"size": [24, 24], "stride": 8, "budget_regions": 6}, "most_per_group": 2}
    with slide_project(tmp_path, disc_config, slides, tissue="none", query=query) as project:
        trained(project)
        asked = [item.region.image_id.partition("/")[0] for item in propose(project, 2).items]
    assert sorted(asked) == ["0", "0", "1", "1", "2", "2"]


def candidate(image_id: str, row: int, score: float) -> Candidate:
    return Candidate(Region(image_id, row, 0, 2, 2), score, 4)


def test_the_best_of_each_group_are_kept_and_images_without_a_group_stand_alone() -> None:
    lists = [
        [candidate("a", 0, 9.0), candidate("a", 2, 1.0)],
        [candidate("b", 0, 5.0), candidate("b", 2, 4.0)],
        [candidate("c", 0, 3.0), candidate("c", 2, 2.0)],
    ]
    kept = best_of_groups(lists, {"a": "s", "b": "s", "c": None}, most=2)
    assert [(c.region.image_id, c.score) for c in kept] == [
        ("a", 9.0), ("b", 5.0), ("c", 3.0), ("c", 2.0),
    ]  # fmt: skip


def test_a_limit_per_group_is_refused_where_a_strategy_cannot_keep_it(
    tmp_path: Path, disc_config: Build
) -> None:
    query = {"acquisition": "coreset", "most_per_group": 2}
    with (
        Project.create(tmp_path / "p", disc_config(query=query)) as project,
        pytest.raises(ConfigError, match=r"most_per_group=2, got 'coreset'"),
    ):
        propose(project, 1)


def test_a_window_with_less_than_half_its_pixels_askable_is_no_place() -> None:
    askable = np.zeros((4, 8), bool)
    askable[:, 3:] = True
    rule = RegionConfig(size=(4, 4), stride=1)
    places = places_of("a", np.ones((4, 8), bool), rule, askable)
    assert places.new_pixels.tolist() == [0, 8, 12, 16, 16]  # one to five columns of tissue
    assert not places.available[:, :3].any()


# --- the command ----------------------------------------------------------------------------


def call(*words: object, ends: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == ends, result.output
    return " ".join(result.output.split())


def test_init_makes_a_project_of_slides_and_tells_their_tissue(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(3):
        pixels = tissue_slide(800, 1200, border=200, seed=number)
        write_pages(folder / f"s{number}.tif", pixels, mpp=1.0)
    told = call(
        *("init", tmp_path / "p", "--slides", folder, "--classes", "background,gland"),
        *("data.mpp=2.0", "training.seconds=5", "sampling.samples=3"),
    )
    assert "Slides at 2 micrometres per pixel: 3, cut into fields of about 1024 x 1024" in told
    assert re.search(r"s2: .*; tissue 3\d\.\d%, fields 1", told)
    assert read_slide_set(tmp_path / "p" / "slides").mpp == 2.0
    config = load_written_config(tmp_path / "p" / "askmask.yaml")
    assert (config.data.mpp, config.data.start) == (2.0, "none")
    assert config.query.most_per_group == 14  # of 20, on three slides


@pytest.mark.usefixtures("_small_fields")
@pytest.mark.parametrize(("seconds", "told"), [(0.5, "about 10 s"), (60.0, "about 20 min")])
def test_time_of_a_query_is_told_before_anything_is_asked(
    tmp_path: Path, disc_config: Build, seconds: float, told: str
) -> None:
    slide = write_pages(tmp_path / "one.tif", drawn(4 * SIDE, 5 * SIDE), mpp=1.0, levels=1)
    given = ["sampling.samples"]
    with slide_project(tmp_path, disc_config, [slide], tissue="none") as project:
        fitting = fitting_settings(
            project.config, project.source, lambda *_: Speed(0.1, seconds), given=given
        )
    assert f"A query looks at all 20 fields: {told} on this machine" in " ".join(fitting.notes)


def test_init_takes_annotations_as_masks_and_keeps_some_for_validation(tmp_path: Path) -> None:
    slides, notes = tmp_path / "scans", tmp_path / "notes"
    slides.mkdir()
    notes.mkdir()
    for number in range(3):
        write_pages(slides / f"s{number}.tif", drawn(300, 400, number), mpp=1.0, levels=1)
        box = [(0, 0), (400, 0), (400, 200), (0, 200), (0, 0)]
        shapes = [("Region*", box), ("gland", [(x // 2, y // 2) for x, y in box])]
        features = [
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {"classification": {"name": name}},
            }
            for name, ring in shapes
        ]
        (notes / f"s{number}.geojson").write_text(json.dumps(features))
    told = call(
        *("init", tmp_path / "p", "--slides", slides, "--masks", notes, "--tissue", "none"),
        *("--classes", "background,gland", "training.seconds=5", "sampling.samples=3"),
    )
    assert "1 labelled images to start from, 2 kept for validation" in told
    with Project.open(tmp_path / "p") as project:
        assert project.store.labelled_pixels() == 200 * 400
        mask = project.source.read_mask(project.roles.validation[0])
    assert mask is not None
    assert (mask.labels == 1).sum() == 100 * 200
    assert (mask.labels == -1).sum() == 100 * 400


def test_status_of_slides_tells_areas(tmp_path: Path, disc_config: Build) -> None:
    slide = write_pages(tmp_path / "one.tif", drawn(200, 280), mpp=2.0, levels=1)
    write_slide_set([slide], tmp_path / "set", SlideOptions(CLASSES, mpp=2.0, tissue="none"))
    where = {"path": str(tmp_path / "set"), "start": "none", "validation": 0, "test": []}
    with Project.create(tmp_path / "p", disc_config(data=where)) as project:
        Loop(project).tell([painted(project.source, Region("one/0_0", 0, 0, 100, 50))])
    told = json.loads(CliRunner().invoke(app, ["status", str(tmp_path / "p"), "--json"]).stdout)
    assert told["slides"] == 1
    assert told["labelled_mm2"] == 0.02  # 5000 pixels of 4 square micrometres
    assert told["tissue_mm2"] == 0.22


def test_a_query_of_slides_tells_its_area(tmp_path: Path, disc_config: Build) -> None:
    slide = write_pages(tmp_path / "one.tif", drawn(200, 280), mpp=2.0, levels=1)
    write_slide_set([slide], tmp_path / "set", SlideOptions(CLASSES, mpp=2.0, tissue="none"))
    where = {"path": str(tmp_path / "set"), "start": "none", "validation": 0, "test": []}
    Project.create(tmp_path / "p", disc_config(data=where)).close()
    told = call("ask", tmp_path / "p")
    with Project.open(tmp_path / "p") as project:
        query = project.store.newest_query()
        assert query is not None
        pixels = sum(item.new_pixels for item in query.items)
    assert f"Together {pixels * 4 / 1e6:.3g} mm2 to label." in told


def test_init_of_slides_that_cannot_be_used_leaves_nothing_behind(tmp_path: Path) -> None:
    from askmask.errors import PrepareError

    slide = write_svs(tmp_path / "mute.svs", drawn(300, 300), mpp=None, levels=1)
    result = CliRunner().invoke(
        app, ["init", str(tmp_path / "p"), "--slides", str(slide), "--classes", "a,b"]
    )
    assert isinstance(result.exception, PrepareError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mute.svs"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--slides", "x.svs"], "expected the names of the classes"),
        (["--slides", "x", "--classes", "a,b", "--mask-suffix", "_m"], "only --masks, --classes"),
        (["--images", "x", "--classes", "a,b", "--mpp", "0.5"], "expected --slides SLIDES"),
        (["--slides", "x.svs", "--classes", "a,b"], "no file or folder"),
        (["--slides", "x.svs", "--classes", "a,b", "--mpp", "0"], "from 0.01 to 1000"),
    ],
)
def test_options_that_do_not_fit_are_one_error(words, told, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["init", str(tmp_path / "p"), *words])
    assert told in str(result.exception)
    assert not (tmp_path / "p").exists()
