"""The model of a round: which is the newest, what it predicts, and that it is read once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.config import Config, with_overrides
from askmask.errors import ProjectError
from askmask.loop.calibrate import fit_recalibration
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import START, Project
from askmask.serve.worker import Worker
from askmask.store.mailbox import CommandName
from at_work import answer, open_items, work

Build = Callable[..., Config]
Reads = Callable[[], list[str]]


@pytest.fixture
def trained(tmp_path: Path, trained_discs: Callable[..., Path]) -> Iterator[Project]:
    """Project with a model of round 0."""
    made = trained_discs(query={"acquisition": "mutual_information"})
    with Project.open(shutil.copytree(made, tmp_path / "p")) as project:
        yield project


@pytest.fixture
def reads(caplog: pytest.LogCaptureFixture) -> Reads:
    """Names of the model files that were read since the last call, as the log tells them."""
    caplog.set_level("INFO", logger="askmask.loop.round_model")

    def since() -> list[str]:
        told = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return [line.rpartition(" ")[2] for line in told if line.startswith("read the model")]

    return since


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_newest_is_the_last_training_that_finished_not_the_largest_round(
    trained: Project,
) -> None:
    loop = Loop(trained)
    loop.ask()
    loop.tell(MaskOracle(trained.source).answer(i.region, 1) for i in trained.store.unanswered(1))
    loop.train(1)
    assert trained.model().round == 1

    loop.train(0)  # on all answers now, so it is fitted anew

    assert [record.round for record in trained.store.finished_trainings()] == [0, 1, 0]
    assert trained.model().round == 0
    assert trained.model().name == "round_000.safetensors"


def test_newest_leaves_out_a_model_whose_file_is_gone(trained: Project) -> None:
    loop = Loop(trained)
    loop.ask()
    loop.tell(MaskOracle(trained.source).answer(i.region, 1) for i in trained.store.unanswered(1))
    loop.train(1)

    trained.delete_models(1)

    assert trained.model().round == 0


def test_without_any_model_the_newest_is_refused(tmp_path: Path, disc_config: Build) -> None:
    with (
        Project.create(tmp_path / "p", disc_config()) as project,
        pytest.raises(ProjectError, match="expected a trained model in .* found none. Train one"),
    ):
        project.model()


def test_model_before_any_training_has_features_and_predicts_nothing(trained: Project) -> None:
    model = trained.model(START)

    assert model.name is None
    assert model.training is None
    assert not model.encoder.training
    for wanted in ("sampler", "judge", "networks"):
        with pytest.raises(ProjectError, match="expected a model that was trained"):
            getattr(model, wanted)


def test_prediction_of_an_array_is_what_the_judge_says(trained: Project) -> None:
    image = trained.source.read_image("testA_8")
    kept = image.copy()

    found = trained.model().predict(image, boundary=True)
    without_contour = trained.model().predict(image)

    sums = trained.model(0).judge.predict(image, seed=0, round=0, image_id="", boundary=True)
    assert np.array_equal(found.probs, sums.sums.mean_probs.numpy())
    assert np.array_equal(found.labels, found.probs.argmax(0))
    assert found.labels.dtype == np.int16
    assert np.array_equal(found.confidence, found.probs.max(0))
    assert np.array_equal(found.boundary_probs, sums.boundary_probs.numpy())
    assert without_contour.boundary_probs is None
    assert np.array_equal(image, kept)


def test_model_is_the_same_object_while_its_files_are(trained: Project) -> None:
    before = trained.model(0)
    assert before.recalibration is None

    assert trained.model(0) is before
    after = before.recalibrate(fit_recalibration(before, "temperature"))

    assert after is trained.model() is not before
    assert after.networks is before.networks
    assert (before.recalibration, after.marks[0][:13]) == (None, "+temperature-")
    assert after.forget_recalibration().recalibration is None


def train_anew(project: Project) -> None:
    region = project.images[project.roles.pool[0]].whole
    project.store.add_answer(MaskOracle(project.source).answer(region, 0))
    Loop(project).train(0)


def test_weights_that_were_replaced_are_read_anew(trained: Project) -> None:
    before = trained.model(0)
    first, digests = before.encoder.state_dict(), before.digests

    train_anew(trained)

    after = trained.model(0)
    assert after.digests != digests == before.digests
    same = [torch.equal(value, first[name]) for name, value in after.encoder.state_dict().items()]
    assert not all(same)


def test_model_whose_file_was_replaced_before_it_was_read_is_refused(trained: Project) -> None:
    before = trained.model(0)

    train_anew(trained)

    with pytest.raises(ProjectError, match="model of round 0 as it was .* was replaced since"):
        _ = before.encoder


def test_other_settings_share_the_weights_and_not_the_predictors(
    trained: Project, reads: Reads
) -> None:
    model = trained.model(0)
    _ = model.sampler

    other = trained.with_config(with_overrides(trained.config, {"sampling.samples": 7})).model(0)

    assert (model.sampler.n_samples, other.sampler.n_samples) == (3, 7)
    assert reads() == ["round_000.safetensors"]


@pytest.mark.parametrize(
    "words",
    [
        ("ask",),
        ("evaluate",),
        ("calibrate", "--compare-query"),
        ("samples", "--counts", "1,2"),
        ("export", "OUT", "--format", "png", "--what", "predictions"),
    ],
    ids=lambda words: words[0],
)
def test_command_reads_the_model_once(
    trained: Project, reads: Reads, tmp_path: Path, words: tuple[str, ...]
) -> None:
    command, *options = (str(tmp_path / "out") if word == "OUT" else word for word in words)
    reads()

    call(command, trained.root, *options)

    assert reads() == ["round_000.safetensors"]


def test_export_of_asked_regions_and_predict_read_the_model_once(
    trained: Project, reads: Reads, tmp_path: Path, disc_dataset: Path
) -> None:
    call("ask", trained.root)
    reads()
    call("export", trained.root, tmp_path / "out", "--format", "coco")
    assert reads() == ["round_000.safetensors"]

    call("predict", trained.root, disc_dataset / "images", tmp_path / "predicted")
    assert reads() == ["round_000.safetensors"]


def test_status_and_asking_by_chance_read_no_model(trained: Project, reads: Reads) -> None:
    call("status", trained.root)
    by_chance = with_overrides(trained.config, {"query.acquisition": "random"})
    assert Loop(trained.with_config(by_chance)).propose(1).items
    assert reads() == []


def test_turn_of_the_worker_reads_a_model_once_however_much_it_does(
    warm: Project, reads: Reads
) -> None:
    worker = Worker(warm)
    reads()

    work(worker)  # trains, judges, asks and draws, each with model 0

    assert reads() == ["round_000.safetensors"]
    answer(warm, len(open_items(warm)))
    warm.store.control.give(CommandName.TRAIN, "ada")
    work(worker)  # asks ahead with model 0, which is still held, then another is new
    newest = warm.newest_training()
    assert newest is not None
    assert reads() == [newest.model]
