"""What commands say and take: a correction told again, what a mean covers, the time, the next."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.config import Config, dump_config, load_config, load_written_config
from askmask.loop.project import Project
from askmask.records import UNLABELLED
from discs import draw_discs

Build = Callable[..., Config]
TINY = [
    "device=cpu", "threads=1", "data.start=2", "data.validation=2", "training.seconds=null",
    "model.name=unet", "model.options={base_channels: 8, depth: 2}", "training.steps=4",
    "training.batch_size=2", "training.crop=48", "sampling.samples=2",
    "query.region.size=[24, 24]", "query.region.stride=8", "query.region.budget_regions=2",
]  # fmt: skip


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def project(tmp_path: Path, disc_dataset: Path) -> Path:
    root = tmp_path / "my project"
    call("init", root, "--data", disc_dataset, *TINY)
    return root


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory, disc_dataset: Path) -> Path:
    """Project with a model; nothing writes to it."""
    root = tmp_path_factory.mktemp("trained") / "my project"
    call("init", root, "--data", disc_dataset, *TINY)
    call("train", root)
    return root


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """Project of one test, with a model."""
    return shutil.copytree(trained_once, tmp_path / "my project")


def painted(project: Path) -> Path:
    """Ask, and paint the first region with class 0 alone; return the painted mask."""
    folder = Path(json.loads(call("ask", project, "--json"))["folder"])
    stem = min(folder.glob("001_*_prediction.png")).name.replace("_prediction.png", "")
    path = folder / f"{stem}_mask.png"
    Image.fromarray(np.zeros((24, 24), np.uint8)).save(path)
    return path


def test_a_corrected_mask_told_again_is_taken(trained: Path) -> None:
    path = painted(trained)
    assert "Kept 1 answers (0 were known)" in call("tell", trained)
    assert "Kept 0 answers (1 were known)" in call("tell", trained)
    corrected = np.zeros((24, 24), np.uint8)
    corrected[:12] = 1
    Image.fromarray(corrected).save(path)
    assert "Kept 1 answers (0 were known)" in call("tell", trained)
    with Project.open(trained) as opened:
        query = opened.store.newest_query()
        assert query is not None
        labels = opened.store.labelled_region(query.items[0].region).labels
    assert (labels == corrected).all()
    assert "Kept 0 answers (1 were known)" in call("tell", trained)


def test_pixels_that_a_correction_leaves_open_keep_their_labels(trained: Path) -> None:
    path = painted(trained)
    call("tell", trained)
    unsure = np.full((24, 24), 255, np.uint8)
    Image.fromarray(unsure).save(path)
    assert "Kept 0 answers (1 were known)" in call("tell", trained, "--kind", "index")
    with Project.open(trained) as opened:
        query = opened.store.newest_query()
        assert query is not None
        assert (opened.store.labelled_region(query.items[0].region).labels != UNLABELLED).all()


def test_next_commands_are_quoted_for_the_shell(project: Path) -> None:
    said = call("train", project)
    assert f"Next: askmask evaluate '{project}', askmask ask '{project}'" in said
    assert f"then: askmask tell '{project}'" in call("ask", project)


def timed(said: str, *doings: str) -> bool:
    """Whether output tells of each of these how many seconds it took, in their order."""
    parts = [rf"{doing} \d+\.\d s" for doing in doings]
    return re.search(f"Time: {', '.join(parts)}", " ".join(said.split())) is not None


def test_init_says_where_its_time_went(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(draw_discs(0, 64)[0]).save(images / "one.png")
    cold = ["data.start=none", "data.validation=0", "calibration.method=none"]
    settings = [word for word in TINY if not word.startswith("training.seconds")]
    words = ["--images", images, "--classes", "ground,disc", *settings, *cold]
    said = call("init", tmp_path / "p", *words)
    doings = ("checking and preparing images", "looking at images", "measuring this machine")
    assert timed(said, "loading", *doings, "making the project", "taking masks in")


def test_steps_by_files_say_where_their_time_went(trained: Path, tmp_path: Path) -> None:
    painted(trained)
    assert timed(call("tell", trained), "loading", "reading masks", "keeping answers")
    out = tmp_path / "out"
    exported = call("export", trained, out, "--format", "coco")
    assert timed(exported, "loading", "predicting", "writing")
    taken = call("import", trained, out, "--format", "coco")
    assert timed(taken, "loading", "reading", "keeping answers")
    assert timed(call("report", trained), "loading", "reading", "drawing regions", "writing")


def test_commands_say_where_their_time_went_also_into_a_pipe(project: Path) -> None:
    trained = " ".join(call("train", project).split())
    assert "Time: loading" in trained
    assert all(f"{doing} " in trained for doing in ("training", "saving and recalibrating"))
    assert "evaluating " in " ".join(call("evaluate", project).split())
    asked = " ".join(call("ask", project).split())
    assert all(f", {doing} " in asked for doing in ("scoring", "writing"))


def test_json_stays_alone_on_stdout(trained: Path) -> None:
    assert isinstance(json.loads(call("evaluate", trained, "--json")), list)
    assert "items" in json.loads(call("ask", trained, "--json"))


def test_tables_say_which_classes_a_mean_covers_and_how_objects_were_matched(
    trained: Path, tmp_path: Path, disc_dataset: Path
) -> None:
    table = " ".join(call("evaluate", trained).split())
    first, *others = json.loads((disc_dataset / "dataset.json").read_text())["classes"]
    left_out = f"{first} is the background (class 0) and left out."
    assert f"Means cover {', '.join(others)}; {left_out}" in table
    assert "Objects: GlaS rule" in table
    status = json.loads(call("status", trained, "--json"))
    assert left_out in status["means"]
    assert "GlaS rule" in status["objects"]
    assert left_out in " ".join(call("calibrate", trained).split())
    flat = tmp_path / "flat"
    overrides = [*TINY, "evaluation.has_background=false"]
    said = " ".join(call("init", flat, "--data", disc_dataset, *overrides).split())
    assert f"Means cover all {1 + len(others)} classes: {first}, " in said


def test_init_says_that_class_0_is_taken_for_a_background_and_how_to_change_it(
    tmp_path: Path,
) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    for number in range(3):
        picture, mask = draw_discs(number, 64)
        Image.fromarray(picture).save(images / f"{number}.png")
        Image.fromarray(mask.labels.astype(np.uint8)).save(masks / f"{number}.png")
    where = ["--images", images, "--masks", masks, "--classes", "sky,roof [flat]"]
    said = " ".join(call("init", tmp_path / "p", *where, *TINY, "data.start=all").split())
    assert "Means cover roof [flat]; sky is the background (class 0) and left out." in said
    assert "evaluation.has_background" in said


def test_the_circle_by_files_begins_without_any_mask(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        Image.fromarray(draw_discs(number, 64)[0]).save(images / f"{number}.png")
    root = tmp_path / "p"
    cold = ["data.start=none", "data.validation=0", "calibration.method=none"]
    said = call("init", root, "--images", images, "--classes", "ground,disc", *TINY, *cold)
    assert f"Next: askmask serve {root}, or askmask ask {root}" in said
    folder = Path(json.loads(call("ask", root, "--json"))["folder"])
    names = sorted(path.name.split("_")[-1] for path in folder.glob("001*"))
    assert "context.png" in names
    assert not {"prediction.png", "score.tif"} & set(names)
    for context in folder.glob("*_context.png"):
        mask = np.zeros((24, 24), np.uint8)
        mask[:, 12:] = 1
        Image.fromarray(mask).save(str(context).replace("_context.png", "_mask.png"))
    assert "Kept 2 answers" in call("tell", root)
    assert "Round 1: trained 4 steps" in " ".join(call("train", root).split())
    asked = json.loads(call("ask", root, "--json"))
    assert (asked["round"], asked["model"]) == (2, "round_001.safetensors")


def test_evaluate_without_validation_says_why_it_is_empty(
    tmp_path: Path, disc_dataset: Path
) -> None:
    root = tmp_path / "p"
    call(
        "init", root, "--data", disc_dataset, *TINY, "data.validation=0", "calibration.method=none"
    )
    call("train", root)
    said = " ".join(call("evaluate", root).split())
    assert "Nothing was judged: no image is kept for validation or testing" in said
    assert "data.validation" in said


class TestObjectRuleOfOlderFiles:
    """A file that askmask wrote before the rule could be chosen means one to one."""

    def test_a_whole_config_without_the_rule_is_one_to_one(
        self, tmp_path: Path, disc_config: Build
    ) -> None:
        path = tmp_path / "config.yaml"
        whole = dump_config(disc_config())
        assert "  object_rule: glas\n" in whole
        older = whole.replace("  object_rule: glas\n", "")
        for text in (older, older.replace("  views: 1\n", "")):  # views came later still
            path.write_text(text, encoding="utf-8")
            assert load_written_config(path).evaluation.object_rule == "one_to_one"
        path.write_text(whole, encoding="utf-8")
        assert load_written_config(path).evaluation.object_rule == "glas"

    def test_what_a_person_wrote_in_a_few_lines_has_the_default(self, tmp_path: Path) -> None:
        path = tmp_path / "config.yaml"
        path.write_text("data: {path: .}\nevaluation: {samples: 3}\n", encoding="utf-8")
        assert load_written_config(path) == load_config(path)
        assert load_config(path).evaluation.object_rule == "glas"

    def test_an_older_project_goes_on_as_it_was_judged(self, project: Path) -> None:
        path = project / "askmask.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("  object_rule: glas\n", ""), encoding="utf-8")
        call("train", project)
        metrics = {row["metric"] for row in json.loads(call("evaluate", project, "--json"))}
        assert "object_f1_by_one_to_one" in metrics
        assert "one-to-one rule" in " ".join(call("evaluate", project).split())
