"""Dropout as an argument: what is kept, how often, and what the masks depend on."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from askmask.errors import ShapeError
from askmask.models.dropout import GeneratorNoise, KeyedNoise, Noise, NoNoise, keep_mask


def ones(batch: int = 1, channels: int = 16, side: int = 32) -> Tensor:
    return torch.ones(batch, channels, side, side)


def generator_noise(seed: int = 0) -> GeneratorNoise:
    return GeneratorNoise(torch.Generator().manual_seed(seed))


def both_kinds() -> tuple[Noise, Noise]:
    return generator_noise(), KeyedNoise(0, 0, "image", [0])


def test_no_noise_gives_back_the_activations() -> None:
    x = ones()
    assert NoNoise().dropout(x, 0.5, "layer") is x


@pytest.mark.parametrize("noise", both_kinds())
def test_probability_0_changes_nothing(noise: Noise) -> None:
    x = ones()
    assert torch.equal(noise.dropout(x, 0.0, "layer"), x)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("kind", [0, 1])
def test_values_are_0_or_divided_by_the_share_that_is_kept(kind: int, p: float) -> None:
    dropped = both_kinds()[kind].dropout(ones(), p, "layer")
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("kind", [0, 1])
def test_the_share_that_is_dropped_is_p(kind: int, p: float) -> None:
    x = ones(channels=64)
    dropped = both_kinds()[kind].dropout(x, p, "layer")
    deviation = (p * (1 - p) / x.numel()) ** 0.5
    assert float((dropped == 0).float().mean()) == pytest.approx(p, abs=4 * deviation)


@pytest.mark.parametrize("kind", [0, 1])
def test_masks_are_even_over_channels_rows_and_columns(kind: int) -> None:
    kept = (both_kinds()[kind].dropout(ones(channels=32), 0.5, "layer") > 0).float()[0]
    for axes, count in (((1, 2), 32 * 32), ((0, 1), 32 * 32), ((0, 2), 32 * 32)):
        shares = kept.mean(axes)
        assert float((shares - 0.5).abs().max()) < 5 * 0.5 / count**0.5


@pytest.mark.parametrize("kind", [0, 1])
def test_neighbours_are_dropped_independently(kind: int) -> None:
    kept = (both_kinds()[kind].dropout(ones(channels=32), 0.5, "layer") > 0).float()[0] - 0.5
    for shifted in (
        kept[1:] * kept[:-1],
        kept[:, 1:] * kept[:, :-1],
        kept[:, :, 1:] * kept[:, :, :-1],
    ):
        assert abs(float(shifted.mean()) * 4) < 5 / shifted.numel() ** 0.5


@pytest.mark.parametrize("noise", both_kinds())
def test_activations_are_not_modified(noise: Noise) -> None:
    x = ones()
    noise.dropout(x, 0.5, "layer")
    assert torch.equal(x, ones())


@pytest.mark.parametrize("noise", both_kinds())
def test_the_gradient_passes_where_values_are_kept(noise: Noise) -> None:
    x = ones().requires_grad_()
    dropped = noise.dropout(x, 0.5, "layer")
    dropped.sum().backward()
    assert torch.equal(x.grad, (dropped != 0) * 2.0)


# --- one stream -----------------------------------------------------------------------------


def test_a_generator_in_the_same_state_gives_the_same_mask() -> None:
    first = generator_noise(3).dropout(ones(), 0.5, "layer")
    assert torch.equal(generator_noise(3).dropout(ones(), 0.5, "layer"), first)


def test_a_generator_moves_on() -> None:
    noise = generator_noise()
    first = noise.dropout(ones(), 0.5, "layer")
    assert not torch.equal(noise.dropout(ones(), 0.5, "layer"), first)


def test_images_of_a_batch_get_masks_of_their_own_from_a_generator() -> None:
    dropped = generator_noise().dropout(ones(batch=2), 0.5, "layer")
    assert not torch.equal(dropped[0], dropped[1])


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_dropout_in_bfloat16_rounds_once_in_each_direction(p: float) -> None:
    values = torch.randn(2, 8, 5, 7, generator=torch.Generator().manual_seed(1))
    x = values.bfloat16().requires_grad_()
    dropped = generator_noise().dropout(x, p, "layer")
    dropped.backward(values.bfloat16())
    expected = (x.float() / (1 - p)).bfloat16().where(dropped != 0, 0)
    assert torch.equal(dropped, expected)
    assert torch.equal(x.grad, expected)


# --- keyed ----------------------------------------------------------------------------------


@given(
    samples=st.lists(st.integers(0, 50), min_size=1, max_size=6, unique=True),
    p=st.sampled_from([0.2, 0.5]),
    channels=st.integers(1, 5),
)
@settings(max_examples=30, deadline=None)
def test_a_keyed_mask_depends_on_its_own_sample_only(
    samples: list[int], p: float, channels: int
) -> None:
    x = ones(len(samples), channels, side=7)
    together = KeyedNoise(1, 2, "image", samples).dropout(x, p, "layer")
    alone = [KeyedNoise(1, 2, "image", [s]).dropout(x[:1], p, "layer") for s in samples]
    assert torch.equal(together, torch.cat(alone))


def test_a_keyed_mask_does_not_depend_on_the_order_of_the_layers() -> None:
    noise = KeyedNoise(1, 2, "image", [0])
    first = noise.dropout(ones(), 0.5, "a")
    noise.dropout(ones(), 0.5, "b")
    assert torch.equal(noise.dropout(ones(), 0.5, "a"), first)


@pytest.mark.parametrize(
    ("other", "layer"),
    [
        (KeyedNoise(9, 2, "image", [0]), "layer"),
        (KeyedNoise(1, 9, "image", [0]), "layer"),
        (KeyedNoise(1, 2, "other", [0]), "layer"),
        (KeyedNoise(1, 2, "image", [9]), "layer"),
        (KeyedNoise(1, 2, "image", [0]), "other"),
    ],
)
def test_seed_round_image_sample_and_layer_each_change_a_keyed_mask(
    other: KeyedNoise, layer: str
) -> None:
    first = KeyedNoise(1, 2, "image", [0]).dropout(ones(), 0.5, "layer") > 0
    second = other.dropout(ones(), 0.5, layer) > 0
    # Independent masks agree in half of their places.
    agreement = float((first == second).float().mean())
    assert agreement == pytest.approx(0.5, abs=5 * 0.5 / first.numel() ** 0.5)


def test_a_keyed_mask_is_the_same_on_every_machine_and_version() -> None:
    dropped = KeyedNoise(0, 0, "a", [0]).dropout(torch.ones(1, 8, 1, 2), 0.5, "layer")
    bits = "".join(str(int(value > 0)) for value in dropped.permute(0, 2, 3, 1).flatten())
    expected = "".join(str(bit) for bit in keep_mask_of_first_sample())
    assert bits == expected


def keep_mask_of_first_sample() -> np.ndarray:
    """The mask's definition: bits of Philox keyed by BLAKE2b of what the mask is for."""
    import hashlib

    def key(*parts: int | str) -> int:
        texts = [f"{'s' if isinstance(p, str) else 'i'}{len(str(p))}:{p};" for p in parts]
        digest = hashlib.blake2b("".join(texts).encode(), digest_size=16).digest()
        return int.from_bytes(digest, "little")

    sample = key(0, "dropout", 0, "a", 0)
    generator = np.random.Generator(np.random.Philox(key=key(sample, "layer")))
    return np.unpackbits(np.frombuffer(generator.bytes(2), np.uint8), bitorder="little")


def test_another_number_of_samples_than_activations_is_refused() -> None:
    with pytest.raises(ShapeError, match="batch of 2 samples at layer 'layer', got 3"):
        KeyedNoise(0, 0, "image", [0, 1]).dropout(ones(batch=3), 0.5, "layer")


@given(size=st.integers(0, 300), p=st.sampled_from([0.0, 0.25, 0.5, 0.75]))
@settings(deadline=None)
def test_a_keep_mask_has_the_size_asked_for_and_holds_0_and_1(size: int, p: float) -> None:
    mask = keep_mask(1, "layer", size, p)
    assert mask.shape == (size,)
    assert mask.dtype == np.uint8
    assert set(mask.tolist()) <= {0, 1}


def test_nothing_is_dropped_by_probability_0() -> None:
    assert keep_mask(1, "layer", 1000, 0.0).all()
