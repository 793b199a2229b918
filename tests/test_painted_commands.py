"""The commands that read people's files in a project: tell, import and predict."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.io
from PIL import Image
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.config import Config
from askmask.data.prepare.said import own_range, range_choice
from askmask.data.ranges import Percentiles, RangeChoice
from askmask.errors import ConfigError, ExchangeError, SourceError
from askmask.loop.project import Project
from discs import draw_discs
from picture_files import tiff, turned_file

Build = Callable[..., Config]


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(kind: type[Exception], *words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(result.exception, kind), (result.output, result.exception)
    return str(result.exception)


@pytest.fixture
def root(tmp_path: Path, trained_discs: Callable[..., Path]) -> Path:
    """Trained project of two classes."""
    return shutil.copytree(trained_discs(), tmp_path / "p")


def paint(root: Path) -> dict[Path, np.ndarray]:
    """White on black masks of every asked region: the file and where it is white."""
    folder = Path(json.loads(call("ask", root, "--json"))["folder"])
    painted = {}
    for prediction in sorted(folder.glob("*_prediction.png")):
        values = np.zeros(np.asarray(Image.open(prediction)).shape, np.uint8)
        values[3:9, 4:12] = 255
        path = folder / prediction.name.replace("_prediction", "_mask")
        Image.fromarray(values).save(path)
        painted[path] = values == 255
    return painted


def test_regions_painted_white_on_black_become_objects_and_never_holes(root: Path) -> None:
    painted = paint(root)
    with Project.open(root) as project:
        before = project.store.labelled_pixels()
    assert "255 may be white" in fails(ExchangeError, "tell", root)
    with Project.open(root) as project:
        assert project.store.labelled_pixels() == before  # nothing was kept
    assert f"Kept {len(painted)} answers" in call("tell", root, "--kind", "binary")
    with Project.open(root) as project:
        query = project.store.newest_query()
        assert query is not None
        for item, white in zip(query.items, painted.values(), strict=True):
            labels = project.store.labelled(item.region.image_id).labels[item.region.slices]
            np.testing.assert_array_equal(labels, white)


def test_colours_of_painted_masks_may_be_given(root: Path, tmp_path: Path) -> None:
    painted = paint(root)
    for path, white in painted.items():
        colours = np.where(white[:, :, None], (0, 200, 0), (90, 0, 0)).astype(np.uint8)
        Image.fromarray(colours).save(path)
    assert "colours that no class has" in fails(ExchangeError, "tell", root)
    given = tmp_path / "classes.json"
    tree = {"classes": ["background", "disc"],
            "colours": {"background": [90, 0, 0], "disc": [0, 200, 0]}}  # fmt: skip
    given.write_text(json.dumps(tree))
    assert f"Kept {len(painted)} answers" in call("tell", root, "--colours", given)


def test_colours_of_other_classes_are_refused(root: Path, tmp_path: Path) -> None:
    paint(root)
    given = tmp_path / "classes.json"
    given.write_text('{"classes": ["a", "b"], "colours": {"a": [0, 0, 0], "b": [9, 9, 9]}}')
    told = fails(ConfigError, "tell", root, "--colours", given)
    assert "expected colours of the classes ['background', 'disc']" in told


def test_turned_and_deep_images_are_predicted_as_they_are_shown(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    image = draw_discs(60)[0][:48]
    (folder / "turned.png").write_bytes(turned_file(image, "PNG", 6))
    Image.fromarray(np.rot90(image, -1)).save(folder / "upright.png")
    deep = tiff(image.astype(np.uint16) * 16, photometric="rgb")
    (folder / "deep.tif").write_bytes(deep)
    told = fails(SourceError, "predict", root, folder, tmp_path / "out")
    assert "deep.tif" in told
    assert "--value-range LOW,HIGH" in told
    masks = tmp_path / "out" / "masks"
    np.testing.assert_array_equal(
        np.asarray(Image.open(masks / "turned.png")), np.asarray(Image.open(masks / "upright.png"))
    )
    (folder / "turned.png").unlink()
    (folder / "upright.png").unlink()
    call("predict", root, folder, tmp_path / "deep", "--value-range", "0,4080")  # 255 * 16
    Image.fromarray(image).save(folder / "deep.png")
    (folder / "deep.tif").unlink()
    call("predict", root, folder, tmp_path / "shallow")
    for kind in ("masks", "confidence"):
        np.testing.assert_array_equal(
            np.asarray(Image.open(tmp_path / "deep" / kind / "deep.png")),
            np.asarray(Image.open(tmp_path / "shallow" / kind / "deep.png")),
        )


def test_predicted_masks_are_plain_indices_for_scripts(root: Path, tmp_path: Path) -> None:
    Image.fromarray(draw_discs(61)[0]).save(tmp_path / "a.png")
    call("predict", root, tmp_path / "a.png", tmp_path / "out")
    # A reader that applies colour tables, as most scripts use one.
    found = skimage.io.imread(tmp_path / "out" / "masks" / "a.png")
    assert found.shape == (64, 64)
    assert set(np.unique(found).tolist()) <= {0, 1}


@pytest.mark.parametrize("text", ["1", "a,b", "1%,2", "image:3,4", "0.1%,99.9%"])
def test_range_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--value-range"):
        own_range(text)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        (None, RangeChoice()),
        ("0,4095", RangeChoice(given=(0.0, 4095.0))),
        ("1%, 99%", RangeChoice(percentiles=Percentiles(1.0, 99.0))),
        ("image", RangeChoice(per_image=True)),
        ("image:1%,99%", RangeChoice(percentiles=Percentiles(1.0, 99.0), per_image=True)),
    ],
)
def test_range_may_be_given_measured_or_each_images_own(
    text: str | None, choice: RangeChoice
) -> None:
    assert range_choice(text) == choice


def test_channels_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    assert "like 1,2,3 or 4" in fails(ConfigError, "check", tmp_path, "--channels", "red")


def test_options_of_files_need_files(root: Path, disc_dataset: Path, tmp_path: Path) -> None:
    told = fails(ConfigError, "init", tmp_path / "q", "--data", disc_dataset, "--kind", "binary")
    assert "were given without --images" in told
    assert not (tmp_path / "q").exists()
