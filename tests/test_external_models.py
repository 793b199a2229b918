"""Networks of timm and segmentation-models-pytorch: our adapter always, theirs if installed."""

import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from askmask.config import ModelConfig
from askmask.errors import ConfigError, UnknownName, WeightsError
from askmask.models import external
from askmask.models.build import build_model
from askmask.models.contract import Model
from askmask.models.dropout import NoNoise
from askmask.models.external import External, FetchedEncoder, fetch_resnet_v2, from_timm
from askmask.models.normalization import Normalization
from askmask.models.resnet_v2 import ResNetV2
from askmask.models.weights import fill_encoder, save_model
from askmask.testing.networks import ModelContract, RecordingNoise, random_images
from small_models import SMALL_LAYOUT, small_two_decoder

# --- a small network of the same form, in place of theirs -----------------------------------


class PyramidEncoder(nn.Module):
    """The image, and maps at strides 2, 4 and 8; with a dropout of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in ((3, 4), (4, 6), (6, 8))
        )
        self.own_dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> list[Tensor]:
        assert x.shape[2] % 32 == x.shape[3] % 32 == 0
        maps = [x]
        for conv in self.convs:
            maps.append(self.own_dropout(functional.relu(conv(maps[-1]))))
        return maps


class SumDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, 5, 1) for channels in (4, 6, 8))

    def forward(self, features: list[Tensor]) -> Tensor:
        size = features[0].shape[2:]
        return sum(
            functional.interpolate(conv(feature), size=size)
            for conv, feature in zip(self.convs, features[1:], strict=True)
        )


class PyramidNetwork(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = PyramidEncoder()
        self.decoder = SumDecoder()
        self.segmentation_head = nn.Conv2d(5, classes, 3, padding=1)


class TestAdapter(ModelContract):
    def make_model(self, n_classes: int = 2) -> Model:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return External(PyramidNetwork(n_classes + 2), n_classes, 0.5, Normalization())


@pytest.fixture
def fake_library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Stand-ins of the two packages that know one architecture, one encoder and no weights."""

    def create_model(
        arch: str, encoder_name: str, classes: int, encoder_weights: str | None
    ) -> nn.Module:
        if encoder_name not in ("pyramid", "tu-pyramid"):
            raise KeyError(f"Wrong encoder name `{encoder_name}`")
        if encoder_weights is not None:
            raise OSError("no route to the hub")
        return PyramidNetwork(classes)

    def get_pretrained_cfg(name: str, *, allow_unregistered: bool) -> object:
        assert allow_unregistered
        return SimpleNamespace(mean=[0.5] * 3, std=[0.25] * 3) if name == "pyramid" else None

    library = ModuleType("segmentation_models_pytorch")
    library.MODEL_ARCHITECTURES_MAPPING = {"unet": None, "fpn": None, "dpt": None}
    library.create_model = create_model
    timm = ModuleType("timm")
    timm.get_pretrained_cfg = get_pretrained_cfg
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", library)
    monkeypatch.setitem(sys.modules, "timm", timm)
    return library


def test_dropout_is_on_the_two_deepest_maps() -> None:
    noise = RecordingNoise()
    TestAdapter().make_model().eval()(random_images(1, 40, 40), noise)
    assert noise.places == [
        ("encoder2", 0.5, (1, 6, 16, 16)),
        ("encoder3", 0.5, (1, 8, 8, 8)),
    ]


def test_dropout_and_stochastic_depth_of_their_own_are_switched_off() -> None:
    network = PyramidNetwork(4)
    network.encoder.drop_prob = 0.2
    model = External(network, 2, 0.5, Normalization()).train()
    assert network.encoder.own_dropout.p == 0
    assert network.encoder.drop_prob == 0
    images = random_images(2, 40, 40)
    assert torch.equal(model(images, NoNoise()).foreground, model(images, NoNoise()).foreground)


@pytest.mark.usefixtures("fake_library")
@pytest.mark.parametrize("name", ["timm:pyramid", "smp:FPN:pyramid"])
def test_a_network_is_built_by_name(name: str) -> None:
    model = build_model(ModelConfig(name=name, options={"dropout": 0.2}), 3, 0)
    noise = RecordingNoise()
    outputs = model(random_images(1, 40, 50), noise)
    assert outputs.foreground.shape == (1, 3, 40, 50)
    assert outputs.boundary.shape == (1, 2, 40, 50)
    assert {p for _, p, _ in noise.places} == {0.2}
    assert model.normalization.mean.flatten().tolist() == [0.5] * 3


@pytest.mark.usefixtures("fake_library")
def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second = (build_model(ModelConfig(name="timm:pyramid"), 2, 1) for _ in range(2))
    state = second.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.state_dict().items())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("fake_library")
def test_an_external_network_starts_from_a_saved_one(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    first = build_model(ModelConfig(name="timm:pyramid"), 2, 1)
    save_model(first, path, {})
    second = build_model(ModelConfig(name="timm:pyramid", weights=str(path)), 2, 2)
    state = second.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.state_dict().items())


@pytest.mark.usefixtures("fake_library")
def test_hub_weights_that_cannot_be_had_are_an_error() -> None:
    with pytest.raises(
        WeightsError, match="'imagenet' for 'tu-pyramid', but: no route to the hub. Go online"
    ):
        build_model(ModelConfig(name="timm:pyramid", weights="imagenet"), 2, 0)


@pytest.mark.usefixtures("fake_library")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smp:fpm:pyramid", r"no architecture 'fpm'\. Did you mean 'fpn'\? Choose from: fpn, unet"),
        ("smp:dpt:pyramid", "no architecture 'dpt'"),
        ("timm:pyramyd", "no model 'timm:pyramyd': .*Wrong encoder name `tu-pyramyd`"),
    ],
)
def test_unknown_architectures_and_encoders_are_refused(name: str, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        build_model(ModelConfig(name=name), 2, 0)


@pytest.mark.usefixtures("fake_library")
def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="'dropuot'.*'dropout'"):
        build_model(ModelConfig(name="timm:pyramid", options={"dropuot": 0.1}), 2, 0)


@pytest.mark.parametrize("name", ["timm:", "timm:a:b", "smp:unet", "smp:unet:", "smp:a:b:c"])
def test_names_of_another_form_are_refused(name: str) -> None:
    with pytest.raises(UnknownName, match="expected a model name like 'timm:resnet34' or"):
        build_model(ModelConfig(name=name), 2, 0)


def test_without_the_extra_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ConfigError, match=r"extra 'models' .*Install askmask\[models\]"):
        build_model(ModelConfig(name="timm:resnet18"), 2, 0)


# --- an encoder from timm -------------------------------------------------------------------


def timm_state(encoder: ResNetV2) -> dict[str, Tensor]:
    """Weights of an encoder under the names that timm gives a ``resnetv2_50``."""
    state = {"stem.conv.weight": encoder.stem.conv.weight.detach()}
    for stage in (1, 2, 3, 4):
        for number, unit in enumerate(encoder.units(stage)):
            for name, value in unit.state_dict().items():
                renamed = name.replace("projection", "downsample.conv")
                state[f"stages.{stage - 1}.blocks.{number}.{renamed}"] = value
    return {**state, "norm.weight": torch.ones(16), "head.fc.weight": torch.ones(10, 16, 1, 1)}


def moved_encoder() -> ResNetV2:
    """Encoder whose batch norms do something."""
    encoder = small_two_decoder(seed=3).encoder.eval()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.running_mean)
    return encoder


def test_every_stage_of_a_timm_encoder_finds_its_place() -> None:
    source = moved_encoder()
    target = ResNetV2(SMALL_LAYOUT).eval()
    fill_encoder(target, from_timm(timm_state(source), (0.5,) * 3, (0.25,) * 3, "x"), "x")
    expected = source.stages.state_dict()
    assert all(torch.equal(v, expected[n]) for n, v in target.stages.state_dict().items())
    assert torch.equal(target.stem.conv.weight, source.stem.conv.weight)


def test_a_timm_encoder_brings_its_normalization() -> None:
    target = ResNetV2(SMALL_LAYOUT)
    tensors = from_timm(timm_state(moved_encoder()), (0.5, 0.4, 0.3), (0.25, 0.2, 0.3), "x")
    fill_encoder(target, tensors, "x")
    assert target.normalization.mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert target.normalization.std.flatten().tolist() == pytest.approx([0.25, 0.2, 0.3])


def test_the_stem_of_a_timm_encoder_has_neither_batch_norm_nor_relu() -> None:
    source = moved_encoder()
    target = ResNetV2(SMALL_LAYOUT).eval()
    fill_encoder(target, from_timm(timm_state(source), (0.5,) * 3, (0.25,) * 3, "x"), "x")
    target.stem.floor.fill_(-float("inf"))
    x = torch.randn(1, 3, 40, 40)
    expected = functional.max_pool2d(source.stem.conv(x), 3, stride=2, padding=1)
    torch.testing.assert_close(target.stem(x), expected)


@pytest.mark.parametrize("missing", ["stem.conv.weight", "stages.0.blocks.0.norm1.running_mean"])
def test_a_resnet_of_another_kind_is_refused(missing: str) -> None:
    state = timm_state(moved_encoder())
    del state[missing]
    with pytest.raises(WeightsError, match=r"7x7 .*got 'resnetv2_50d'\. Take 'timm:resnetv2_50'"):
        from_timm(state, (0.5,) * 3, (0.5,) * 3, "resnetv2_50d")


def fake_timm(*, is_online: bool) -> ModuleType:
    def create_model(name: str, *, pretrained: bool) -> object:
        if not is_online:
            raise OSError("no route to the hub")
        assert pretrained
        state = timm_state(moved_encoder())
        settings = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
        return SimpleNamespace(state_dict=lambda: state, pretrained_cfg=settings, name=name)

    timm = ModuleType("timm")
    timm.create_model = create_model
    return timm


def test_a_fetched_encoder_has_no_floor_in_its_stem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", fake_timm(is_online=True))
    fetched = fetch_resnet_v2("resnetv2_50")
    assert fetched.stem_floor == -float("inf")
    assert fetched.tensors["stage4_conv6_weight"].shape == (16, 8, 1, 1)


def test_an_encoder_that_cannot_be_fetched_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", fake_timm(is_online=False))
    config = ModelConfig(name="two_decoder_resnet50", weights="timm:resnetv2_50")
    with pytest.raises(WeightsError, match=r"'resnetv2_50' .*no route.*path of a file"):
        build_model(config, 2, 0)


def test_a_fetched_encoder_fills_the_two_decoder_network(monkeypatch: pytest.MonkeyPatch) -> None:
    template = build_model(ModelConfig(name="two_decoder_resnet50"), 2, 5)
    tensors = from_timm(timm_state(template.encoder), (0.5,) * 3, (0.25,) * 3, "x")
    monkeypatch.setattr(
        external, "fetch_resnet_v2", lambda _: FetchedEncoder(tensors, -float("inf"))
    )
    config = ModelConfig(name="two_decoder_resnet50", weights="timm:resnetv2_50")
    model = build_model(config, 2, 6)
    assert torch.equal(
        model.encoder.units(4)[2].conv3.weight, template.encoder.units(4)[2].conv3.weight
    )
    assert float(model.encoder.stem.floor) == -float("inf")


# --- theirs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _library() -> Iterator[None]:
    """Skip unless the extra is installed; make torchvision importable beside another torch."""
    if importlib.util.find_spec("segmentation_models_pytorch") is None:
        pytest.skip("needs the extra 'models': segmentation-models-pytorch is not installed")
    check = subprocess.run(
        [sys.executable, "-c", "import torchvision"], check=False, capture_output=True
    )
    definitions = torch.library.Library("torchvision", "FRAGMENT")
    if check.returncode != 0:
        # A torchvision built for another torch lacks its compiled operators, which its import
        # only names; no network here calls them.
        boxes = "Tensor dets, Tensor scores"
        definitions.define(f"nms({boxes}, float iou_threshold) -> Tensor")
        definitions.define(f"qnms({boxes}, float iou_threshold) -> Tensor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import segmentation_models_pytorch  # noqa: F401
    yield
    del definitions


@pytest.mark.usefixtures("_library")
class TestTimmEncoder(ModelContract):
    tolerance = 1e-3

    def make_model(self, n_classes: int = 2) -> Model:
        return build_model(ModelConfig(name="timm:resnet10t"), n_classes, 0)


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize("architecture", ["deeplabv3plus", "fpn", "unetplusplus", "pspnet"])
def test_architectures_of_the_library_give_logits_of_the_image_size(architecture: str) -> None:
    config = ModelConfig(name=f"smp:{architecture}:tu-resnet10t")
    outputs = build_model(config, 3, 0).eval()(random_images(1, 45, 70), NoNoise())
    assert outputs.foreground.shape == (1, 3, 45, 70)
    assert outputs.boundary.shape == (1, 2, 45, 70)


@pytest.mark.usefixtures("_library")
def test_timm_resnet_v2_computes_the_same_after_renaming() -> None:
    import timm

    theirs = timm.create_model("resnetv2_50", pretrained=False).eval()
    ours = ResNetV2().eval()
    fill_encoder(ours, from_timm(theirs.state_dict(), (0.5,) * 3, (0.5,) * 3, "x"), "x")
    ours.stem.floor.fill_(-float("inf"))
    images = random_images(1, 64, 64)
    expected = theirs.stem((images - 0.5) / 0.5)
    actual = ours.stem(ours.normalization(images))
    for stage in (1, 2, 3):  # stage 4 is dilated in ours
        for unit in ours.units(stage):
            actual = unit(actual)
        expected = theirs.stages[stage - 1](expected)
        torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)
