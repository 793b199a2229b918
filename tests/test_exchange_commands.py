"""Export and import of a project: a query goes out, its answers come back, nothing is doubled."""

import json
from pathlib import Path

import pytest

from askmask.errors import AskmaskError
from askmask.loop.project import Project
from test_cli import call, project

__all__ = ["project"]  # the fixture


def asked(root: Path) -> Path:
    call("train", root)
    call("ask", root)
    return root


@pytest.mark.parametrize("name", ["coco", "qupath", "nnunet"])
def test_a_query_that_went_out_with_predictions_comes_back_as_answers(
    project: Path, tmp_path: Path, name: str
) -> None:
    asked(project)
    out = tmp_path / name
    assert "Exported 2 queries" in call("export", project, out, "--format", name)
    back = call("import", project, out, "--format", name, "--author", "ada", "--json")
    assert [row["outcome"] for row in json.loads(back)["items"]] == ["kept", "kept"]
    with Project.open(project) as opened:
        answers = list(opened.store.answers(round=1))
        assert opened.store.unanswered(1) == ()
    assert {(a.author, a.tool, a.model) for a in answers} == {
        ("ada", name, "round_000.safetensors")
    }


def test_the_same_file_twice_adds_nothing(project: Path, tmp_path: Path) -> None:
    asked(project)
    out = tmp_path / "out"
    call("export", project, out, "--format", "coco")
    call("import", project, out, "--format", "coco")
    assert "Kept 0 answers of 2" in call("import", project, out, "--format", "coco")
    with Project.open(project) as opened:
        assert len(list(opened.store.answers(round=1))) == 2


def test_answers_come_out_as_they_were_labelled(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers"
    assert "Exported 2 answers" in call(
        "export", project, out, "--what", "answers", "--format", "png"
    )
    back = json.loads(call("import", project, out, "--format", "png", "--json"))
    assert [row["outcome"] for row in back["items"]] == ["every label is known already"] * 2


def test_predictions_of_every_image_come_out(project: Path, tmp_path: Path) -> None:
    call("train", project)
    out = tmp_path / "predictions"
    call("export", project, out, "--what", "predictions", "--format", "label-studio")
    tasks = json.loads((out / "tasks.json").read_text(encoding="utf-8"))
    with Project.open(project) as opened:
        assert len(tasks) == len(opened.images)
    assert all(0 < task["predictions"][0]["score"] <= 1 for task in tasks)


def test_images_kept_for_validation_are_refused_as_answers(project: Path, tmp_path: Path) -> None:
    call("train", project)
    out = tmp_path / "predictions"
    call("export", project, out, "--what", "predictions", "--format", "png")
    (out / "predictions").rename(out / "painted")
    with pytest.raises(AskmaskError, match="kept for testing, so its labels teach nothing"):
        call("import", project, out / "painted", "--format", "png")
    with Project.open(project) as opened:
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
