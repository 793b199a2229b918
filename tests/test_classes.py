"""Classes that are renamed, recoloured and added after people have answered."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from askmask.config import Config, commented_yaml, load_written_config, reasons_in
from askmask.errors import ConfigError, ProjectError
from askmask.loop.begin.classes import change_classes
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import Answer, Mask
from askmask.runtime.worker_lock import only_worker

COLOURS = {"background": "#000000", "disc": "#e69f00"}


@pytest.fixture
def root(tmp_path: Path, disc_config: Callable[..., Config]) -> Path:
    """A project whose start images are labelled, and whose settings have reasons."""
    reasons = {"data.start": "two are labelled", "training.crop": "as wide as an object. " * 9}
    with Project.create(tmp_path / "project", disc_config(), reasons=reasons) as project:
        Loop(project).tell_start(MaskOracle(project.source))
    return tmp_path / "project"


def test_reasons_of_settings_are_read_back_as_they_were_written(
    disc_config: Callable[..., Config],
) -> None:
    reasons = {"data.start": "two are labelled", "query.region.size": "fits them. " * 20}
    text = commented_yaml(disc_config(), reasons)
    found = reasons_in(text)
    assert found == {key: value.strip() for key, value in reasons.items()}
    assert commented_yaml(disc_config(), found) == text
    assert reasons_in(commented_yaml(disc_config(), {})) == {}


def test_new_name_and_colour_change_no_answer(root: Path) -> None:
    with Project.open(root) as project:
        before = project.store.labelled_digest()
    change = change_classes(root, ["background", "cell"], {"cell": "#112233"})
    assert (change.renamed, change.added, change.models) == ((("disc", "cell"),), (), 0)
    with Project.open(root) as project:
        assert project.source.classes.names == ("background", "cell")
        assert project.config.serve.colours == {"cell": "#112233"}
        assert project.store.labelled_digest() == before
    assert reasons_in((root / "askmask.yaml").read_text())["data.start"] == "two are labelled"


def test_added_class_keeps_answers_and_the_next_training_knows_it(root: Path) -> None:
    with Project.open(root) as project:
        Loop(project).train()
        before = len(list(project.store.answers()))
    change = change_classes(root, ["background", "disc", "scratch"], COLOURS)
    assert (change.added, change.labelled_images, change.models) == (("scratch",), 2, 1)
    aside = root / "models" / "of_2_classes_1"
    assert [path.name for path in aside.glob("*.safetensors")] == ["round_000.safetensors"]
    with Project.open(root) as project:
        assert project.newest_training() is None  # it could not name the class
        assert len(list(project.store.answers())) == before
        region = project.images[project.roles.pool[0]].whole
        labels = np.full((region.height, region.width), 2, np.int16)
        project.store.add_answer(Answer(region, Mask(labels), 0, author="Ada", tool="brush"))
        Loop(project).train()
        found = project.model().predict(project.source.read_image(region.image_id), name="x")
        assert found.labels.shape == labels.shape
        assert project.newest_training() is not None


@pytest.mark.slow
def test_training_can_begin_before_the_added_class_has_an_answer(root: Path) -> None:
    with Project.open(root) as project:
        Loop(project).train()
    change_classes(root, ["background", "disc", "scratch"], COLOURS)
    with Project.open(root) as project:
        Loop(project).train()
        rows = Loop(project).evaluate()
    assert {row.class_name for row in rows} >= {"disc"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["background"], "at least"),
        (["background", "background"], "distinct"),
        (["background", "a\nb"], "one line"),
    ],
)
def test_classes_cannot_be_removed_or_named_alike(
    root: Path, names: list[str], message: str
) -> None:
    before = (root / "askmask.yaml").read_text()
    with pytest.raises(ConfigError, match=message):
        change_classes(root, names, {})
    assert (root / "askmask.yaml").read_text() == before


def test_classes_are_not_changed_under_a_worker(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askmask.loop.begin.classes.PATIENCE_SECONDS", 0.1)
    with only_worker(root), pytest.raises(ProjectError, match="one is at work"):
        change_classes(root, ["background", "cell"], {})
    assert load_written_config(root / "askmask.yaml").data.classes is None


def test_fewer_names_than_the_data_set_has_are_refused(
    root: Path, disc_config: Callable[..., Config], tmp_path: Path
) -> None:
    change_classes(root, ["background", "disc", "scratch"], COLOURS)
    text = (root / "askmask.yaml").read_text()
    assert "scratch" in text
    tree = disc_config().model_dump(mode="json")
    tree["data"]["classes"] = ["one"]
    with pytest.raises(ValueError, match="at least 2"):
        Config.model_validate(tree)
