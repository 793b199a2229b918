"""Weights in and out of files: safetensors only, data and never code.

Three kinds of file: a network as askmask saves it, the published ResNet-50 v2 encoder under its
source's names, and (made by `askmask.models.external`) an encoder from a hub.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from askmask.config.sections import OLDER_DETAIL
from askmask.errors import WeightsError
from askmask.models.contract import Model
from askmask.models.resnet_v2 import ResidualUnit, ResNetV2
from askmask.runtime.memory import is_out_of_memory
from askmask.whole_files import write_atomically

_BATCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "running_mean": "running_mean",
    "running_var": "running_var",
}


def save_model(model: nn.Module, path: Path, metadata: Mapping[str, str]) -> None:
    """Write every weight and buffer of a network; the file appears whole or not at all.

    Parameters
    ----------
    model : nn.Module
        On any device.
    path : Path
        Target; an existing file is replaced. Its folder must exist.
    metadata : mapping of str to str
        Written into the header; see `read_metadata`.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in _state(model).items()}
    write_atomically(path, save(tensors, dict(metadata)))


def load_model_weights(model: nn.Module, path: Path) -> None:
    """Fill a network from a file that `save_model` wrote for the same network.

    Raises
    ------
    WeightsError
        If the file is missing or damaged, or its tensors are not those of the network. The
        network is then unchanged.
    """
    copy_tensors(_state(model), read_tensors(path), str(path))


def load_pretrained(model: Model, path: Path) -> None:
    """Fill a network, or only its encoder, from whichever kind of file `path` is.

    A file with the published ResNet-50 v2 names fills the encoder; any other file must hold the
    whole network as `save_model` writes it.

    Raises
    ------
    WeightsError
        As `load_model_weights` and `fill_encoder`; it says of which network a file was saved.
    """
    tensors = read_tensors(path)
    if "conv0_weight" not in tensors:
        try:
            copy_tensors(_state(model), tensors, str(path))
        except WeightsError as error:
            raise WeightsError(f"{error}{_saved_of(path)}") from error
        return
    encoder = getattr(model, "encoder", None)
    if not isinstance(encoder, ResNetV2):
        raise WeightsError(
            f"expected weights of a whole {type(model).__name__} in {str(path)!r}, got those of a "
            f"ResNet-50 v2 encoder. Use them with model.name 'two_decoder_resnet50', or set "
            f"model.weights to null."
        )
    fill_encoder(encoder, tensors, str(path))


def fill_encoder(encoder: ResNetV2, tensors: Mapping[str, Tensor], where: str) -> None:
    """Fill an encoder from tensors under the names of the Gluon ResNet-50 v2.

    A last stage that the file does not hold keeps its values, except for its first batch norm,
    which only looks at stage 3. The file's batch norm of the input becomes part of the fixed
    normalisation.

    Parameters
    ----------
    encoder : ResNetV2
        Filled in place.
    tensors : mapping of str to tensor
        Not modified. Every tensor must have its place.
    where : str
        The file's name, for messages.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over, or of another shape. The encoder is then unchanged.
    """
    has_stage4 = "stage4_conv0_weight" in tensors
    targets = dict(_encoder_targets(encoder, has_stage4=has_stage4))
    statistics = {
        f"batchnorm0_{name}": torch.empty(3) for name in (*_BATCH_NORM,)
    }  # of the input; used below
    copy_tensors({**statistics, **targets}, tensors, where)
    scale = statistics["batchnorm0_gamma"] / (statistics["batchnorm0_running_var"] + 1e-5).sqrt()
    shift = statistics["batchnorm0_running_mean"] - statistics["batchnorm0_beta"] / scale
    normalization = encoder.normalization
    normalization.mean.copy_(normalization.mean + normalization.std * shift.view(1, 3, 1, 1))
    normalization.std.copy_(normalization.std / scale.view(1, 3, 1, 1))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file, on the CPU.

    Raises
    ------
    WeightsError
        If the file is missing or is no whole safetensors file.
    """
    _check_exists(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, RuntimeError) as error:  # torch opens it, in its own way
        if is_out_of_memory(error):
            raise
        raise _unreadable(path, error) from error


def read_metadata(path: Path) -> dict[str, str]:
    """Header of a safetensors file, without reading its tensors; empty if it has none.

    Raises
    ------
    WeightsError
        As `read_tensors`.
    """
    _check_exists(path)
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def file_digest(path: Path) -> str:
    """Hex digest of a file's bytes (BLAKE2b, 128 bits), which tells two models apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hex digest (BLAKE2b, 128 bits) of the names and values of tensors."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in tensors.items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def _saved_of(path: Path) -> str:
    """Sentence that says of which network a file was saved; empty where it does not say so."""
    try:
        saved = json.loads(read_metadata(path)["model"])
        name, options = saved["name"], dict(saved["options"])
    except (KeyError, TypeError, ValueError):
        return ""
    if name == "pyramid" and "detail_levels" not in options:
        options = OLDER_DETAIL | options
    return f" The file was saved with model.name={name} and model.options={json.dumps(options)}."


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(
            f"expected a weights file at {str(path)!r}, found none. Set model.weights to the path "
            f"of a safetensors file, or to null for random weights."
        )
    with path.open("rb"):  # what forbids that says so itself; safetensors has one error for all
        pass


def _unreadable(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"expected a safetensors file at {str(path)!r}, but it cannot be read: {error}. "
        f"The file may be incomplete; fetch or train it again."
    )


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, sharing memory with the network."""
    state: dict[str, Tensor] = model.state_dict()
    return state


def copy_tensors(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into targets of the same names and shapes, all or none."""
    problems = [f"missing {name!r}" for name in sorted(targets.keys() - tensors.keys())]
    problems += [f"unknown {name!r}" for name in sorted(tensors.keys() - targets.keys())]
    problems += [
        f"{name!r} is {tuple(tensors[name].shape)}, expected {tuple(target.shape)}"
        for name, target in targets.items()
        if name in tensors and tensors[name].shape != target.shape
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise WeightsError(
            f"expected the weights of this network in {where!r}, but: "
            f"{'; '.join(problems[:5])}{more}. Check model.name, model.options and the classes."
        )
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(tensors[name])


def _encoder_targets(encoder: ResNetV2, *, has_stage4: bool) -> Iterator[tuple[str, Tensor]]:
    yield "conv0_weight", encoder.stem.conv.weight
    yield from _norm_targets("batchnorm1", encoder.stem.norm)
    for stage in (1, 2, 3, 4) if has_stage4 else (1, 2, 3):
        yield from _stage_targets(f"stage{stage}", encoder.units(stage))
    if not has_stage4:
        yield from _norm_targets("stage4_batchnorm0", encoder.units(4)[0].norm1)


def _stage_targets(stage: str, units: tuple[ResidualUnit, ...]) -> Iterator[tuple[str, Tensor]]:
    """Places of a stage's tensors; both counters run through the stage."""
    convolutions = [
        conv
        for unit in units
        for conv in (unit.conv1, unit.conv2, unit.conv3, unit.projection)
        if conv is not None
    ]
    norms = [norm for unit in units for norm in (unit.norm1, unit.norm2, unit.norm3)]
    for number, conv in enumerate(convolutions):
        yield f"{stage}_conv{number}_weight", conv.weight
    for number, norm in enumerate(norms):
        yield from _norm_targets(f"{stage}_batchnorm{number}", norm)


def _norm_targets(prefix: str, norm: nn.BatchNorm2d) -> Iterator[tuple[str, Tensor]]:
    for source, ours in _BATCH_NORM.items():
        target = getattr(norm, ours)
        assert isinstance(target, Tensor)
        yield f"{prefix}_{source}", target
