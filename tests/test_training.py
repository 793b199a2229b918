"""Training is a function of weights, data and seed; failures are results, not surprises."""

import math
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from askmask.config import AugmentConfig, TrainingConfig
from askmask.errors import SourceError
from askmask.models.contract import Features, Outputs
from askmask.models.dropout import GeneratorNoise, Noise, NoNoise
from askmask.records import UNLABELLED
from askmask.seeds import torch_generator
from askmask.training import fit as training
from askmask.training.augment import TrainingImage
from askmask.training.batches import BatchMaker
from askmask.training.fit import StepReport, TrainingResult, fit_network
from askmask.training.schedule import auxiliary_weight, learning_rate
from fakes import MemoryTrainingSet, TinyModel, drawn_training_image, drawn_training_set


def configured(**changes: object) -> TrainingConfig:
    small = {"steps": 4, "batch_size": 2, "crop": 32, "learning_rate": 0.01}
    return TrainingConfig(**(small | changes))


def fit(
    config: TrainingConfig, *, model: TinyModel | None = None, images: int = 3, **key: object
) -> tuple[TinyModel, TrainingResult]:
    model = TinyModel(2) if model is None else model
    arguments = {"seed": 0, "round": 0} | key
    return model, fit_network(model, drawn_training_set(images), config, **arguments)


def same_weights(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class BranchedModel(TinyModel):
    """A tiny model that also gives its branches' logits while training."""

    def suffix(self, features: Features, noise: Noise, *, boundary: bool = True) -> Outputs:
        outputs = super().suffix(features, noise, boundary=boundary)
        half = (0.5 * outputs.foreground,)
        return Outputs(outputs.foreground, outputs.boundary, half, (0.5 * outputs.boundary,))


# the training


def test_training_learns_to_find_discs() -> None:
    config = configured(steps=80, batch_size=4, learning_rate=0.03, ema_decay=0.9, crop=48)
    model, result = fit(config)
    item = drawn_training_image(99)
    image = torch.from_numpy(item.image.transpose(2, 0, 1)[None] / np.float32(255))
    predicted = model(image, NoNoise()).foreground.argmax(1)[0].numpy()
    assert result.status == "finished"
    assert result.reason is None
    assert (predicted == item.labels).mean() > 0.95
    assert not model.training


def test_training_equals_a_loop_of_plain_torch() -> None:
    config = configured(l2=0.01, ema_decay=0.0, epsilon=1e-3, boundary_weight=0.7, precision="fp32")
    trained, _ = fit(config, seed=3, round=1, attempt=2)
    model = TinyModel(2).train()
    make = BatchMaker(drawn_training_set(3), config, 2, True, seed=3, round=1, attempt=2)
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-3, foreach=False, fused=False)
    for step in range(config.steps):
        batch = make(step)
        noise = GeneratorNoise(torch_generator(3, "training dropout", 1, 2, step))
        outputs = model(batch.images, noise)
        weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
        loss = cross_entropy(outputs.foreground, batch.labels, ignore_index=UNLABELLED)
        loss = loss + 0.7 * cross_entropy(outputs.boundary, batch.boundary, ignore_index=UNLABELLED)
        loss = loss + 0.01 * sum((weight**2).sum() / 2 for weight in weights)
        optimizer.param_groups[0]["lr"] = learning_rate(config, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_same_arguments_give_the_same_weights_bit_for_bit() -> None:
    assert same_weights(fit(configured())[0], fit(configured())[0])


@pytest.mark.parametrize("key", [{"seed": 1}, {"round": 1}, {"attempt": 1}])
def test_another_key_gives_other_weights(key: dict[str, int]) -> None:
    assert not same_weights(fit(configured())[0], fit(configured(), **key)[0])


@pytest.mark.parametrize("depth", [0, 1, 9])
def test_result_does_not_depend_on_how_much_is_prepared_ahead(
    depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = fit(configured())
    monkeypatch.setattr(training, "PREFETCH", depth)
    assert same_weights(fit(configured())[0], expected)


def test_training_leaves_global_randomness_alone() -> None:
    model = TinyModel(2)
    state = torch.get_rng_state()
    fit(configured(), model=model)
    assert torch.equal(torch.get_rng_state(), state)


def test_labels_of_weight_zero_change_nothing() -> None:
    item = drawn_training_image(0)
    weight = item.weight.copy()
    weight[:, 32:] = 0
    other = item.labels.copy()
    other[:, 32:] = 1 - other[:, 32:]
    models = []
    for labels in (item.labels, other):
        models.append(TinyModel(2, boundary=False))
        images = MemoryTrainingSet({"a": TrainingImage(item.image, labels, None, weight)})
        fit_network(models[-1], images, configured(), seed=0, round=0)
    assert same_weights(*models)


def test_frozen_weights_stay() -> None:
    model = TinyModel(2)
    model.encoder.requires_grad_(False)
    before = model.encoder.weight.clone()
    head = model.foreground.weight.detach().clone()
    fit(configured(l2=0.1, weight_decay=0.1), model=model)
    torch.testing.assert_close(model.encoder.weight, before, rtol=0, atol=1e-7)
    assert not torch.allclose(model.foreground.weight, head)


def test_contour_decoder_of_weight_zero_is_not_trained_and_needs_no_target() -> None:
    item = drawn_training_image(0)
    images = MemoryTrainingSet({"a": TrainingImage(item.image, item.labels, None, item.weight)})
    model = TinyModel(2)
    before = model.contour.weight.detach().clone()
    result = fit_network(model, images, configured(boundary_weight=0.0), seed=0, round=0)
    assert result.status == "finished"
    torch.testing.assert_close(model.contour.weight.detach(), before, rtol=0, atol=1e-7)


def test_gradients_are_clipped_to_the_configured_norm() -> None:
    model, _ = fit(configured(gradient_clip=1e-3))
    norm = torch.stack([p.grad.square().sum() for p in model.parameters()]).sum().sqrt()
    assert norm.item() == pytest.approx(1e-3, rel=1e-2)


def test_decoupled_weight_decay_differs_from_decay_in_the_gradient() -> None:
    adam, adamw = (
        fit(configured(weight_decay=0.5, optimizer=name))[0] for name in ("adam", "adamw")
    )
    assert not same_weights(adam, adamw)


def test_l2_penalty_is_part_of_the_reported_loss() -> None:
    losses = []
    for l2 in (0.0, 0.1):
        fit(configured(l2=l2, steps=1), on_step=lambda report: losses.append(report.loss))
    kernels = [p.detach() for p in TinyModel(2).parameters() if p.ndim == 4]
    penalty = 0.1 * sum(float((kernel**2).sum()) / 2 for kernel in kernels)
    assert losses[1] - losses[0] == pytest.approx(penalty, rel=1e-4)


def test_schedule_of_the_paper_can_be_written_as_a_config() -> None:
    # 10 start images in batches of 5: 2 steps an epoch, 1300 epochs
    config = TrainingConfig(
        steps=2600,
        batch_size=5,
        crop=480,
        learning_rate=1e-3,
        epsilon=1e-3,
        l2=1e-3,
        schedule="exponential",
        decay_factor=0.1,
        decay_steps=1200,
        auxiliary_decay_steps=600,
        ema_decay=0.999,
        augment=AugmentConfig(rotate_degrees=180, brightness=0.1, contrast=0, saturation=0),
    )
    assert learning_rate(config, 1200) == pytest.approx(1e-4)
    assert auxiliary_weight(config, 1200) == pytest.approx(1e-2)
    few = config.model_copy(update={"steps": 2, "crop": 48})
    assert fit(few, model=BranchedModel(2))[1].status == "finished"


def test_branches_add_to_the_loss() -> None:
    losses = []
    for model in (TinyModel(2), BranchedModel(2)):
        fit(configured(steps=1), model=model, on_step=lambda report: losses.append(report.loss))
    assert losses[1] > 1.5 * losses[0]


def test_bf16_training_keeps_weights_in_float32() -> None:
    model, result = fit(configured(precision="bf16"))
    assert result.status == "finished"
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not same_weights(model, fit(configured(precision="fp32"))[0])


def test_trained_model_holds_the_average_of_the_weights_of_all_steps() -> None:
    model, seen = TinyModel(2), []
    expected = model.encoder.weight.detach().clone()
    fit(
        configured(ema_decay=0.3, steps=5),
        model=model,
        on_step=lambda _: seen.append(model.encoder.weight.detach().clone()),
    )
    for step, weight in enumerate(seen):
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
    torch.testing.assert_close(model.encoder.weight.detach(), expected)


def test_decay_zero_keeps_the_last_weights() -> None:
    model, seen = TinyModel(2), []
    fit(
        configured(ema_decay=0.0),
        model=model,
        on_step=lambda _: seen.append(model.encoder.weight.detach().clone()),
    )
    assert torch.equal(model.encoder.weight, seen[-1])


# what the caller sees


def test_progress_is_reported_after_every_step() -> None:
    reports: list[StepReport] = []
    _, result = fit(configured(schedule="constant"), on_step=reports.append)
    assert [report.step for report in reports] == [1, 2, 3, 4]
    assert {report.steps for report in reports} == {4}
    assert {report.learning_rate for report in reports} == {0.01}
    assert result.steps == 4
    assert result.loss == reports[-1].loss
    assert 0 < result.elapsed_seconds < 60


def test_diverged_training_is_a_failed_result_with_its_step_and_value() -> None:
    reports: list[StepReport] = []
    _, result = fit(configured(learning_rate=1e30, steps=50), on_step=reports.append)
    assert result.status == "failed"
    assert result.reason == f"the loss became {result.loss!r} at step {result.steps} of 50"
    assert not math.isfinite(result.loss)
    assert len(reports) == result.steps - 1 < 49


def test_weights_that_overflow_in_the_last_step_fail_the_training() -> None:
    config = configured(steps=1).model_copy(update={"learning_rate": 1e39})  # none reads so much
    _, result = fit(config)
    assert result.status == "failed"
    assert result.reason == "the weights are not finite after step 1 of 1"
    assert math.isfinite(result.loss)


def test_training_without_images_is_refused() -> None:
    with pytest.raises(SourceError, match="expected at least one training image"):
        fit_network(TinyModel(2), MemoryTrainingSet({}), configured(), seed=0, round=0)


def stop(report: StepReport) -> None:
    raise InterruptedError(f"stopped after {report.step}")


class BrokenSet(MemoryTrainingSet):
    """Its files are gone."""

    def read(self, image_id: str) -> TrainingImage:
        raise SourceError(f"cannot read {image_id!r}")


@pytest.mark.parametrize(
    ("images", "on_step", "message"),
    [
        (BrokenSet({"a": drawn_training_image(0)}), None, "cannot read 'a'"),
        (drawn_training_set(2), stop, "stopped after 1"),
    ],
)
def test_errors_reach_the_caller_and_leave_no_thread(
    images: MemoryTrainingSet, on_step: Callable[[StepReport], None] | None, message: str
) -> None:
    with pytest.raises((SourceError, InterruptedError), match=message):
        fit_network(TinyModel(2), images, configured(), seed=0, round=0, on_step=on_step)
    assert not [t for t in threading.enumerate() if t.name.startswith("askmask")]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_training_on_a_gpu_is_repeatable_and_learns(precision: str) -> None:
    torch.backends.cudnn.deterministic = True
    config = configured(
        steps=80, batch_size=4, learning_rate=0.03, ema_decay=0.9, precision=precision
    )
    models = [fit(config, model=TinyModel(2).cuda())[0] for _ in range(2)]
    assert same_weights(*models)
    item = drawn_training_image(99)
    image: Tensor = torch.from_numpy(item.image.transpose(2, 0, 1)[None] / np.float32(255)).cuda()
    predicted = models[0](image, NoNoise()).foreground.argmax(1)[0].cpu().numpy()
    assert (predicted == item.labels).mean() > 0.95
