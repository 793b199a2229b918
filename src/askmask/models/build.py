"""Networks by name: the one place where a config becomes a network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch

from askmask.config import ModelConfig
from askmask.errors import ConfigError, WeightsError, unknown_name
from askmask.models.contract import Model
from askmask.models.imagenet import fill_imagenet
from askmask.models.pyramid import PyramidNet, PyramidOptions
from askmask.models.two_decoder import TwoDecoder, TwoDecoderOptions
from askmask.models.unet import UNet, UNetOptions
from askmask.models.weights import fill_encoder, load_pretrained, read_tensors
from askmask.options import read_options
from askmask.parts import call_factory
from askmask.seeds import derive_key

DEFAULT_WEIGHTS: Final = "default"
RANDOM_WEIGHTS: Final = "random"
"""Words for `model.weights`: what the network is meant to start from, and no training at all."""


@dataclass(frozen=True, slots=True)
class Network:
    """How one name, or one kind of names, becomes a network.

    Attributes
    ----------
    form : str
        As a config writes it: the name, or ``kind:<what follows>``.
    build : callable
        From a config and the number of classes to a network with random weights. If
        `loads_itself`, with those that the config names.
    sources : mapping of str to callable
        Named places that its weights can be had from. Each fills the network, given what follows
        the colon in ``source:<...>``. A path of a file is none of them and fits every network.
    default_weights : str
        What ``"default"`` means for it.
    loads_itself : bool
        Whether `build` loads the weights, too.
    """

    form: str
    build: Callable[[ModelConfig, int], Model]
    sources: Mapping[str, Callable[[Model, str], None]] = field(default_factory=dict)
    default_weights: str = RANDOM_WEIGHTS
    loads_itself: bool = False


def model_names() -> tuple[str, ...]:
    """Every form of name that a config may give, sorted.

    Those with ``<...>`` need the extra `models`; ``package.module:factory`` is in another package.
    """
    return tuple(sorted(network.form for network in (*_NETWORKS.values(), _FROM_OUTSIDE)))


def starting_weights(config: ModelConfig) -> str | None:
    """Where the weights of a fresh network come from; None if they are random.

    Raises
    ------
    UnknownName
        If there is no such network.
    """
    weights = config.weights
    if weights == DEFAULT_WEIGHTS:
        weights = _network(config.name).default_weights
    return None if weights == RANDOM_WEIGHTS else weights


def check_start(config: ModelConfig) -> None:
    """Check that there is a network of this name, and that a file of its weights can be read.

    Whether the weights fit is known only when the network is built.

    Raises
    ------
    UnknownName
        If there is no such network.
    WeightsError
        If the file is missing or holds no weights, or the network does not know the place.
    """
    network, weights = _network(config.name), starting_weights(config)
    path = None if weights is None or network.loads_itself else _file_of(network, weights)
    if path is not None:
        read_tensors(path)


def build_model(config: ModelConfig, n_classes: int, seed: int) -> Model:
    """Build a network with its starting weights, in train mode, on the CPU.

    Parameters
    ----------
    config : ModelConfig
        `name`, in one of the forms of `model_names`; `options`; and `weights`: ``"default"`` for
        those that the network is meant to start from, None or ``"random"`` for random ones, the
        path of a file (a saved network, or the published ResNet-50 v2 encoder for
        ``two_decoder_resnet50``), ``"imagenet"`` for the encoder of ``pyramid`` (extra
        `pretrained`), or ``"timm:<encoder>"`` for an encoder from
        the hub (extra `models`, online).
    n_classes : int
        Channels of the foreground logits, >= 2.
    seed : int
        Equal seeds give equal weights. The global generator is neither read nor advanced.

    Raises
    ------
    UnknownName
        If there is no such network.
    ConfigError
        If an option is unknown or out of range, or a factory makes no such network.
    WeightsError
        If the weights cannot be had or do not fit.
    """
    network = _network(config.name)
    weights = starting_weights(config)
    config = config.model_copy(update={"weights": weights})
    # Layers draw their first weights from the global CPU generator: lend it, then put it back.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_key(seed, "weights") % 2**63)
        model = network.build(config, n_classes)
    if weights is not None and not network.loads_itself:
        _load(network, model, weights)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    return model.train()


def _network(name: str) -> Network:
    """Look a name up: its kind, where it has one, is what stands before the first colon."""
    kind, colon, _ = name.partition(":")
    network = _NETWORKS.get(kind, _FROM_OUTSIDE if colon else None)
    if network is None or bool(colon) != (":" in network.form):
        raise unknown_name("model", name, model_names())
    return network


def _load(network: Network, model: Model, weights: str) -> None:
    path = _file_of(network, weights)
    if path is not None:
        load_pretrained(model, path)
        return
    source, _, rest = weights.partition(":")
    network.sources[source](model, rest)


def _file_of(network: Network, weights: str) -> Path | None:
    """Path of a file of weights; None if they are a place that the network knows."""
    source = weights.partition(":")[0]
    if source in network.sources:
        return None
    if source in _ALL_SOURCES:
        fitting = sorted(n.form for n in _NETWORKS.values() if source in n.sources)
        raise WeightsError(
            f"expected the path of a saved network or null as model.weights, got {weights!r}. "
            f"Those fit model.name {', '.join(map(repr, fitting))}."
        )
    return Path(weights)


def _unet(config: ModelConfig, n_classes: int) -> Model:
    return UNet(n_classes, read_options(UNetOptions, config.options, config.name))


def _pyramid(config: ModelConfig, n_classes: int) -> Model:
    return PyramidNet(n_classes, read_options(PyramidOptions, config.options, config.name))


def _two_decoder(config: ModelConfig, n_classes: int) -> Model:
    return TwoDecoder(n_classes, read_options(TwoDecoderOptions, config.options, config.name))


def _from_outside(config: ModelConfig, n_classes: int) -> Model:
    model = call_factory(config.name, "a network", n_classes, options=config.options)
    if not isinstance(model, Model):
        raise ConfigError(
            f"expected an askmask.Model from model.name={config.name!r}, got "
            f"{type(model).__name__}. Derive the network from askmask.Model."
        )
    if model.n_classes != n_classes:
        raise ConfigError(
            f"expected a network of {n_classes} classes from model.name={config.name!r}, got "
            f"n_classes={model.n_classes!r}. Its factory is given the number as first argument."
        )
    return model


def _external(config: ModelConfig, n_classes: int) -> Model:
    from askmask.models.external import build_external

    return build_external(config, n_classes)


def _fill_lite0(model: Model, _: str) -> None:
    assert isinstance(model, PyramidNet)
    fill_imagenet(model.encoder)


def _fill_resnet(model: Model, encoder: str) -> None:
    from askmask.models.external import fetch_resnet_v2

    assert isinstance(model, TwoDecoder)
    fetched = fetch_resnet_v2(encoder)
    fill_encoder(model.encoder, fetched.tensors, f"timm:{encoder}")
    model.encoder.stem.floor.fill_(fetched.stem_floor)


_NETWORKS: Final = {
    "pyramid": Network(
        "pyramid", _pyramid, sources={"imagenet": _fill_lite0}, default_weights="imagenet"
    ),
    "smp": Network("smp:<architecture>:<encoder>", _external, loads_itself=True),
    "timm": Network("timm:<encoder>", _external, loads_itself=True),
    "two_decoder_resnet50": Network(
        "two_decoder_resnet50", _two_decoder, sources={"timm": _fill_resnet}
    ),
    "unet": Network("unet", _unet),
}
"""By the word before the first colon."""

_FROM_OUTSIDE: Final = Network("package.module:factory", _from_outside)
"""The network of any other name with a colon: ``factory(n_classes, **model.options)``."""

_ALL_SOURCES: Final = frozenset(s for network in _NETWORKS.values() for s in network.sources)
