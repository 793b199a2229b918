"""What every network guarantees; see `askmask.Model`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from askmask.models.contract import Model
from askmask.models.dropout import GeneratorNoise, KeyedNoise, NoNoise


def random_images(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Noise in [0, 1], (batch, 3, height, width)."""
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def keyed(samples: Sequence[int]) -> KeyedNoise:
    """Dropout of some samples, always the same for the same samples."""
    return KeyedNoise(7, 0, "image", samples)


class RecordingNoise:
    """No dropout; keeps the name, probability and shape of every place."""

    def __init__(self) -> None:
        self.places: list[tuple[str, float, tuple[int, ...]]] = []

    def dropout(self, x: Tensor, p: float, layer: str) -> Tensor:
        """Return `x` itself, and keep the place."""
        self.places.append((layer, p, tuple(x.shape)))
        return x


class ModelContract(ABC):
    """Subclass it, and make a small network of `n_classes`, with a boundary head or without."""

    tolerance = 2e-5
    """Of logits around 1 computed in batches of another size."""

    @abstractmethod
    def make_model(self, n_classes: int = 2) -> Model:
        """Return a new network; equal calls may give different weights."""

    @pytest.fixture
    def model(self) -> Model:
        """Return the network in eval mode."""
        return self.make_model().eval()

    @pytest.mark.parametrize("is_training", [False, True])
    def test_suffix_of_the_prefix_is_the_whole_pass_bit_for_bit(self, is_training: bool) -> None:
        model = self.make_model().train(is_training)
        images = random_images(2, 40, 50)
        whole = model(images, keyed([0, 1]))
        parts = model.suffix(model.prefix(images), keyed([0, 1]))
        assert torch.equal(whole.foreground, parts.foreground)
        assert _equal(whole.boundary, parts.boundary)

    def test_equal_arguments_give_equal_logits(self, model: Model) -> None:
        images = random_images(1, 40, 50)
        first = model(images, keyed([4])).foreground
        assert torch.equal(model(images, keyed([4])).foreground, first)

    def test_another_sample_gives_other_logits(self, model: Model) -> None:
        images = random_images(1, 40, 50)
        first = model(images, keyed([4])).foreground
        assert not torch.equal(model(images, keyed([5])).foreground, first)

    @pytest.mark.parametrize("size", [(32, 32), (33, 47), (44, 61), (96, 40)])
    def test_logits_have_the_size_of_any_input_of_32_pixels_and_more(
        self, model: Model, size: tuple[int, int]
    ) -> None:
        outputs = model(random_images(1, *size), NoNoise())
        assert outputs.foreground.shape == (1, 2, *size)
        if outputs.boundary is not None:
            assert outputs.boundary.shape == (1, 2, *size)

    def test_logits_of_an_image_do_not_depend_on_its_batch(self, model: Model) -> None:
        images = random_images(3, 40, 50)
        together = model(images, keyed([0, 1, 2])).foreground
        alone = model(images[1:2], keyed([1])).foreground
        torch.testing.assert_close(together[1:2], alone, atol=self.tolerance, rtol=1e-5)

    def test_expanded_features_give_the_samples_of_separate_passes(self, model: Model) -> None:
        images = random_images(1, 40, 50)
        features = model.prefix(images)
        expanded = tuple(f.expand(3, *f.shape[1:]) for f in features)
        together = model.suffix(expanded, keyed([0, 1, 2])).foreground
        alone = torch.cat([model(images, keyed([s])).foreground for s in range(3)])
        torch.testing.assert_close(together, alone, atol=self.tolerance, rtol=1e-5)

    def test_neither_images_nor_features_nor_weights_are_modified(self, model: Model) -> None:
        images = random_images(2, 40, 50)
        images_before = images.clone()
        features = model.prefix(images)
        features_before = [feature.clone() for feature in features]
        weights_before = {name: value.clone() for name, value in model.state_dict().items()}
        model.suffix(features, keyed([0, 1]))
        assert torch.equal(images, images_before)
        assert all(map(torch.equal, features, features_before))
        assert all(torch.equal(v, weights_before[n]) for n, v in model.state_dict().items())

    def test_boundary_logits_come_only_when_asked_for(self, model: Model) -> None:
        images = random_images(1, 40, 50)
        without = model(images, keyed([0]), boundary=False)
        both = model(images, keyed([0]), boundary=True)
        assert without.boundary is None
        assert without.auxiliary_boundary == ()
        assert (both.boundary is not None) == model.has_boundary
        torch.testing.assert_close(without.foreground, both.foreground)

    def test_foreground_has_one_channel_for_each_class(self) -> None:
        model = self.make_model(n_classes=5).eval()
        outputs = model(random_images(1, 40, 50), NoNoise())
        assert model.n_classes == 5
        assert outputs.foreground.shape[1] == 5
        assert outputs.boundary is None or outputs.boundary.shape[1] == 2

    def test_every_dropout_has_a_name_of_its_own(self, model: Model) -> None:
        noise = RecordingNoise()
        model(random_images(1, 40, 50), noise)
        layers = [layer for layer, _, _ in noise.places]
        assert layers
        assert len(set(layers)) == len(layers)

    def test_names_of_dropout_do_not_depend_on_the_boundary_head(self, model: Model) -> None:
        with_boundary, without = RecordingNoise(), RecordingNoise()
        model(random_images(1, 40, 50), with_boundary, boundary=True)
        model(random_images(1, 40, 50), without, boundary=False)
        assert without.places == with_boundary.places[: len(without.places)]

    def test_the_prefix_gives_features_along_the_batch_axis(self, model: Model) -> None:
        assert {feature.shape[0] for feature in model.prefix(random_images(2, 40, 50))} == {2}

    def test_a_training_pass_leaves_the_global_generator_alone(self) -> None:
        model = self.make_model().train()
        before = torch.get_rng_state()
        noise = GeneratorNoise(torch.Generator().manual_seed(0))
        outputs = model(random_images(2, 40, 50), noise)
        outputs.foreground.sum().backward()
        assert torch.equal(torch.get_rng_state(), before)

    def test_every_trainable_weight_gets_a_gradient(self) -> None:
        model = self.make_model().train()
        outputs = model(random_images(2, 64, 64), NoNoise())
        heads = (outputs.foreground, outputs.boundary)
        loss = sum(logits.square().mean() for logits in heads if logits is not None)
        assert isinstance(loss, Tensor)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub lacks it
        without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert without == []

    def test_auxiliary_logits_have_the_shape_of_their_sum_and_come_in_training_only(self) -> None:
        model = self.make_model().train()
        outputs = model(random_images(2, 40, 50), NoNoise())
        auxiliary = (*outputs.auxiliary_foreground, *outputs.auxiliary_boundary)
        assert all(branch.shape[2:] == (40, 50) for branch in auxiliary)
        assert all(branch.shape[1] == 2 for branch in auxiliary)
        assert model.eval()(random_images(1, 40, 50), NoNoise()).auxiliary_foreground == ()

    def test_weights_in_another_copy_give_the_same_logits(self, model: Model) -> None:
        other = self.make_model()
        for value in other.state_dict().values():
            value.zero_()
        other.load_state_dict(model.state_dict())
        images = random_images(1, 40, 50)
        assert torch.equal(
            other.eval()(images, NoNoise()).foreground, model(images, NoNoise()).foreground
        )


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    """Whether two outputs are the same bit for bit, or both absent."""
    if one is None or other is None:
        return one is other
    return torch.equal(one, other)
