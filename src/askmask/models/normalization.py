"""The first layer of every network: it checks its input, and shifts and scales channels."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from askmask.errors import ShapeError

MIN_SIDE: Final = 32
"""Least height and width that every network accepts."""

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
"""Channel statistics of RGB in [0, 1] over ImageNet; what most published weights expect."""


class Normalization(nn.Module):
    """Fixed shift and scale of the channels; part of a network, so saved with its weights.

    Parameters
    ----------
    mean, std : three floats
        Of RGB in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Return ``(images - mean) / std``, channels last in memory.

        Raises
        ------
        ShapeError
            If the images are smaller than `MIN_SIDE`, or have no three channels.
        """
        if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < MIN_SIDE:
            raise ShapeError(
                f"expected images of shape (B, 3, H, W) with H, W >= {MIN_SIDE}, got "
                f"{tuple(images.shape)}. Pad smaller images, or leave them out of the data set."
            )
        # Convolutions on CPUs are fastest on this layout and keep it.
        images = images.contiguous(memory_format=torch.channels_last)
        return (images - self.mean) / self.std
