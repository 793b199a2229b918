"""Networks by name: the one place where a config becomes a network."""

from pathlib import Path
from typing import Final

import torch

from askmask.config import ModelConfig
from askmask.errors import WeightsError, unknown_name
from askmask.models.contract import Model
from askmask.models.two_decoder import TwoDecoder, TwoDecoderOptions
from askmask.models.unet import UNet, UNetOptions
from askmask.models.weights import fill_encoder, load_pretrained
from askmask.options import read_options
from askmask.seeds import derive_key

_OWN_NAMES: Final = ("two_decoder_resnet50", "unet")
_EXTERNAL: Final = ("smp:<architecture>:<encoder>", "timm:<encoder>")
_EXTERNAL_KINDS: Final = ("smp:", "timm:")


def model_names() -> tuple[str, ...]:
    """Every name that a config may give, sorted; those with ``<...>`` need the extra `models`."""
    return tuple(sorted((*_OWN_NAMES, *_EXTERNAL)))


def build_model(config: ModelConfig, n_classes: int, seed: int) -> Model:
    """Build a network with its starting weights, in train mode, on the CPU.

    Parameters
    ----------
    config : ModelConfig
        `name`, `options`, and `weights`: None for random weights, the path of a file (a saved
        network, or the published ResNet-50 v2 encoder for ``two_decoder_resnet50``), or
        ``"timm:<encoder>"`` for an encoder from the hub (extra `models`, online).
    n_classes : int
        Channels of the foreground logits, >= 2.
    seed : int
        Equal seeds give equal weights. The global generator is neither read nor advanced.

    Raises
    ------
    UnknownName
        If there is no such network.
    ConfigError
        If an option is unknown or out of range.
    WeightsError
        If the weights cannot be had or do not fit.
    """
    # Layers draw their first weights from the global CPU generator: lend it, then put it back.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_key(seed, "weights") % 2**63)
        model = _build(config, n_classes)
    if config.weights is not None and not config.name.startswith(_EXTERNAL_KINDS):
        _load(model, config.weights)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    return model.train()


def _build(config: ModelConfig, n_classes: int) -> Model:
    if config.name == "unet":
        return UNet(n_classes, read_options(UNetOptions, config.options, config.name))
    if config.name == "two_decoder_resnet50":
        return TwoDecoder(n_classes, read_options(TwoDecoderOptions, config.options, config.name))
    if config.name.startswith(_EXTERNAL_KINDS):
        from askmask.models.external import build_external

        return build_external(config, n_classes)
    raise unknown_name("model", config.name, model_names())


def _load(model: Model, weights: str) -> None:
    if not weights.startswith("timm:"):
        load_pretrained(model, Path(weights))
        return
    if not isinstance(model, TwoDecoder):
        raise WeightsError(
            f"expected the path of a saved network or null as model.weights, got {weights!r}. "
            f"Encoders from the hub fit model.name 'two_decoder_resnet50'."
        )
    from askmask.models.external import fetch_resnet_v2

    fetched = fetch_resnet_v2(weights.removeprefix("timm:"))
    fill_encoder(model.encoder, fetched.tensors, weights)
    model.encoder.stem.floor.fill_(fetched.stem_floor)
