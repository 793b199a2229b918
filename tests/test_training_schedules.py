"""Schedules in steps, the choice of precision, and the average of the weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.config import TrainingConfig
from askmask.runtime.compute import use_bf16
from askmask.training.schedule import auxiliary_weight, learning_rate
from askmask.training.weight_average import WeightAverage
from fakes import TinyModel

CPU = torch.device("cpu")


def configured(**changes: object) -> TrainingConfig:
    return TrainingConfig(**({"steps": 4, "learning_rate": 0.01} | changes))


def test_constant_learning_rate_stays() -> None:
    config = configured(schedule="constant")
    assert [learning_rate(config, step) for step in range(4)] == [0.01] * 4


def test_exponential_learning_rate_falls_by_the_factor_every_decay_steps() -> None:
    config = configured(schedule="exponential", steps=999, decay_steps=100, decay_factor=0.1)
    rates = [learning_rate(config, step) for step in (0, 50, 100, 200)]
    assert rates == pytest.approx([1e-2, 1e-2 * 10**-0.5, 1e-3, 1e-4])


def test_exponential_learning_rate_without_decay_steps_stays() -> None:
    config = configured(schedule="exponential", decay_steps=None)
    assert learning_rate(config, 3) == 0.01


def test_cosine_learning_rate_is_half_in_the_middle_and_small_at_the_end() -> None:
    config = configured(schedule="cosine", steps=100)
    rates = [learning_rate(config, step) for step in (0, 50, 99)]
    # (1 + cos(0.99 pi)) / 2 = 0.000247
    assert rates == pytest.approx([0.01, 0.005, 0.01 * 0.000246719817], abs=1e-9)


def test_warmup_rises_in_equal_steps_and_then_the_schedule_starts() -> None:
    config = configured(schedule="exponential", warmup_steps=4, decay_steps=1, decay_factor=0.5)
    rates = [learning_rate(config, step) for step in range(6)]
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.005])


def test_warmup_longer_than_the_training_never_divides_by_zero() -> None:
    config = configured(schedule="cosine", steps=3, warmup_steps=3)
    assert learning_rate(config, 2) == 0.01


@settings(max_examples=50, deadline=None)
@given(
    step=st.integers(0, 499),
    warmup=st.integers(0, 499),
    schedule=st.sampled_from(["constant", "exponential", "cosine"]),
)
def test_learning_rate_is_positive_and_at_most_the_base_rate(
    step: int, warmup: int, schedule: str
) -> None:
    config = configured(steps=500, warmup_steps=warmup, schedule=schedule, decay_steps=100)
    assert 0 < learning_rate(config, step) <= 0.01


def test_auxiliary_weight_falls_by_ten_at_whole_multiples() -> None:
    config = configured(auxiliary_decay_steps=300)
    weights = [auxiliary_weight(config, step) for step in (0, 299, 300, 599, 600)]
    assert weights == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_auxiliary_weight_without_decay_is_one() -> None:
    assert auxiliary_weight(configured(), 10**6) == 1


@pytest.mark.parametrize(
    ("precision", "flags", "expected"),
    [
        ("fp32", "amx_bf16", False),
        ("bf16", "", True),
        ("auto", "fpu avx2 avx512f", False),
        ("auto", "fpu avx512_bf16 avx2", True),
        ("auto", "amx_tile amx_bf16", True),
    ],
)
def test_bf16_is_used_where_the_processor_computes_in_it(
    precision: str, flags: str, expected: bool
) -> None:
    assert use_bf16(precision, CPU, flags) is expected


def test_bf16_is_not_used_unasked_on_a_device_without_a_known_answer() -> None:
    assert use_bf16("auto", torch.device("meta")) is False


def test_weight_average_by_hand() -> None:
    model = TinyModel(2)
    with torch.no_grad():
        model.encoder.bias.fill_(0.0)
        average = WeightAverage(model, 0.5)
        model.encoder.bias.fill_(10.0)
        average.update(0)  # d = min(0.5, 1/10): 0.1 * 0 + 0.9 * 10 = 9
        model.encoder.bias.fill_(20.0)
        average.update(98)  # d = min(0.5, 99/108): 0.5 * 9 + 0.5 * 20 = 14.5
    assert average.averages["encoder.bias"].tolist() == pytest.approx([14.5] * 8)


def test_weight_average_covers_batch_norm_statistics_but_not_counters() -> None:
    names = WeightAverage(TinyModel(2), 0.9).averages.keys()
    assert {"norm.running_mean", "norm.running_var"} <= names
    assert "norm.num_batches_tracked" not in names
