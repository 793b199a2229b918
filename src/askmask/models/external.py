"""Networks and encoders of timm and segmentation-models-pytorch, behind our contract.

Needs the extra `models`, which is imported in this file only and only inside its functions. Both
packages need torchvision; see the installation page if its import fails beside a CPU-only torch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from askmask.config import ModelConfig
from askmask.errors import ConfigError, UnknownName, WeightsError, unknown_name
from askmask.models.contract import Features, Model, Outputs
from askmask.models.dropout import Noise
from askmask.models.normalization import IMAGENET_MEAN, IMAGENET_STD, Normalization
from askmask.models.weights import load_pretrained
from askmask.options import Options, read_options

_MULTIPLE: Final = 32  # deepest stride of every encoder
_NOISY_LEVELS: Final = 2

_DROPOUTS: Final = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
# DPT hands tokens, not feature maps, to its decoder; PAN cannot take images below 128 pixels.
_UNSUPPORTED: Final = ("dpt", "pan")


class ExternalOptions(Options):
    """Options of the external networks.

    Attributes
    ----------
    dropout : float
        Probability on the two deepest feature maps, before the decoder.
    """

    dropout: float = Field(0.5, ge=0, lt=1)


class External(Model):
    """A network of segmentation-models-pytorch with dropout between encoder and decoder.

    Their networks have little or no dropout of their own, so it is placed here, on the two deepest
    maps, as the paper places it in its two deepest stages. The encoder is the prefix. One head
    computes the class and the contour logits together.

    Parameters
    ----------
    network : nn.Module
        With an `encoder`, a `decoder` and a `segmentation_head` of `n_classes` + 2 channels.
    n_classes : int
        Channels of the foreground logits.
    dropout : float
        Probability.
    normalization : Normalization
        What the encoder's weights expect.

    Notes
    -----
    Images are padded at the bottom and the right, by repeating the last row and column, to a
    multiple of 32. Dropout that an architecture brings along is switched off: it would draw from
    the global generator.
    """

    has_boundary = True

    def __init__(
        self, network: nn.Module, n_classes: int, dropout: float, normalization: Normalization
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self._dropout = dropout
        self.normalization = normalization
        self.network = network
        for module in network.modules():
            _switch_off_randomness(module)

    def prefix(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Feature maps of the encoder, and an empty tensor (B, 0, H, W) that carries the size."""
        x = self.normalization(images)
        height, width = images.shape[2:]
        padding = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
        if any(padding):
            x = functional.pad(x, padding, mode="replicate")
        return (*self.network.encoder(x), images[:, :0])  # type: ignore[operator]  # a module

    def suffix(self, features: Features, noise: Noise, *, boundary: bool = True) -> Outputs:
        """Dropout on the deepest maps, the decoder and the head."""
        *levels, sized = features
        for place in range(len(levels) - _NOISY_LEVELS, len(levels)):
            levels[place] = noise.dropout(levels[place], self._dropout, f"encoder{place}")
        decoded = self.network.decoder(levels)  # type: ignore[operator]  # a module
        logits: Tensor = self.network.segmentation_head(decoded)  # type: ignore[operator]
        logits = logits[:, :, : sized.shape[2], : sized.shape[3]]
        return Outputs(
            foreground=logits[:, : self.n_classes],
            boundary=logits[:, self.n_classes :] if boundary else None,
        )


@dataclass(frozen=True, slots=True)
class FetchedEncoder:
    """A ResNet-50 v2 from a hub.

    Attributes
    ----------
    tensors : mapping of str to tensor
        Under the names of the Gluon ResNet-50 v2; see `askmask.models.weights.fill_encoder`.
    stem_floor : float
        Floor of the ReLU in the stem, -inf for none; see `askmask.models.resnet_v2.Stem`.
    """

    tensors: Mapping[str, Tensor]
    stem_floor: float


def build_external(config: ModelConfig, n_classes: int) -> Model:
    """Build ``timm:<encoder>`` (a U-Net on it) or ``smp:<architecture>:<encoder>``.

    Parameters
    ----------
    config : ModelConfig
        `weights` is None for random weights, the path of a saved network (it ends in
        ``.safetensors``), or the name of encoder weights on the hub, usually ``"imagenet"``.
    n_classes : int
        Channels of the foreground logits.

    Raises
    ------
    UnknownName
        If the name has another form or names no architecture or encoder.
    ConfigError
        If the extra is absent, or an option is unknown.
    WeightsError
        If the weights cannot be had or do not fit.
    """
    architecture, encoder = _split_name(config.name)
    options = read_options(ExternalOptions, config.options, config.name)
    library = _import_library()
    known = sorted(set(library.MODEL_ARCHITECTURES_MAPPING) - set(_UNSUPPORTED))
    if architecture not in known:
        raise unknown_name("architecture", architecture, known)
    saved = config.weights is not None and config.weights.endswith(".safetensors")
    sizes = {"arch": architecture, "encoder_name": encoder, "classes": n_classes + 2}
    try:
        network = library.create_model(**sizes, encoder_weights=None)
    except (KeyError, RuntimeError, ValueError) as error:
        raise UnknownName(f"no model {config.name!r}: {error}.") from error
    if config.weights is not None and not saved:
        network = _with_hub_weights(library, sizes, config.weights)
    model = External(network, n_classes, options.dropout, _normalization(encoder))
    if saved:
        load_pretrained(model, Path(str(config.weights)))
    return model


def fetch_resnet_v2(name: str) -> FetchedEncoder:
    """Fetch a pre-activation ResNet-50 from timm's hub, e.g. ``"resnetv2_50"``.

    Raises
    ------
    WeightsError
        If the extra is absent, the hub cannot be reached, or the network is no such ResNet.
    """
    try:
        import timm

        model = timm.create_model(name, pretrained=True)
    except Exception as error:  # hub clients raise classes of their own
        raise WeightsError(
            f"expected to fetch the encoder {name!r} with timm, but: {error}. Install "
            f"askmask[models] and go online once, or give the path of a file as model.weights."
        ) from error
    settings = model.pretrained_cfg
    return FetchedEncoder(
        from_timm(model.state_dict(), settings["mean"], settings["std"], name), -float("inf")
    )


def from_timm(
    state: Mapping[str, Tensor],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    name: str,
) -> dict[str, Tensor]:
    """Tensors of timm's ``resnetv2_50`` under the names of the Gluon ResNet-50 v2.

    timm's stem has neither batch norm nor ReLU, so the batch norm becomes the identity; its last
    batch norm and its classifier are left out.

    Parameters
    ----------
    state : mapping of str to tensor
        Not modified.
    mean, std : three floats
        Of the input that the weights expect.
    name : str
        For messages.

    Raises
    ------
    WeightsError
        If the stem or a norm is of another kind.
    """
    if "stem.conv.weight" not in state or "stages.0.blocks.0.norm1.running_mean" not in state:
        raise WeightsError(
            f"expected a pre-activation ResNet with one 7x7 convolution and batch norm, got "
            f"{name!r}. Take 'timm:resnetv2_50'."
        )
    channels = state["stem.conv.weight"].shape[0]
    shift = (torch.tensor(mean) - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    scale = torch.tensor(std) / torch.tensor(IMAGENET_STD)
    tensors = {
        "conv0_weight": state["stem.conv.weight"],
        **_norm("batchnorm0", torch.ones(3), torch.zeros(3), shift, scale**2 - 1e-5),
        **_norm(
            "batchnorm1",
            torch.ones(channels),
            torch.zeros(channels),
            torch.zeros(channels),
            torch.full((channels,), 1 - 1e-5),
        ),
    }
    convolutions: dict[int, int] = {}
    places = sorted(_timm_places(state))
    for stage, unit, part in places:
        source = f"stages.{stage}.blocks.{unit}.{part}"
        if part.startswith("norm"):
            number = 3 * unit + int(part[4]) - 1
            kinds = ("weight", "bias", "running_mean", "running_var")
            values = [state[f"{source}.{kind}"] for kind in kinds]
            tensors.update(_norm(f"stage{stage + 1}_batchnorm{number}", *values))
        else:  # sorted: conv1, conv2, conv3, downsample.conv, as Gluon counts them
            number = convolutions.get(stage, 0)
            convolutions[stage] = number + 1
            tensors[f"stage{stage + 1}_conv{number}_weight"] = state[f"{source}.weight"]
    return tensors


def _timm_places(state: Mapping[str, Tensor]) -> set[tuple[int, int, str]]:
    """Stage, unit and part of every layer inside the stages."""
    pattern = re.compile(r"stages\.(\d+)\.blocks\.(\d+)\.(.+)\.[a-z_]+")
    found = (pattern.fullmatch(key) for key in state)
    return {(int(match[1]), int(match[2]), match[3]) for match in found if match}


def _norm(prefix: str, *values: Tensor) -> dict[str, Tensor]:
    kinds = ("gamma", "beta", "running_mean", "running_var")
    return {f"{prefix}_{kind}": value for kind, value in zip(kinds, values, strict=True)}


def _split_name(name: str) -> tuple[str, str]:
    """Architecture and encoder as segmentation-models-pytorch calls them."""
    kind, *parts = name.split(":")
    if kind == "timm" and len(parts) == 1 and parts[0]:
        return "unet", f"tu-{parts[0]}"
    if kind == "smp" and len(parts) == 2 and all(parts):
        return parts[0].lower(), parts[1]
    raise UnknownName(
        f"expected a model name like 'timm:resnet34' or 'smp:unetplusplus:resnet34', got {name!r}."
    )


def _import_library() -> Any:  # Any: the extra has no types
    try:
        import segmentation_models_pytorch
    except (
        ImportError,
        RuntimeError,
    ) as error:  # RuntimeError: a torchvision that does not fit
        raise ConfigError(
            f"expected the extra 'models' for a 'timm:' or 'smp:' network, but: {error}. Install "
            f"askmask[models] and a torchvision that fits the installed torch, or take 'unet'."
        ) from error
    return segmentation_models_pytorch


def _with_hub_weights(library: Any, sizes: Mapping[str, Any], weights: str) -> nn.Module:
    try:
        network: nn.Module = library.create_model(**sizes, encoder_weights=weights)
    except Exception as error:  # hub clients raise classes of their own
        raise WeightsError(
            f"expected to fetch encoder weights {weights!r} for {sizes['encoder_name']!r}, but: "
            f"{error}. Go online once, set model.weights to null, or to the path of a saved "
            f"network (.safetensors)."
        ) from error
    return network


def _normalization(encoder: str) -> Normalization:
    """Statistics that timm names for its weights; ImageNet's where it names none."""
    import timm

    settings = timm.get_pretrained_cfg(encoder.removeprefix("tu-"), allow_unregistered=True)
    if settings is None:
        return Normalization(IMAGENET_MEAN, IMAGENET_STD)
    return Normalization(tuple(settings.mean), tuple(settings.std))


def _switch_off_randomness(module: nn.Module) -> None:
    """Set the probability of a dropout or stochastic-depth layer to 0."""
    if isinstance(module, _DROPOUTS):
        module.p = 0.0
    if isinstance(getattr(module, "drop_prob", None), float):
        module.drop_prob = 0.0  # type: ignore[assignment]  # timm's DropPath
