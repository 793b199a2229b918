"""Where the features of a pyramid lie: padding of images, upsampling of maps."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

MULTIPLE: Final = 32
"""Sides of images are padded to a multiple of the coarsest stride."""


def pad_to_multiple(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 G V"]:
    """Repeat the last row and column up to a multiple of the coarsest stride; channels last."""
    height, width = images.shape[2:]
    padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
    if not any(padding):
        return images
    padded = functional.pad(images, padding, mode="replicate")
    return padded.contiguous(memory_format=torch.channels_last)


def upsample(x: Float[Tensor, "B C h w"], factor: int) -> Float[Tensor, "B C H W"]:
    """Linear in between, with each feature where the encoder centres it.

    Feature i lies at ``factor * i + factor - 1``; what lies before the first is equal to it.
    """
    height, width = x.shape[2:]
    x = functional.pad(x, (1, 0, 1, 0), mode="replicate")
    size = (factor * height + 1, factor * width + 1)
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=True)[:, :, 1:, 1:]
