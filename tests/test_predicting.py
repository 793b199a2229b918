"""Predicted folders: what is written; tiles change nothing; bad files stop nothing."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.config import Config, with_overrides
from askmask.data.prepare.stored_files import list_folder
from askmask.data.prepared import DatasetWriter
from askmask.errors import ProjectError, SourceError
from askmask.loop import predict as predicting
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.predict import CONFIDENCE_SCALE, predict_files, tiles
from askmask.loop.project import Project
from askmask.loop.round_model import LoadedWeights, RoundModel
from askmask.metrics.objects import find_objects
from askmask.models.weights import file_digest
from askmask.records import ClassMap, ImageInfo
from askmask.sampling.predictors import Deterministic
from discs import draw_discs
from fakes import TinyModel
from picture_files import huge_png

Build = Callable[..., Config]
CPU = torch.device("cpu")


@pytest.fixture
def project(tmp_path: Path, trained_discs: Callable[..., Path]):
    with Project.open(shutil.copytree(trained_discs(), tmp_path / "p")) as opened:
        yield opened


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "new"
    (folder / "day2").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.tif", "day2/a.bmp")):
        Image.fromarray(draw_discs(50 + number)[0]).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    return folder


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def raster(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def table(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("n_views", [1, 8])
def test_masks_and_confidence_are_those_of_the_judge(
    project: Project, images: Path, tmp_path: Path, n_views: int
) -> None:
    out, settings = tmp_path / "out", project.root / "askmask.yaml"
    settings.write_text(settings.read_text().replace("views: 1\n", f"views: {n_views}\n"))
    call("predict", project.root, images, out)
    viewed = project.with_config(with_overrides(project.config, {"evaluation.views": n_views}))
    judge = viewed.model(0).judge
    assert judge.n_samples == n_views
    lines = {line["image"]: line for line in table(out)}
    assert list(lines) == ["a.png", "b.tif", "day2/a.bmp"]
    for number, name in enumerate(lines):
        image = draw_discs(50 + number)[0]
        found = judge.predict(image, seed=0, round=0, image_id=name, boundary=False)
        probs = found.sums.mean_probs.numpy()
        stem = name.rsplit(".", 1)[0]
        assert np.array_equal(raster(out / "masks" / f"{stem}.png"), probs.argmax(0))
        confidence = raster(out / "confidence" / f"{stem}.png") / CONFIDENCE_SCALE
        assert np.abs(confidence - probs.max(0)).max() <= 0.51 / CONFIDENCE_SCALE
        line = lines[name]
        assert float(line["share_disc"]) == pytest.approx((probs.argmax(0) == 1).mean())
        assert float(line["mean_confidence"]) == pytest.approx(probs.max(0).mean())
        assert float(line["mean_entropy"]) == pytest.approx(-(probs * np.log(probs)).sum(0).mean())
        assert line["expected_accuracy"] == ""
        assert line["model"] == file_digest(project.model_path(0))
    facts = json.loads((out / "predictions.json").read_text())
    assert facts["confidence_scale"] == CONFIDENCE_SCALE
    assert facts["classes"] == ["background", "disc"]
    assert facts["judged_by"] == {"samples": 0, "views": n_views}


def test_recalibrated_model_tells_the_accuracy_to_expect(
    project: Project, images: Path, tmp_path: Path
) -> None:
    call("predict", project.root, images, tmp_path / "before")
    call("calibrate", project.root)
    text = call("predict", project.root, images, tmp_path / "after")
    assert "Not recalibrated" not in text
    before, after = table(tmp_path / "before"), table(tmp_path / "after")
    assert [row["share_disc"] for row in after] == [row["share_disc"] for row in before]
    for old, new in zip(before, after, strict=True):
        assert new["expected_accuracy"] == new["mean_confidence"] != old["mean_confidence"]
        assert new["recalibration"].startswith("temperature-")


def test_bad_files_are_told_together_and_the_good_ones_are_kept(
    project: Project, images: Path, tmp_path: Path
) -> None:
    (images / "broken.png").write_bytes(b"\x89PNG nothing more")
    Image.new("RGB", (20, 20)).save(images / "tiny.png")
    Image.new("RGB", (64, 64)).save(images / "a.bmp")
    (images / "slide.png").write_bytes(huge_png(20_000, 20_000))
    with pytest.raises(SourceError, match=r"4 of 7 images could not be predicted") as caught:
        call("predict", project.root, images, tmp_path / "out")
    text = str(caught.value)
    assert "broken.png: cannot read" in text
    assert "tiny.png: expected at least 32 x 32 pixels, got (20, 20)" in text
    assert "a.png: another image was written as 'a.png'" in text
    assert "slide.png: 'slide.png' has more than 89,478,485 pixels" in text
    assert len(table(tmp_path / "out")) == 3
    assert len(list((tmp_path / "out" / "masks").rglob("*.png"))) == 3


def test_one_image_and_json(project: Project, images: Path, tmp_path: Path) -> None:
    facts = json.loads(call("predict", project.root, images / "a.png", tmp_path / "o", "--json"))
    assert [line["image"] for line in facts["images"]] == ["a.png"]
    assert facts["problems"] == []


def test_folder_that_holds_something_or_no_image_is_refused(
    project: Project, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="absent or an empty folder"):
        call("predict", project.root, images, images)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="expected images in"):
        call("predict", project.root, tmp_path / "empty", tmp_path / "out")


def test_project_without_a_model_says_so(tmp_path: Path, disc_config: Build, images: Path) -> None:
    Project.create(tmp_path / "new_project", disc_config()).close()
    with pytest.raises(ProjectError, match="expected a trained model"):
        call("predict", tmp_path / "new_project", images, tmp_path / "out")


@pytest.mark.parametrize("size", [(1, 1), (1536, 40), (1537, 1024), (5000, 2100)])
def test_tiles_cover_every_pixel_once(size: tuple[int, int]) -> None:
    covered = np.zeros(size, np.int8)
    for tile in tiles(*size):
        covered[tile.own] += 1
        assert (tile.seen[0].start % 32, tile.seen[1].start % 32) == (0, 0)
        seen = np.zeros(size, bool)
        seen[tile.seen] = True
        assert seen[tile.own].all()
        window = np.zeros(covered[tile.seen].shape, bool)
        window[tile.inner] = True
        whole = np.zeros(size, bool)
        whole[tile.seen] = window
        assert whole[tile.own].all()
        assert whole.sum() == window.sum()
        assert max(covered[tile.own].shape) <= 1536
    assert (covered == 1).all()


def test_tiles_give_what_the_whole_image_gives(
    project: Project, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the network sees 3 x 3 pixels, less than the margin
    model = RoundModel(project, 0, LoadedWeights((), lambda: TinyModel(2), CPU, 0))
    files = [file for file in list_folder(images) if file.suffix != ".txt"]
    whole = predict_files(model, files, tmp_path / "whole")
    monkeypatch.setattr(predicting, "TILE", 32)
    monkeypatch.setattr(predicting, "MARGIN", 8)
    tiled = predict_files(model, files, tmp_path / "tiled")
    for folder in ("masks", "confidence", "instances"):
        for path in (tmp_path / "whole" / folder).rglob("*.png"):
            other = tmp_path / "tiled" / path.relative_to(tmp_path / "whole")
            assert np.abs(raster(path).astype(int) - raster(other)).max() <= (
                folder == "confidence"
            )
    assert [line.objects for line in whole.images] == [line.objects for line in tiled.images]
    assert [line.mean_entropy for line in whole.images] == pytest.approx(
        [line.mean_entropy for line in tiled.images]
    )


def test_objects_are_split_by_the_contour(project: Project, images: Path, tmp_path: Path) -> None:
    model = RoundModel(project, 0, LoadedWeights((), lambda: TinyModel(2, seed=3), CPU, 0))
    judge = Deterministic(TinyModel(2, seed=3))
    found = predict_files(model, list_folder(images)[:1], tmp_path / "out")
    prediction = judge.predict(draw_discs(50)[0], seed=0, round=0, image_id="", boundary=True)
    expected = find_objects(
        prediction.sums.mean_probs.argmax(0).numpy() == 1,
        prediction.boundary_probs.numpy() >= 0.5,
        10,
    )
    assert np.array_equal(raster(tmp_path / "out" / "instances" / "a.png"), expected)
    assert found.images[0].objects == expected.max() > 0


def test_images_are_shrunk_as_the_data_set_was_and_masks_are_not(
    tmp_path: Path, disc_config: Build
) -> None:
    with DatasetWriter(tmp_path / "d", ClassMap(("a", "b")), "x", scale=0.5) as writer:
        for number in range(4):
            image, mask = draw_discs(number)
            writer.add(ImageInfo(f"i{number}", 64, 64), image, mask)
    data = {"path": str(tmp_path / "d"), "validation": 1, "test": []}
    Image.fromarray(np.kron(draw_discs(9)[0], np.ones((2, 2, 1), np.uint8))).save(
        tmp_path / "large.png"
    )
    with Project.create(tmp_path / "p", disc_config(data=data)) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        call("predict", project.root, tmp_path / "large.png", tmp_path / "out")
        probs = project.model(0).judge.predict(
            draw_discs(9)[0], seed=0, round=0, image_id="", boundary=False
        )
    expected = np.kron(probs.sums.mean_probs.argmax(0).numpy(), np.ones((2, 2)))
    assert np.array_equal(raster(tmp_path / "out" / "masks" / "large.png"), expected)
    assert json.loads((tmp_path / "out" / "predictions.json").read_text())["scale"] == 0.5
