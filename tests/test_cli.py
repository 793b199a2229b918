"""The command line: the tour of the README, one message and code 2 for what is wrong."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from askmask import __version__
from askmask.cli.main import app, main
from askmask.config import Config, dump_config
from askmask.errors import AskmaskError
from askmask.loop.begin import outlook
from discs import draw_discs

Build = Callable[..., Config]
README = Path(__file__).parent.parent / "README.md"
TINY = [
    "device=cpu", "threads=1", "model.name=unet", "training.seconds=null", "data.start=2",
    "data.validation=2", "data.test=[testA, testB]",
    "model.options={base_channels: 8, depth: 2}", "training.steps=4", "training.batch_size=2",
    "training.crop=48", "sampling.samples=2", "query.region.size=[24, 24]",
    "query.region.stride=8", "query.region.budget_regions=2",
]  # fmt: skip


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def project(tmp_path: Path, disc_dataset: Path) -> Path:
    root = tmp_path / "project"
    call("init", root, "--data", disc_dataset, *TINY)
    return root


def test_tour_of_the_readme_by_hand(project: Path) -> None:
    assert "trained 4 steps" in call("train", project)
    assert "mean_dice" in call("evaluate", project)
    asked = json.loads(call("ask", project, "--json"))
    folder = Path(asked["folder"])
    assert len(asked["items"]) == 2
    for prediction in folder.glob("*_prediction.png"):
        mask = folder / prediction.name.replace("_prediction", "_mask")
        Image.open(prediction).save(mask)
    assert "Kept 2 answers" in call("tell", project, "--author", "tester")
    status = json.loads(call("status", project, "--json"))
    assert (status["round"], status["regions_open"]) == (1, 0)
    call("train", project)
    assert "Report:" in call("report", project)
    assert (project / "reports" / "report.html").is_file()
    table = json.loads(call("samples", project, "--counts", "1,3", "--json"))
    assert {row["samples"] for row in table} == {1, 3}


def test_query_files_hold_region_context_score_and_prediction(project: Path) -> None:
    call("train", project)
    call("ask", project)
    names = {path.name.split("_", 1)[0] for path in (project / "queries/round_001").glob("*.png")}
    assert names == {"001", "002"}
    stems = sorted(path.name for path in (project / "queries/round_001").glob("001*"))
    assert [re.sub(r".*\d(_\w+)?\.", r"\1.", name) for name in stems] == [
        ".png", "_context.png", "_prediction.png", "_score.tif",
    ]  # fmt: skip


def test_painted_mask_of_another_size_is_refused(project: Path) -> None:
    call("train", project)
    folder = Path(json.loads(call("ask", project, "--json"))["folder"])
    stem = min(folder.glob("001_*_prediction.png")).name.replace("_prediction.png", "")
    Image.new("L", (5, 5)).save(folder / f"{stem}_mask.png")
    with pytest.raises(AskmaskError, match=r"of shape \(24, 24\), like its region, got \(5, 5\)"):
        call("tell", project)


def test_painted_value_that_is_no_class_is_refused(project: Path) -> None:
    call("train", project)
    folder = Path(json.loads(call("ask", project, "--json"))["folder"])
    stem = min(folder.glob("001_*_prediction.png")).name.replace("_prediction.png", "")
    Image.new("L", (24, 24), 7).save(folder / f"{stem}_mask.png")
    with pytest.raises(AskmaskError, match=r"2 classes are named \(e.g. 7 in .*_mask.png"):
        call("tell", project)


def test_telling_before_asking_or_painting_says_what_to_do(project: Path) -> None:
    with pytest.raises(AskmaskError, match="found none. Ask first"):
        call("tell", project)
    call("train", project)
    call("ask", project)
    with pytest.raises(AskmaskError, match="expected painted masks named"):
        call("tell", project)


@pytest.mark.slow  # the README's blocks simulate in the fast suite
def test_simulate_prints_a_summary_and_leaves_table_and_report(
    tmp_path: Path, disc_config: Build
) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(dump_config(disc_config(grid={"rounds": 1, "units": ["region"]})))
    assert "random-region-seed0" in call("simulate", path, "--out", tmp_path / "run", "--dry-run")
    assert not (tmp_path / "run").exists()
    summary = call("simulate", path, "--out", tmp_path / "run")
    assert "mutual_information" in summary
    assert "obj. F1" in summary
    said = " ".join(summary.split())
    assert re.search(r"Time: loading .* s, running trials .* s, writing the report .* s\.", said)
    assert re.search(r"counted in each: training .* s, scoring .* s, evaluating .* s\.", said)
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    drawn = json.loads(call("figures", tmp_path / "run", "--json"))["figures"]
    assert {"agreement.csv", "agreement.svg"} <= {Path(name).name for name in drawn}
    assert all(Path(name).is_file() for name in drawn)
    numbers = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert numbers["results"][0]["split"] == "test"
    found = json.loads(call("simulate", path, "--out", tmp_path / "run", "--resume", "--json"))
    assert found["failed"] == []


def test_simulate_without_its_data_set_says_how_to_make_one(
    tmp_path: Path, disc_config: Build
) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(dump_config(disc_config(data={"path": str(tmp_path / "absent")})))
    with pytest.raises(AskmaskError, match="found no dataset.json. Make one with `askmask prep"):
        call("simulate", path, "--out", tmp_path / "run")


def test_report_of_neither_project_nor_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(AskmaskError, match="expected a project or a run"):
        call("report", tmp_path)


def test_samples_without_numbers_or_model_says_so(project: Path) -> None:
    with pytest.raises(AskmaskError, match="expected numbers by commas"):
        call("samples", project, "--counts", "many")
    with pytest.raises(AskmaskError, match="expected a trained model"):
        call("samples", project)


def test_prepared_folder_is_summarised(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for number in range(3):
        Image.new("RGB", (40, 40), (200, number, 0)).save(tmp_path / "images" / f"a{number}.png")
        Image.new("L", (40, 40), number % 2).save(tmp_path / "masks" / f"a{number}.png")
    words = ("--images", tmp_path / "images", "--masks", tmp_path / "masks", "--kind", "index")
    text = call("prepare", "folder", tmp_path / "out", *words, "--classes", "ground,thing")
    assert "3 images" in text
    assert (tmp_path / "out" / "dataset.json").is_file()


def test_folder_with_few_masks_becomes_a_project_that_asks_about_the_others(
    tmp_path: Path,
) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for number in range(6):
        image, mask = draw_discs(number)
        Image.fromarray(image).save(tmp_path / "images" / f"slide_{number}.png")
        if number < 4:
            painted = mask.labels.astype(np.uint8)
            Image.fromarray(painted).save(tmp_path / "masks" / f"slide_{number}.png")
    folders = ("--images", tmp_path / "images", "--masks", tmp_path / "masks", "--kind", "index")
    names = ("--classes", "background,disc", "--allow-missing-masks")
    text = call("prepare", "folder", tmp_path / "set", *folders, *names)
    assert "6 images, 4 masks" in " ".join(text.split())
    tiny = [words for words in TINY if not words.startswith("data.")]
    text = call("init", tmp_path / "p", "--data", tmp_path / "set", *tiny, "data.validation=1")
    assert "3 labelled images to start from, 1 kept for validation, 2 in the pool" in " ".join(
        text.split()
    )
    call("train", tmp_path / "p")
    asked = json.loads(call("ask", tmp_path / "p", "--json"))
    assert {item["region"]["image_id"] for item in asked["items"]} <= {"slide_4", "slide_5"}


def test_doctor_tells_versions_and_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook, "IMAGE_SIDE", 64)  # real ones take seconds
    monkeypatch.setattr(outlook, "LARGEST_SIDE", 64)
    facts = json.loads(call("doctor", "--json"))
    assert facts["versions"]["askmask"] == __version__
    assert facts["gflops_fp32"] > 0
    assert [query["images"] for query in facts["queries"]] == [1000, 125]
    assert "A query of 1,000 images of 64 x 64 pixels: about " in call("doctor")


def test_doctor_tells_of_the_machine_where_a_project_cannot_be_measured(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", str(tmp_path / "none")])
    assert isinstance(result.exception, AskmaskError)
    assert "gflops fp32" in result.stdout


def test_version_is_printed() -> None:
    assert __version__ in call("--version")


def test_foreseen_problem_ends_with_one_message_and_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["askmask", "train", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "ProjectError: expected a project in" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    "command", sorted(c.name or c.callback.__name__ for c in app.registered_commands)
)
def test_every_command_has_help_and_stands_in_the_readme(command: str) -> None:
    text = call(command, "--help")
    assert len(text.splitlines()) > 4
    assert f"askmask {command}" in README.read_text(encoding="utf-8")
