"""The networks in the core, and building them from a config."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from askmask.config import ModelConfig
from askmask.errors import ConfigError, UnknownName, WeightsError
from askmask.models.build import build_model, model_names
from askmask.models.contract import Model
from askmask.models.dropout import NoNoise
from askmask.models.normalization import IMAGENET_MEAN, IMAGENET_STD, Normalization
from askmask.models.resnet_v2 import ResidualUnit, ResNetV2, Stem
from askmask.models.two_decoder import Branch, TwoDecoder, TwoDecoderOptions, Upsampling
from askmask.models.unet import UNet, UNetOptions
from askmask.testing.networks import ModelContract, RecordingNoise, keyed, random_images
from small_models import SMALL_LAYOUT, small_two_decoder, small_unet


class TestTwoDecoder(ModelContract):
    def make_model(self, n_classes: int = 2) -> Model:
        return small_two_decoder(n_classes)


class TestTwoDecoderWithFrozenStages(ModelContract):
    def make_model(self, n_classes: int = 2) -> Model:
        return small_two_decoder(n_classes, freeze_stages=2)


class TestUNetWithGroupNorm(ModelContract):
    def make_model(self, n_classes: int = 2) -> Model:
        return small_unet(n_classes)


class TestUNetWithBatchNorm(ModelContract):
    def make_model(self, n_classes: int = 2) -> Model:
        return small_unet(n_classes, norm="batch")


# --- two decoders ---------------------------------------------------------------------------


def test_dropout_follows_every_unit_of_stages_3_and_4_and_nothing_else() -> None:
    model = build_model(ModelConfig(name="two_decoder_resnet50"), 2, 0).eval()
    noise = RecordingNoise()
    with torch.no_grad():
        outputs = model(random_images(1, 64, 64), noise)
    stage3 = [(f"stage3_unit{unit}", 0.5, (1, 1024, 4, 4)) for unit in range(1, 7)]
    stage4 = [(f"stage4_unit{unit}", 0.5, (1, 2048, 4, 4)) for unit in range(1, 4)]
    assert noise.places == stage3 + stage4
    assert outputs.foreground.shape == (1, 2, 64, 64)


def test_logits_are_the_sum_of_three_branches() -> None:
    model = small_two_decoder().train()
    outputs = model(random_images(2, 40, 50), keyed([0, 1]))
    assert len(outputs.auxiliary_foreground) == 3
    assert len(outputs.auxiliary_boundary) == 3
    assert torch.equal(sum(outputs.auxiliary_foreground), outputs.foreground)
    assert torch.equal(sum(outputs.auxiliary_boundary), outputs.boundary)


def test_the_branch_of_stage_2_is_the_same_in_every_sample() -> None:
    model = small_two_decoder().train()
    images = random_images(1, 40, 50).expand(2, 3, 40, 50)
    branches = model(images, keyed([0, 1])).auxiliary_foreground
    torch.testing.assert_close(branches[0][0], branches[0][1])
    assert not torch.allclose(branches[1][0], branches[1][1])
    assert not torch.allclose(branches[2][0], branches[2][1])


def test_every_branch_is_open_at_the_start() -> None:
    model = small_two_decoder(3).train()
    outputs = model(random_images(2, 64, 64), keyed([0, 1]))
    for branch in (*outputs.auxiliary_foreground, *outputs.auxiliary_boundary):
        assert (branch > 0).float().mean((0, 2, 3)).min() > 0.8


def test_classes_start_nearly_equal() -> None:
    outputs = small_two_decoder(3).eval()(random_images(1, 64, 64), NoNoise())
    assert outputs.foreground.softmax(1).mean((0, 2, 3)).tolist() == pytest.approx(
        [1 / 3] * 3, abs=0.1
    )


@given(
    height=st.integers(32, 70),
    width=st.integers(32, 70),
    n_classes=st.integers(1, 4),
    channels=st.integers(1, 6),
)
@settings(max_examples=20, deadline=None)
def test_upsampling_equals_a_transposed_convolution(
    height: int, width: int, n_classes: int, channels: int
) -> None:
    layer = Upsampling(channels, n_classes).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    rows, cols = -(-height // 16), -(-width // 16)
    features = torch.randn(2, channels, rows, cols, dtype=torch.float64)
    whole = functional.conv_transpose2d(features, layer.weight, layer.bias, stride=16)
    expected = whole[:, :, 8 : 8 + height, 8 : 8 + width]
    torch.testing.assert_close(layer(features, (height, width)), expected)


def test_gradients_of_upsampling_equal_those_of_a_transposed_convolution() -> None:
    layer = Upsampling(3, 2)
    nn.init.normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    features = torch.randn(2, 3, 3, 4, requires_grad=True)
    layer(features, (40, 52)).square().sum().backward()
    ours = (features.grad.clone(), layer.weight.grad.clone())
    features.grad = layer.weight.grad = None
    whole = functional.conv_transpose2d(features, layer.weight, stride=16)
    whole[:, :, 8:48, 8:60].square().sum().backward()
    torch.testing.assert_close(ours[0], features.grad, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(ours[1], layer.weight.grad, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("floor", [0.0, -float("inf")])
def test_stem_equals_its_floor_before_the_maximum(floor: float) -> None:
    stem, images = Stem(8), random_images(2, 40, 33)
    stem.floor.fill_(floor)
    stem(images).square().sum().backward()
    ours = stem.conv.weight.grad.clone()
    stem.conv.weight.grad = None
    floored = torch.maximum(stem.norm(stem.conv(images)), stem.floor)
    expected = functional.max_pool2d(floored, 3, stride=2, padding=1)
    expected.square().sum().backward()
    assert torch.equal(stem(images), expected)
    torch.testing.assert_close(ours, stem.conv.weight.grad)


def test_a_feature_reaches_8_pixels_before_its_centre_and_15_after() -> None:
    layer = Upsampling(1, 1)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    features = torch.zeros(1, 1, 4, 4)
    features[0, 0, 1, 2] = 1  # centred at pixel (16, 32)
    rows, cols = layer(features, (60, 60))[0, 0].nonzero().T
    assert (int(rows.min()), int(rows.max())) == (8, 31)
    assert (int(cols.min()), int(cols.max())) == (24, 47)


@pytest.mark.parametrize("side", [32, 33, 47, 48, 49])
def test_every_pixel_is_reached_by_its_nearest_feature(side: int) -> None:
    layer = Upsampling(1, 1)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    n_features = -(-side // 16)
    for pixel in range(side):
        nearest = min(range(n_features), key=lambda feature: abs(16 * feature - pixel))
        features = torch.zeros(1, 1, n_features, 1)
        features[0, 0, nearest, 0] = 1
        assert layer(features, (side, 1))[0, 0, pixel, 0] == 1


def test_encoder_maps_are_centred_on_multiples_of_their_stride() -> None:
    """A symmetric receptive field sees a mirrored image mirrored, if the side is 16 n + 1."""
    encoder = ResNetV2(SMALL_LAYOUT).eval()
    nn.init.constant_(encoder.stem.conv.weight, 0.1)
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight + module.weight.flip(3)) / 2
    x = random_images(1, 65, 65)
    maps = []
    for image in (x, x.flip(3)):
        features = encoder.stem(encoder.normalization(image))
        for stage in (1, 2, 3, 4):
            for unit in encoder.units(stage):
                features = unit(features)
        maps.append(features)
    assert maps[0].shape == (1, 16, 5, 5)
    torch.testing.assert_close(maps[1].flip(3), maps[0], rtol=1e-4, atol=1e-4)


def test_a_unit_is_its_formula() -> None:
    unit = ResidualUnit(4, 2, 6, stride=2, dilation=1, has_projection=True)
    x = torch.randn(2, 4, 9, 7)
    before = x.clone()
    y = functional.relu(functional.batch_norm(x, None, None, training=True))
    inner = functional.conv2d(y, unit.conv1.weight)
    inner = functional.relu(functional.batch_norm(inner, None, None, training=True))
    inner = functional.conv2d(inner, unit.conv2.weight, stride=2, padding=1)
    inner = functional.relu(functional.batch_norm(inner, None, None, training=True))
    expected = functional.conv2d(inner, unit.conv3.weight) + functional.conv2d(
        y, unit.projection.weight, stride=2
    )
    torch.testing.assert_close(unit.train()(x), expected)
    assert torch.equal(x, before)


def test_a_unit_without_projection_adds_its_bare_input() -> None:
    unit = ResidualUnit(6, 2, 6, stride=1, dilation=2, has_projection=False).eval()
    nn.init.zeros_(unit.conv3.weight)
    x = torch.randn(1, 6, 5, 5)
    assert torch.equal(unit(x), x)


def test_a_branch_ends_in_a_relu() -> None:
    branch = Branch(3, 2)
    nn.init.constant_(branch.score.bias, -100.0)
    assert branch(torch.randn(1, 3, 3, 3), (40, 40)).max() == 0


@pytest.mark.parametrize("n_stages", [1, 2, 3])
def test_frozen_stages_keep_weights_and_statistics_and_get_no_gradient(n_stages: int) -> None:
    model = small_two_decoder(freeze_stages=n_stages).train()
    frozen = nn.ModuleList(model.encoder.frozen_parts(n_stages))
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    outputs = model(random_images(2, 64, 64), keyed([0, 1]))
    outputs.foreground.square().mean().backward()
    optimizer.step()
    assert all(torch.equal(value, before[n]) for n, value in frozen.state_dict().items())
    assert all(p.grad is None for p in frozen.parameters())
    assert not any(module.training for part in frozen for module in part.modules())
    assert model.encoder.units(4)[0].conv1.weight.grad is not None


def test_frozen_stages_keep_no_graph() -> None:
    model = small_two_decoder(freeze_stages=2).train()
    x = model.encoder.stem(model.encoder.normalization(random_images(1, 64, 64)))
    for unit in (*model.encoder.units(1), *model.encoder.units(2)):
        x = unit(x)
    assert not x.requires_grad
    assert model.prefix(random_images(1, 64, 64))[0].requires_grad


def test_without_freezing_every_statistic_moves_in_training() -> None:
    model = small_two_decoder().train()
    assert all(module.training for module in model.modules())
    model(random_images(2, 64, 64), NoNoise())
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(int(norm.num_batches_tracked) == 1 for norm in norms)


# --- U-Net ----------------------------------------------------------------------------------


def test_unet_drops_in_bottleneck_and_decoder_but_not_at_full_resolution() -> None:
    model = UNet(2, UNetOptions(base_channels=8, depth=3, dropout=0.2)).eval()
    noise = RecordingNoise()
    model(random_images(1, 40, 48), noise)
    assert noise.places == [
        ("bottleneck", 0.2, (1, 64, 5, 6)),
        ("up2", 0.2, (1, 32, 10, 12)),
        ("up1", 0.2, (1, 16, 20, 24)),
    ]


def test_group_norm_needs_no_statistics() -> None:
    model = small_unet(dropout=0.0)
    images = random_images(2, 40, 50)
    in_training = model.train()(images, NoNoise()).foreground
    in_prediction = model.eval()(images, NoNoise()).foreground
    assert torch.equal(in_training, in_prediction)


def test_images_of_padded_size_give_finite_logits_to_the_last_pixel() -> None:
    outputs = UNet(2, UNetOptions(base_channels=8, depth=6)).eval()(
        random_images(1, 33, 100), NoNoise()
    )
    assert outputs.foreground.shape == (1, 2, 33, 100)
    assert bool(outputs.foreground.isfinite().all())


# --- normalisation and registry -------------------------------------------------------------


def test_normalization_by_hand() -> None:
    images = torch.zeros(1, 3, 32, 32)
    images[0, 1] = 0.456 + 2 * 0.224
    normalized = Normalization()(images)
    expected = [-IMAGENET_MEAN[0] / IMAGENET_STD[0], 2.0, -IMAGENET_MEAN[2] / IMAGENET_STD[2]]
    assert normalized[0, :, 5, 5].tolist() == pytest.approx(expected, abs=1e-6)
    assert normalized.is_contiguous(memory_format=torch.channels_last)


UNET = ModelConfig(name="unet", options={"base_channels": 8, "depth": 1})


def test_equal_seeds_give_equal_weights() -> None:
    first, second = build_model(UNET, 2, 3).state_dict(), build_model(UNET, 2, 3).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_other_seeds_give_other_weights() -> None:
    first, second = build_model(UNET, 2, 3), build_model(UNET, 2, 4)
    assert not torch.equal(first.down[0].conv1.weight, second.down[0].conv1.weight)


def test_building_neither_reads_nor_advances_the_global_generator() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_model(UNET, 2, 3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = build_model(UNET, 2, 3)
    assert torch.equal(first.down[0].conv1.weight, second.down[0].conv1.weight)


def test_a_built_network_is_in_train_mode_and_channels_last() -> None:
    model = build_model(UNET, 2, 0)
    assert model.training
    assert model.down[1].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_seeds_may_have_128_bits() -> None:
    build_model(UNET, 2, 2**127 + 1)


def test_names_are_sorted_and_hold_the_forms_of_external_networks() -> None:
    assert model_names() == (
        "package.module:factory",
        "pyramid",
        "smp:<architecture>:<encoder>",
        "timm:<encoder>",
        "two_decoder_resnet50",
        "unet",
    )


def test_an_unknown_network_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no model 'u-net'\. Did you mean 'unet'\?"):
        build_model(ModelConfig(name="u-net"), 2, 0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("unet", {"base_chanels": 8}, "unknown option 'base_chanels'.*mean 'base_channels'"),
        ("unet", {"xyz": 8}, r"'xyz' of model 'unet'\. Choose from: base_channels, depth"),
        ("unet", {"base_channels": 12}, "'base_channels' of model 'unet': .*multiple of 8, got 12"),
        ("unet", {"norm": "layer"}, "'norm' of model 'unet': .*'group' or 'batch', got 'layer'"),
        ("unet", {"dropout": 1.0}, r"'dropout' of model 'unet': .*less than 1, got 1\.0"),
        (
            "two_decoder_resnet50",
            {"freeze_stages": 4},
            "'freeze_stages' of model .* equal to 3, got 4",
        ),
        ("two_decoder_resnet50", {"freeze": 1}, "'freeze'.*mean 'freeze_stages'"),
    ],
)
def test_bad_options_are_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model(ModelConfig(name=name, options=options), 2, 0)


def test_every_bad_option_is_listed() -> None:
    config = ModelConfig(name="unet", options={"depth": 0, "xyz": 1})
    with pytest.raises(ConfigError, match=r"(?s)depth.*\n.*'xyz'"):
        build_model(config, 2, 0)


def test_hub_weights_fit_the_two_decoder_network_only() -> None:
    with pytest.raises(WeightsError, match="'timm:resnetv2_50'.*fit model.name 'two_decoder"):
        build_model(UNET.model_copy(update={"weights": "timm:resnetv2_50"}), 2, 0)


def test_defaults_are_those_of_the_paper() -> None:
    assert TwoDecoderOptions() == TwoDecoderOptions(dropout=0.5, freeze_stages=0)
    model = TwoDecoder(2)
    assert [len(model.encoder.units(stage)) for stage in (1, 2, 3, 4)] == [3, 4, 6, 3]
    assert [unit.conv2.dilation for unit in model.encoder.units(4)] == [(2, 2)] * 3
