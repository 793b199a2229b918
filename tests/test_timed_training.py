"""A training by time fixes its steps before the first, and is then a training of that many."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from askmask.config import TrainingConfig
from askmask.models.contract import Model
from askmask.training import best_weights, plan
from askmask.training import fit as training
from askmask.training.best_weights import BestWeights, comparable_loss, is_judged
from askmask.training.fit import StepReport, TrainingResult, fit_network
from fakes import TinyModel, drawn_training_set


def configured(**changes: Any) -> TrainingConfig:  # Any: settings
    small = {"steps": 10, "batch_size": 2, "crop": 32, "learning_rate": 0.01}
    return TrainingConfig(**(small | changes))


def fit(config: TrainingConfig, **given: Any) -> tuple[TinyModel, TrainingResult]:
    model = given.pop("model", None) or TinyModel(2)
    return model, fit_network(model, drawn_training_set(3), config, seed=0, round=0, **given)


def assert_same_bits(one: nn.Module, two: nn.Module) -> None:
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


def stop(report: StepReport) -> None:
    if report.step == 9:
        raise InterruptedError


class Script:
    """A validation that gives one loss after another and keeps the weights that it saw."""

    def __init__(self, *losses: float) -> None:
        self._losses: Iterator[float] = iter(losses)
        self.seen: list[torch.Tensor] = []
        self.was_training: list[bool] = []

    def __call__(self, model: Model) -> float:
        assert isinstance(model, TinyModel)
        self.seen.append(model.encoder.weight.detach().clone())
        self.was_training.append(model.training)
        return float(next(self._losses))


def test_training_by_time_equals_a_training_of_the_steps_that_it_recorded() -> None:
    config = configured(seconds=0.3, steps=10_000)
    timed, result = fit(config)
    again, same = fit(plan.of_steps(config, result.steps))
    assert result.steps == same.steps >= plan.FEWEST_STEPS
    assert result.loss == same.loss
    assert_same_bits(timed, again)


def test_training_by_time_keeps_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "step_seconds", lambda tried: [*tried] and 0.002)
    _, result = fit(configured(seconds=0.4, steps=10_000))
    assert 0.4 / 0.002 > result.steps > 20  # the tries took a part of it


def test_no_more_steps_are_done_than_the_config_allows() -> None:
    _, result = fit(configured(seconds=3600.0, steps=7))
    assert result.steps == 7


def test_steps_fill_the_time_that_is_left() -> None:
    config = TrainingConfig(steps=600)
    assert plan.steps_in_time(config, 10.0, 0.04) == 250


@pytest.mark.parametrize("seconds", [-3.0, 0.0, 1.0])
def test_a_slow_machine_still_does_the_fewest_steps(seconds: float) -> None:
    assert plan.steps_in_time(TrainingConfig(steps=600), seconds, 2.0) == plan.FEWEST_STEPS


def test_first_try_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # the clock at the start and after each step: they take 9, 1, 2 and 6 seconds
    ticks = iter([0.0, 9.0, 10.0, 12.0, 18.0])
    monkeypatch.setattr(plan.time, "perf_counter", lambda: next(ticks))
    assert plan.step_seconds(range(4)) == 2.0


def test_plan_is_kept_before_the_first_step(tmp_path: Path) -> None:
    checkpoint, present = tmp_path / "c", []
    config = configured(seconds=0.05, checkpoint_every=1000)
    fit(config, checkpoint=checkpoint, on_step=lambda _: present.append(checkpoint.is_file()))
    assert present
    assert all(present)


def test_weights_are_judged_in_the_last_fifth() -> None:
    assert [done for done in range(1, 31) if is_judged(done, 30)] == [24, 27, 30]
    assert [done for done in range(1, 2) if is_judged(done, 1)] == [1]


@pytest.mark.parametrize(("losses", "best"), [((3, 1, 2), 1), ((1, 1, 1), 0), ((3, 2, 1), 2)])
def test_the_averaged_weights_with_the_lowest_loss_are_left(
    losses: tuple[float, ...], best: int
) -> None:
    validation = Script(*losses)
    model, _ = fit(configured(), validate=validation)
    assert torch.equal(model.encoder.weight, validation.seen[best])
    assert validation.was_training == [False, False, False]


def test_a_long_training_is_judged_on_the_way_as_well() -> None:
    judged = [done for done in range(1, 1801) if is_judged(done, 1800)]
    assert judged == [500, 1000, 1440, 1500, 1620, 1800]
    assert [comparable_loss(2.0, done, 1800) for done in judged] == pytest.approx(
        [2.06, 2.06, 2.0, 2.0, 2.0, 2.0]
    )


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ((0.96, 2, 1, 1, 1), 0),  # known by heart before the end
        ((0.98, 2, 1, 1, 1), 2),  # hardly better than what the training ends with
        ((3, 0.9, 0.8, 1, 1), 2),
    ],
)
def test_earlier_weights_are_left_if_they_are_clearly_better(
    monkeypatch: pytest.MonkeyPatch, losses: tuple[float, ...], best: int
) -> None:
    monkeypatch.setattr(best_weights, "EVERY", 3)
    validation = Script(*losses)  # after 3, 6, 8, 9 and 10 of 10 steps
    model, _ = fit(configured(steps=10), validate=validation)
    assert torch.equal(model.encoder.weight, validation.seen[best])


def test_judging_changes_nothing_in_the_training() -> None:
    judged, _ = fit(configured(), validate=Script(3, 2, 1))
    assert_same_bits(judged, fit(configured())[0])


def test_without_a_finite_loss_the_last_average_is_left() -> None:
    nan = float("nan")
    assert_same_bits(fit(configured(), validate=Script(nan, nan, nan))[0], fit(configured())[0])


def test_best_weights_survive_an_interruption(tmp_path: Path) -> None:
    config = configured(checkpoint_every=1)
    with pytest.raises(InterruptedError):
        fit(config, checkpoint=tmp_path / "c", validate=Script(1, 2), on_step=stop)
    resumed, _ = fit(config, checkpoint=tmp_path / "c", validate=Script(2, 3))
    assert_same_bits(resumed, fit(config, validate=Script(1, 2, 3))[0])


def test_best_weights_are_copies() -> None:
    best, weights = BestWeights(), {"a": torch.zeros(2)}
    best.offer(weights, 1.0)
    weights["a"].fill_(5.0)
    best.offer(weights, 1.0)
    assert torch.equal(best.tensors["a"], torch.zeros(2))


def test_a_training_killed_after_its_last_step_is_finished_when_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(checkpoint: Path) -> None:
        raise InterruptedError

    config = configured(steps=4, checkpoint_every=2)
    with monkeypatch.context() as patch:
        patch.setattr(training, "remove_checkpoint", killed)
        with pytest.raises(InterruptedError):
            fit(config, checkpoint=tmp_path / "c")
    model, result = fit(config, checkpoint=tmp_path / "c")
    assert result.steps == 4
    assert_same_bits(model, fit(config)[0])
