"""Export and import of a project: a query goes out, its answers come back, nothing is doubled."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from askmask.errors import AskmaskError
from askmask.formats.manifest import read_manifest
from askmask.loop.exchange import export_project, import_answers
from askmask.loop.project import Project
from askmask.store import answers
from test_cli import TINY, call, project

__all__ = ["project"]  # the fixture


@pytest.fixture(scope="module")
def asked_once(tmp_path_factory: pytest.TempPathFactory, disc_dataset: Path) -> Path:
    """Project with a model and a query; nothing writes to it."""
    root = tmp_path_factory.mktemp("asked") / "project"
    call("init", root, "--data", disc_dataset, *TINY)
    call("train", root)
    call("ask", root)
    return root


@pytest.fixture
def asked(asked_once: Path, tmp_path: Path) -> Path:
    """Project of one test, with a model and a query."""
    return shutil.copytree(asked_once, tmp_path / "project")


@pytest.mark.parametrize("name", ["coco", "qupath", "nnunet"])
def test_a_query_that_went_out_with_predictions_comes_back_as_answers(
    asked: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    assert "Exported 2 queries" in call("export", asked, out, "--format", name)
    back = call("import", asked, out, "--format", name, "--author", "ada", "--json")
    assert [row["outcome"] for row in json.loads(back)["items"]] == ["kept", "kept"]
    with Project.open(asked) as opened:
        answers = list(opened.store.answers(round=1))
        assert opened.store.unanswered(1) == ()
    assert {(a.author, a.tool, a.model) for a in answers} == {
        ("ada", name, "round_000.safetensors")
    }


def test_the_same_file_twice_adds_nothing(asked: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call("export", asked, out, "--format", "coco")
    call("import", asked, out, "--format", "coco")
    assert "Kept 0 answers of 2" in call("import", asked, out, "--format", "coco")
    with Project.open(asked) as opened:
        assert len(list(opened.store.answers(round=1))) == 2


def test_answers_come_out_as_they_were_labelled(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers"
    assert "Exported 2 answers" in call(
        "export", project, out, "--what", "answers", "--format", "png"
    )
    back = json.loads(call("import", project, out, "--format", "png", "--json"))
    assert [row["outcome"] for row in back["items"]] == ["every label is known already"] * 2


def test_predictions_of_every_image_come_out(asked: Path, tmp_path: Path) -> None:
    out = tmp_path / "predictions"
    call("export", asked, out, "--what", "predictions", "--format", "label-studio")
    tasks = json.loads((out / "tasks.json").read_text(encoding="utf-8"))
    with Project.open(asked) as opened:
        assert len(tasks) == len(opened.images)
    assert all(0 < task["predictions"][0]["score"] <= 1 for task in tasks)


def test_images_kept_for_validation_are_refused_as_answers(asked: Path, tmp_path: Path) -> None:
    out = tmp_path / "predictions"
    call("export", asked, out, "--what", "predictions", "--format", "png")
    (out / "predictions").rename(out / "painted")
    with pytest.raises(AskmaskError, match="kept for testing, so its labels teach nothing"):
        call("import", asked, out / "painted", "--format", "png")
    with Project.open(asked) as opened:
        assert {answer.tool for answer in opened.store.answers()} == {"mask"}


def test_export_into_a_folder_with_files_is_refused(project: Path, tmp_path: Path) -> None:
    (tmp_path / "painted.png").touch()
    with pytest.raises(AskmaskError, match="never writes over what people may have painted"):
        call("export", project, tmp_path, "--what", "answers", "--format", "png")


def test_export_before_anything_was_asked_is_told(project: Path, tmp_path: Path) -> None:
    with pytest.raises(AskmaskError, match="expected asked regions without an answer"):
        call("export", project, tmp_path / "out", "--format", "png")


def test_predictions_without_a_model_are_told(project: Path, tmp_path: Path) -> None:
    with pytest.raises(AskmaskError, match="expected a trained model in .* found none"):
        call("export", project, tmp_path / "x", "--what", "predictions", "--format", "png")


def test_something_else_than_queries_answers_predictions_is_refused(
    project: Path, tmp_path: Path
) -> None:
    with pytest.raises(AskmaskError, match="expected one of queries, answers, predictions"):
        call("export", project, tmp_path / "x", "--what", "masks", "--format", "png")


def answers_of(root: Path) -> int:
    with Project.open(root) as opened:
        return opened.store.newest_answer()


def test_every_export_carries_a_manifest_of_images_by_id(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call("export", project, out, "--what", "answers", "--format", "coco")
    manifest = read_manifest(out / "askmask-export.json")
    with Project.open(project) as opened:
        assert manifest.project == opened.store.identity()
        labelled = opened.store.labelled_images()
        assert list(manifest.regions.values()) == [opened.images[i].whole for i in labelled]


def test_file_that_left_its_folder_finds_its_way_by_its_manifest(
    asked: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "out", tmp_path / "inbox"
    call("export", asked, out, "--format", "coco")
    other.mkdir()
    content = (out / "annotations.json").read_text(encoding="utf-8")
    manifest = (out / "askmask-export.json").read_text(encoding="utf-8")
    renamed = re.sub("r001_00", "job_", manifest), re.sub("r001_00", "job_", content)
    (other / "mine.json").write_text(renamed[0], encoding="utf-8")
    (other / "instances.json").write_text(renamed[1], encoding="utf-8")
    with pytest.raises(AskmaskError, match="Keep the names that the export gave"):
        call("import", asked, other / "instances.json", "--format", "coco")
    told = call(
        "import", asked, other / "instances.json", "--format", "coco",
        "--manifest", other / "mine.json",
    )  # fmt: skip
    assert "Kept 2 answers of 2" in told


def test_export_of_another_project_is_refused(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call("export", project, out, "--what", "answers", "--format", "png")
    path = out / "askmask-export.json"
    content = json.loads(path.read_text(encoding="utf-8")) | {"project": "0" * 32}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(AskmaskError, match="got one of another project. If the images are the"):
        call("import", project, out, "--format", "png")
    assert "Kept 0 answers" in call("import", project, out, "--format", "png", "--manifest", path)


def test_images_kept_apart_are_passed_over_if_that_is_said(asked: Path, tmp_path: Path) -> None:
    out = tmp_path / "predictions"
    call("export", asked, out, "--what", "predictions", "--format", "png")
    (out / "predictions").rename(out / "painted")
    told = call("import", asked, out / "painted", "--format", "png", "--skip-kept-apart")
    assert re.search(r"Passed over: \d+ images kept for \w+, \d+ images kept for", told)


def test_corrected_label_is_kept_though_the_region_was_answered(
    asked: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    call("export", asked, out, "--format", "png")
    (out / "predictions").rename(out / "painted")
    call("import", asked, out / "painted", "--format", "png")
    one = next((out / "painted").glob("*.png"))
    with Image.open(one) as picture:
        values = np.array(picture)
    values[0, 0] = 1 - min(int(values[0, 0]), 1)
    Image.fromarray(values).save(one)
    assert "Kept 1 answers of 2" in call("import", asked, out / "painted", "--format", "png")


def test_file_with_one_bad_item_leaves_everything_as_it_was(asked: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call("export", asked, out, "--format", "coco")
    path = out / "annotations.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["annotations"].append({"image_id": 99, "category_id": 1, "segmentation": [[0] * 6]})
    path.write_text(json.dumps(content), encoding="utf-8")
    before = answers_of(asked)
    with pytest.raises(AskmaskError, match="got 99"):
        call("import", asked, out, "--format", "coco")
    assert answers_of(asked) == before


def test_import_that_stops_half_way_keeps_nothing(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    call("export", asked, out, "--format", "nnunet")
    before = answers_of(asked)
    write, written = answers.write_answer, []

    def write_one(*values: Any, **named: Any) -> Any:
        if written:
            raise KeyboardInterrupt
        written.append(values)
        return write(*values, **named)

    monkeypatch.setattr(answers, "write_answer", write_one)
    with Project.open(asked) as opened, pytest.raises(KeyboardInterrupt):
        import_answers(opened, out, format_name="nnunet")
    monkeypatch.undo()
    assert answers_of(asked) == before
    assert "Kept 2 answers of 2" in call("import", asked, out, "--format", "nnunet")


KILLED_IMPORT = """
import os, sys
from pathlib import Path
from askmask import Project
from askmask.loop.exchange import import_answers
from askmask.store import answers
write = answers.write_answer
def write_and_die(*values, **named):
    write(*values, **named)
    os.kill(os.getpid(), 9)
answers.write_answer = write_and_die
with Project.open(Path(sys.argv[1])) as project:
    import_answers(project, Path(sys.argv[2]), format_name="nnunet")
"""


def test_import_that_is_killed_keeps_nothing_and_may_be_repeated(
    asked: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    call("export", asked, out, "--format", "nnunet")
    before = answers_of(asked)
    command = [sys.executable, "-c", KILLED_IMPORT, str(asked), str(out)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert answers_of(asked) == before
    assert "Kept 2 answers of 2" in call("import", asked, out, "--format", "nnunet")


def test_export_goes_on_where_a_killed_one_left_a_part(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    left = tmp_path / ".out-unfinished"
    (left / "masks").mkdir(parents=True)
    (left / "masks" / "half.png").touch()
    call("export", project, out, "--what", "answers", "--format", "png")
    assert not left.exists()
    assert not (out / "masks" / "half.png").exists()


def test_export_that_fails_half_way_leaves_nothing(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(tmp_path.iterdir())
    with Project.open(project) as opened:
        read, asked_for = opened.source.read_image, []

        def read_one(image_id: str) -> np.ndarray:
            asked_for.append(image_id)
            if len(asked_for) > 1:
                raise OSError(28, "No space left on device")
            return read(image_id)

        monkeypatch.setattr(opened.source, "read_image", read_one)
        with pytest.raises(OSError, match="No space left"):
            export_project(opened, tmp_path / "out", what="answers", format_name="png")
    assert set(tmp_path.iterdir()) == before


def test_answers_are_exported_and_imported_from_python(project: Path, tmp_path: Path) -> None:
    with Project.open(project) as opened:
        count = export_project(opened, tmp_path / "out", what="answers", format_name="qupath")
        imported = import_answers(opened, tmp_path / "out", format_name="qupath", author="ada")
    assert (count, imported.kept, len(imported.items)) == (2, 0, 2)
    assert imported.manifest == tmp_path / "out" / "askmask-export.json"
