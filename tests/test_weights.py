"""Weights files: written whole or not at all, and refused unless they fit."""

import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from askmask.config import ModelConfig
from askmask.errors import WeightsError
from askmask.models.build import build_model
from askmask.models.dropout import NoNoise
from askmask.models.resnet_v2 import ResNetV2
from askmask.models.weights import (
    file_digest,
    fill_encoder,
    load_model_weights,
    load_pretrained,
    read_metadata,
    read_tensors,
    save_model,
)
from askmask.testing.networks import random_images
from small_models import SMALL_LAYOUT, small_two_decoder, small_unet


def gluon_tensors(*, has_stage4: bool = False) -> dict[str, Tensor]:
    """Random tensors under the names of the Gluon ResNet v2, of the small layout's shapes."""
    generator = torch.Generator().manual_seed(0)
    tensors: dict[str, Tensor] = {}

    def norm(name: str, channels: int) -> None:
        tensors[f"{name}_gamma"] = torch.rand(channels, generator=generator) + 0.5
        tensors[f"{name}_beta"] = torch.randn(channels, generator=generator)
        tensors[f"{name}_running_mean"] = torch.randn(channels, generator=generator)
        tensors[f"{name}_running_var"] = torch.rand(channels, generator=generator) + 0.5

    def conv(name: str, out: int, into: int, kernel: int) -> None:
        tensors[name] = torch.randn(out, into, kernel, kernel, generator=generator)

    norm("batchnorm0", 3)
    conv("conv0_weight", 8, 3, 7)
    norm("batchnorm1", 8)
    into = 8
    for stage in (1, 2, 3, 4):
        if stage == 4 and not has_stage4:
            norm("stage4_batchnorm0", into)
            break
        width = SMALL_LAYOUT.widths[stage - 1]
        counted = 0
        for unit in range(SMALL_LAYOUT.units[stage - 1]):
            norm(f"stage{stage}_batchnorm{3 * unit}", into)
            norm(f"stage{stage}_batchnorm{3 * unit + 1}", width)
            norm(f"stage{stage}_batchnorm{3 * unit + 2}", width)
            shapes = [(width, into, 1), (width, width, 3), (2 * width, width, 1)]
            if unit == 0:
                shapes.append((2 * width, into, 1))
            for shape in shapes:
                conv(f"stage{stage}_conv{counted}_weight", *shape)
                counted += 1
            into = 2 * width
    return tensors


# --- saved networks -------------------------------------------------------------------------


def test_a_saved_network_comes_back_with_the_same_logits(tmp_path: Path) -> None:
    model = small_two_decoder(seed=0).to(memory_format=torch.channels_last)
    model.train()(random_images(2, 40, 50), NoNoise())  # moves the running statistics
    save_model(model, tmp_path / "model.safetensors", {})
    other = small_two_decoder(seed=1)
    load_model_weights(other, tmp_path / "model.safetensors")
    images = random_images(1, 40, 50)
    expected = model.eval()(images, NoNoise()).foreground
    torch.testing.assert_close(other.eval()(images, NoNoise()).foreground, expected)
    assert all(torch.equal(v, other.state_dict()[n]) for n, v in model.state_dict().items())


def test_loading_keeps_the_memory_layout_of_the_network(tmp_path: Path) -> None:
    save_model(small_unet(), tmp_path / "model.safetensors", {})
    model = small_unet(seed=1).to(memory_format=torch.channels_last)
    load_model_weights(model, tmp_path / "model.safetensors")
    assert model.down[1].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_metadata_comes_back(tmp_path: Path) -> None:
    save_model(small_unet(), tmp_path / "model.safetensors", {"round": "3", "note": "élan"})
    assert read_metadata(tmp_path / "model.safetensors") == {"round": "3", "note": "élan"}


def test_a_file_without_metadata_has_none(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    assert read_metadata(tmp_path / "x.safetensors") == {}


def test_saving_replaces_a_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    save_model(small_unet(), path, {})
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    load_model_weights(small_unet(), path)


def test_a_save_that_fails_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(small_unet(seed=0), path, {})
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(small_unet(seed=1), path, {})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_equal_networks_have_equal_files_and_others_do_not(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        save_model(small_unet(seed=seed), tmp_path / name, {"round": "1"})
    digests = [file_digest(tmp_path / name) for name in "abc"]
    assert digests[0] == digests[1] != digests[2]
    assert re.fullmatch("[0-9a-f]{32}", digests[0])


@pytest.mark.parametrize("read", [read_tensors, read_metadata])
def test_a_missing_file_is_named(read: object, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"weights file at '.*/none\.safetensors', found none"):
        read(tmp_path / "none.safetensors")


@pytest.mark.parametrize("read", [read_tensors, read_metadata])
def test_a_damaged_file_is_refused(read: object, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(small_unet(), path, {})
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsError, match=r"safetensors file at .* cannot be read: .*again\."):
        read(path)


def test_another_network_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    save_model(small_unet(n_classes=5), tmp_path / "five.safetensors", {})
    model = small_unet(n_classes=2, seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(
        WeightsError,
        match=r"five\.safetensors', but: 'foreground_head\.weight' is \(5, 8, 1, 1\), "
        r"expected \(2, 8, 1, 1\); 'foreground_head\.bias' is \(5,\), expected \(2,\)\. Check",
    ):
        load_model_weights(model, tmp_path / "five.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_missing_and_left_over_tensors_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    save_file({"surplus": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"missing 'boundary_head\.bias'; .* and \d+ more"):
        load_model_weights(small_unet(), tmp_path / "x.safetensors")
    tensors = {name: value.contiguous() for name, value in small_unet().state_dict().items()}
    save_file({**tensors, "surplus": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="but: unknown 'surplus'"):
        load_model_weights(small_unet(), tmp_path / "x.safetensors")


# --- pretrained encoders --------------------------------------------------------------------


def test_every_tensor_of_the_published_encoder_finds_its_place() -> None:
    tensors = gluon_tensors()
    encoder = ResNetV2(SMALL_LAYOUT)
    fill_encoder(encoder, tensors, "file")
    assert torch.equal(encoder.stem.conv.weight, tensors["conv0_weight"])
    assert torch.equal(encoder.stem.norm.running_var, tensors["batchnorm1_running_var"])
    first, second = encoder.units(2)
    assert torch.equal(first.conv3.weight, tensors["stage2_conv2_weight"])
    assert torch.equal(first.projection.weight, tensors["stage2_conv3_weight"])
    assert torch.equal(second.conv1.weight, tensors["stage2_conv4_weight"])
    assert torch.equal(second.norm3.bias, tensors["stage2_batchnorm5_beta"])
    assert torch.equal(encoder.units(4)[0].norm1.weight, tensors["stage4_batchnorm0_gamma"])


def test_a_file_without_stage_4_leaves_it_random() -> None:
    encoder = ResNetV2(SMALL_LAYOUT)
    before = encoder.units(4)[0].conv1.weight.clone()
    fill_encoder(encoder, gluon_tensors(), "file")
    assert torch.equal(encoder.units(4)[0].conv1.weight, before)


def test_a_file_with_stage_4_fills_it() -> None:
    tensors = gluon_tensors(has_stage4=True)
    encoder = ResNetV2(SMALL_LAYOUT)
    fill_encoder(encoder, tensors, "file")
    assert torch.equal(encoder.units(4)[1].conv3.weight, tensors["stage4_conv6_weight"])
    assert torch.equal(encoder.units(4)[1].norm3.weight, tensors["stage4_batchnorm5_gamma"])


def test_batch_norm_of_the_input_becomes_part_of_the_normalization() -> None:
    tensors = gluon_tensors()
    encoder = ResNetV2(SMALL_LAYOUT)
    images = random_images(1, 32, 32)
    normalized = encoder.normalization(images)
    expected = torch.nn.functional.batch_norm(
        normalized,
        tensors["batchnorm0_running_mean"],
        tensors["batchnorm0_running_var"],
        tensors["batchnorm0_gamma"],
        tensors["batchnorm0_beta"],
    )
    fill_encoder(encoder, tensors, "file")
    torch.testing.assert_close(encoder.normalization(images), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage3_conv1_weight": None}, "missing 'stage3_conv1_weight'"),
        ({"stage5_conv0_weight": torch.zeros(1)}, "unknown 'stage5_conv0_weight'"),
        ({"batchnorm1_beta": torch.zeros(9)}, r"'batchnorm1_beta' is \(9,\), expected \(8,\)"),
        ({"batchnorm0_beta": None}, "missing 'batchnorm0_beta'"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused_and_nothing_is_changed(
    change: dict[str, Tensor | None], message: str
) -> None:
    changed = {**gluon_tensors(), **change}
    tensors = {name: value for name, value in changed.items() if value is not None}
    encoder = ResNetV2(SMALL_LAYOUT)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        fill_encoder(encoder, tensors, "file")
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_an_encoder_file_fills_the_encoder_of_the_two_decoder_network(tmp_path: Path) -> None:
    save_file(gluon_tensors(), tmp_path / "encoder.safetensors")
    model = small_two_decoder()
    decoder = model.foreground.stage2.upsampling.weight.clone()
    load_pretrained(model, tmp_path / "encoder.safetensors")
    assert torch.equal(model.encoder.stem.conv.weight, gluon_tensors()["conv0_weight"])
    assert torch.equal(model.foreground.stage2.upsampling.weight, decoder)


def test_an_encoder_file_does_not_fit_another_network(tmp_path: Path) -> None:
    save_file(gluon_tensors(), tmp_path / "encoder.safetensors")
    with pytest.raises(WeightsError, match=r"weights of a whole UNet in .*'two_decoder_resnet50'"):
        load_pretrained(small_unet(), tmp_path / "encoder.safetensors")


def test_a_config_starts_from_a_saved_network(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    config = ModelConfig(name="unet", options={"base_channels": 8, "depth": 1})
    first = build_model(config, 2, 0)
    save_model(first, path, {})
    second = build_model(config.model_copy(update={"weights": str(path)}), 2, 99)
    state = second.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.state_dict().items())


def test_a_config_with_a_missing_file_is_refused(tmp_path: Path) -> None:
    config = ModelConfig(name="unet", weights=str(tmp_path / "none.safetensors"))
    with pytest.raises(WeightsError, match=r"found none\. Set model\.weights to the path"):
        build_model(config, 2, 0)


def test_files_hold_tensors_only(tmp_path: Path) -> None:
    save_model(small_unet(), tmp_path / "model.safetensors", {})
    assert load_file(tmp_path / "model.safetensors").keys() == small_unet().state_dict().keys()
