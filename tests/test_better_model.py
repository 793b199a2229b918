"""A round goes on from the model before, and the better of two models stays in use."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import killed_round
from askmask.config import Config, with_overrides
from askmask.loop.in_use.standing import Standing, objection, standing, validation_loss
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import Answer, ClassMap, Mask
from fakes import TinyModel

Build = Callable[..., Config]
CLASSES = ClassMap(("background", "gland"))
PEOPLE = {"start_from": "previous", "keep": "best", "keep_better": True}
RUINOUS = {"training.learning_rate": 30.0, "training.gradient_clip": 1.0}
GENTLE = {"training.learning_rate": 1e-9, "training.ema_decay": 0.0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, disc_config: Build) -> Path:
    """Project for people with a trained model of round 0, and an answered query of round 1."""
    root = tmp_path_factory.mktemp("trained") / "p"
    training = {**PEOPLE, "steps": 30, "learning_rate": 0.02, "checkpoint_every": 2}
    with Project.create(root, disc_config(training=training)) as project:
        loop, oracle = Loop(project), MaskOracle(project.source)
        loop.tell_start(oracle)
        loop.train()
        loop.tell(oracle.answer(item.region, 1) for item in loop.ask().items)
    return root


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of it, for one test."""
    with Project.open(shutil.copytree(trained, tmp_path / "p")) as project:
        yield project


def weights(project: Project, round: int) -> dict[str, torch.Tensor]:
    return load_file(project.model_path(round))


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, two[name]) for name, value in one.items())


def train(project: Project, **settings: object) -> None:
    Loop(project.with_config(with_overrides(project.config, settings))).train()


def kill_before(project: Project, name: str) -> None:
    """Train in a process that dies before a function is called."""
    script = Path(killed_round.__file__)
    path = os.pathsep.join([str(script.parent), *sys.path])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, str(script), str(project.root), name]
    ended = subprocess.run(arguments, env=environment, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL


# going on


def test_a_round_goes_on_from_the_model_before(project: Project) -> None:
    train(project, **GENTLE)
    before, after = weights(project, 0), weights(project, 1)
    for name, value in before.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(after[name], value, rtol=0, atol=1e-6)


def test_a_round_that_starts_fresh_does_not(project: Project) -> None:
    fresh = {"training.start_from": "fresh", "training.keep_better": False}
    train(project, **GENTLE, **fresh)
    assert not torch.allclose(
        weights(project, 0)["foreground_head.weight"],
        weights(project, 1)["foreground_head.weight"],
        atol=1e-3,
    )


def test_a_round_trained_again_goes_on_from_its_own_model(project: Project) -> None:
    train(project, **{"training.keep_better": False})
    first = weights(project, 1)
    loop, oracle = Loop(project), MaskOracle(project.source)
    loop.tell(oracle.answer(item.region, 1) for item in loop.ask(2).items[:1])  # one more of it
    train(project, **GENTLE, **{"training.keep_better": False})
    torch.testing.assert_close(
        weights(project, 1)["foreground_head.weight"], first["foreground_head.weight"]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["save_model", pytest.param("standing", marks=pytest.mark.long), "_link", "add_training"],
)
def test_round_killed_anywhere_ends_like_one_that_was_not(
    project: Project, tmp_path: Path, name: str
) -> None:
    shutil.copytree(project.root, tmp_path / "other")
    kill_before(project, name)
    assert len(project.store.trainings()) == 1
    Loop(project).train()
    with Project.open(tmp_path / "other") as other:
        Loop(other).train()
        assert same(weights(project, 1), weights(other, 1))
        records = [
            [(r.round, r.status, r.steps, repr(r.loss)) for r in each.store.trainings()]
            for each in (project, other)
        ]
        assert records[0] == records[1]
    assert sorted(p.name for p in (project.root / "models").glob("*candidate*")) == []


def test_a_round_by_time_that_was_killed_is_not_trained_again(project: Project) -> None:
    root = project.root / "askmask.yaml"
    root.write_text(root.read_text().replace("  seconds: null", "  seconds: 0.4"))
    kill_before(project, "add_training")
    candidate = project.root / "models" / "round_001.candidate.safetensors"
    left = load_file(candidate)
    with Project.open(project.root) as again:
        record = Loop(again).train()
        assert record.steps >= 20 or record.reason is not None
        assert same(left, weights(again, 1)) or record.reason is not None


def test_a_round_by_time_whose_file_is_gone_does_the_steps_that_it_did(project: Project) -> None:
    settings = {"training.seconds": 0.3, "training.steps": 9999, "training.keep_better": False}
    train(project, **settings)
    first, done = weights(project, 1), project.store.trainings()[-1]
    project.model_path(1).unlink()
    train(project, **settings)
    assert project.store.trainings()[-1].steps == done.steps
    assert same(weights(project, 1), first)


# the better one


def test_a_ruined_model_is_put_aside_and_the_one_before_stays_in_use(project: Project) -> None:
    before = weights(project, 0)
    train(project, **RUINOUS)
    aside, used = project.store.trainings()[-2:]
    assert (aside.status, used.status, used.steps) == ("failed", "finished", 0)
    assert "class" in str(aside.reason) or "worse than" in str(aside.reason)
    assert str(used.reason).startswith("the model of round 0 stays in use")
    assert same(weights(project, 1), before)
    assert (project.root / "models" / aside.model).is_file()
    assert not same(load_file(project.root / "models" / aside.model), before)


def test_after_a_model_was_put_aside_the_loop_goes_on(project: Project) -> None:
    train(project, **RUINOUS)
    loop = Loop(project)
    assert loop.train() == project.store.trainings()[-1]  # nothing is trained twice
    assert project.store.answers_since_training() == 0
    assert loop.evaluate()
    assert loop.ask().model == "round_001.safetensors"


def test_a_first_model_of_one_class_is_used_with_its_reason(
    tmp_path: Path, disc_config: Build
) -> None:
    training = {**PEOPLE, "steps": 40, "learning_rate": 1e-2}
    with Project.create(tmp_path / "p", disc_config(training=training)) as project:
        loop = Loop(project)
        loop.tell(
            Answer(region, Mask(np.zeros((region.height, region.width), np.int16)), 0, "Ada", "key")
            for region in project.start_regions
        )
        record = loop.train()
    assert record.status == "finished"
    assert str(record.reason).startswith("it gives every pixel the class")


def test_a_better_model_is_used(project: Project) -> None:
    assert objection(Standing(0.4, 0.7, None), Standing(0.5, 0.6, None), CLASSES) is None


@pytest.mark.parametrize(
    ("loss", "dice"), [(0.6, 0.7), (0.4, 0.5), (0.5, 0.6), (float("nan"), float("nan"))]
)
def test_a_model_that_is_not_worse_by_both_scores_is_used(loss: float, dice: float) -> None:
    assert objection(Standing(loss, dice, None), Standing(0.5, 0.6, None), CLASSES) is None


@pytest.mark.parametrize(("loss", "dice"), [(0.54, 0.2), (0.9, 0.58), (0.54, 0.58)])
def test_a_model_that_is_worse_by_no_more_than_chance_is_used(loss: float, dice: float) -> None:
    assert objection(Standing(loss, dice, None), Standing(0.5, 0.6, None), CLASSES) is None


def test_a_worse_model_is_told_with_both_scores_of_both() -> None:
    told = objection(Standing(0.61, 0.512, None), Standing(0.52, 0.604, None), CLASSES)
    assert told == (
        "on the validation images its mean Dice is 0.512 and its loss 0.610, worse than 0.604 and "
        "0.520 of the model before"
    )


def test_one_class_everywhere_is_told_by_name() -> None:
    told = objection(Standing(0.4, 0.7, 1), Standing(0.5, 0.6, None), CLASSES)
    assert told == "it gives every pixel the class 'gland'"


def test_without_validation_images_only_one_class_is_seen(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config(data={"validation": 0})
    with Project.create(tmp_path / "p", config) as project:
        Loop(project).tell_start(MaskOracle(project.source))
        model = TinyModel(2).eval()
        with torch.no_grad():
            model.foreground.bias.copy_(torch.tensor([-50.0, 50.0]))
        found = standing(project, [model], round=0)
        assert validation_loss(project, 0) is None
    assert found.only_class == 1
    assert found.loss != found.loss  # NaN


def test_loss_of_a_standing_is_the_mean_nll_of_the_validation_pixels(project: Project) -> None:
    network = project.model(0).networks[0]
    total = count = 0.0
    for image_id in project.roles.validation:
        mask = project.source.read_mask(image_id)
        probs = project.model(0).predict(project.source.read_image(image_id)).probs
        true = torch.from_numpy(probs).gather(0, torch.from_numpy(mask.labels).long()[None])
        total -= true.log().sum().item()
        count += mask.labels.size
    found = standing(project, [network], round=0)
    assert found.loss == pytest.approx(total / count, rel=1e-4)
    loss = validation_loss(project, 0)
    assert loss is not None
    assert loss(network) == found.loss
