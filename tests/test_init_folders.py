"""A project straight from folders of images, with masks or without any."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.cli.project import init_project
from askmask.config import load_config
from askmask.data.prepare.folder import PrepareOptions
from askmask.errors import AskmaskError, ConfigError, PrepareError, ProjectError
from askmask.loop.begin.create import ImageFolders, create_project
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from discs import draw_discs

TINY = ["threads=1", "device=cpu", "training.seconds=9.0", "sampling.samples=4"]


def write_images(folder: Path, count: int, *, masks: int = 0) -> None:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        image, mask = draw_discs(number)
        Image.fromarray(image).save(folder / "images" / f"field {number}.png")
        if number < masks:
            raster = Image.fromarray(mask.labels.astype(np.uint8))
            raster.save(folder / "masks" / f"field {number}.png")


def init(root: Path, folder: Path, *overrides: str, masks: bool = False) -> None:
    options = PrepareOptions(classes=("background", "disc"))
    folders = ImageFolders(folder / "images", folder / "masks" if masks else None, options)
    init_project(root, None, [*TINY, *overrides], folders=folders)


def test_project_without_any_mask_starts_cold(tmp_path: Path) -> None:
    write_images(tmp_path, 4)

    init(tmp_path / "p", tmp_path)

    with Project.open(tmp_path / "p") as project:
        assert (len(project.roles.pool), project.roles.start, project.roles.validation) == (
            4,
            (),
            (),
        )
        assert project.source.classes.names == ("background", "disc")
        assert project.store.labelled_pixels() == 0
        assert project.config.query.region.size == (32, 32)  # half of these small images


def test_masks_that_are_there_are_taken_in(tmp_path: Path) -> None:
    write_images(tmp_path, 6, masks=4)

    init(tmp_path / "p", tmp_path, masks=True)

    with Project.open(tmp_path / "p") as project:
        roles = project.roles
        assert (len(roles.start), len(roles.validation), len(roles.pool)) == (2, 2, 2)
        assert project.store.labelled_images() == roles.start


def test_with_one_mask_it_is_learned_from(tmp_path: Path) -> None:
    write_images(tmp_path, 3, masks=1)

    init(tmp_path / "p", tmp_path, masks=True)

    with Project.open(tmp_path / "p") as project:
        assert (project.roles.start, project.roles.validation) == (("field 0",), ())


def test_project_moves_with_its_images(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    init(tmp_path / "p", tmp_path)

    (tmp_path / "p").rename(tmp_path / "moved")

    with Project.open(tmp_path / "moved") as project:
        assert project.source.read_image("field 1").shape == (64, 64, 3)


def test_config_says_what_each_section_is_for(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    init(tmp_path / "p", tmp_path, "serve.train_after=7")

    text = (tmp_path / "p" / "askmask.yaml").read_text()

    assert "\n    # A quarter of an image's shorter side; no sizes known.\n    size:\n" in text
    assert "# Where the images are and how they are divided.\n" in text
    assert text.count("#") > 30
    assert load_config(tmp_path / "p" / "askmask.yaml").serve.train_after == 7


def test_every_problem_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    (tmp_path / "images" / "field 1.png").write_bytes(b"no image")
    (tmp_path / "images" / "film.gif").write_bytes(b"GIF89a")

    with pytest.raises(PrepareError, match=r"(?s)2 problems.*film\.gif"):
        init(tmp_path / "p", tmp_path)

    assert not (tmp_path / "p").exists() or list((tmp_path / "p").iterdir()) == []


def test_wrong_setting_leaves_no_half_project(tmp_path: Path) -> None:
    write_images(tmp_path, 3)

    with pytest.raises(ConfigError, match=r"serve\.train_afer"):
        init(tmp_path / "p", tmp_path, "serve.train_afer=7")

    init(tmp_path / "p", tmp_path)


def test_project_that_exists_is_not_touched(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    init(tmp_path / "p", tmp_path)

    with pytest.raises(ProjectError, match="expected no project"):
        init(tmp_path / "p", tmp_path)


@pytest.mark.parametrize("both", [True, False])
def test_images_or_a_data_set_and_not_both(tmp_path: Path, both: bool) -> None:
    folders = ImageFolders(tmp_path, None, PrepareOptions(classes=("a", "b"))) if both else None

    with pytest.raises(
        ConfigError, match="one of --data DATASET, --images FOLDER, --slides SLIDES"
    ):
        init_project(tmp_path / "p", tmp_path if both else None, [], folders=folders)


def test_classes_must_have_names(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    folders = ImageFolders(tmp_path / "images", None, PrepareOptions())

    with pytest.raises(ConfigError, match="--classes background,gland"):
        init_project(tmp_path / "p", None, [], folders=folders)


def test_tiny_image_and_thumbnail_beside_others_never_stop_the_loop(tmp_path: Path) -> None:
    write_images(tmp_path, 5, masks=3)
    for name, size in (("speck", (24, 24)), ("thumbnail", (60, 40))):
        Image.new("RGB", size, "white").save(tmp_path / "images" / f"{name}.png")
    network = ["model.name=unet", "model.options={base_channels: 8, depth: 2}", "training.steps=2"]

    init(tmp_path / "p", tmp_path, *network, "training.seconds=null", masks=True)

    with Project.open(tmp_path / "p") as project:
        assert project.config.data.leave_out == ("speck",)
        loop = Loop(project)
        loop.train()
        asked = {item.region.image_id for item in loop.ask().items}
        assert asked <= set(project.pool_ids)
        assert "thumbnail" in project.pool_ids


def test_project_is_made_from_python_and_tells_what_it_holds(tmp_path: Path) -> None:
    write_images(tmp_path, 4, masks=1)
    options = PrepareOptions(classes=("background", "disc"))
    folders = ImageFolders(tmp_path / "images", tmp_path / "masks", options)
    prepared: list[int] = []

    begun = create_project(
        tmp_path / "p",
        folders=folders,
        overrides=TINY,
        on_prepared=lambda summary: prepared.append(summary.images),
    )

    assert (begun.labelled, begun.validation, begun.pool, prepared) == (1, 0, 3, [4])
    with Project.open(tmp_path / "p") as project:
        assert len(project.store.labelled_images()) == 1


def test_project_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    options = PrepareOptions(classes=("background", "disc"))
    folders = ImageFolders(tmp_path / "images", None, options)
    before = sorted(path.name for path in tmp_path.iterdir())

    with pytest.raises(AskmaskError, match="99"):
        create_project(tmp_path / "deep" / "p", folders=folders, overrides=[*TINY, "data.start=99"])

    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.weights=none/w.safetensors", "WeightsError.*none/w.safetensors', found none"),
        ("model.weights=text.safetensors", "WeightsError.*text.safetensors"),
        ("model.name=nobody", "UnknownName.*no model 'nobody'"),
    ],
)
def test_network_that_cannot_start_ends_init_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, said: str
) -> None:
    write_images(tmp_path, 2)
    (tmp_path / "text.safetensors").write_text("no weights", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    options = PrepareOptions(classes=("background", "disc"))
    folders = ImageFolders(tmp_path / "images", None, options)
    prepared: list[int] = []

    with pytest.raises(AskmaskError) as caught:
        create_project(
            tmp_path / "p",
            folders=folders,
            overrides=[*TINY, override],
            on_prepared=lambda summary: prepared.append(summary.images),
        )

    assert re.search(said, f"{type(caught.value).__name__}: {caught.value}")
    assert prepared == []
    assert not (tmp_path / "p").exists()
