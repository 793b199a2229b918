"""The contract of networks: all that training, sampling and the loop know of one.

A `Model` is a function of input, weights and noise: it never draws from global randomness and
never augments. Its forward pass is cut in two: `prefix` is deterministic (given train or eval
mode) and `suffix` holds every dropout, so that S Monte Carlo samples run the prefix once.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from askmask.models.dropout import Noise
from askmask.models.frozen.network import Frozen

Features = tuple[Tensor, ...]
"""Tensors that `prefix` hands to `suffix`; their first axis is the batch."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Logits of one pass.

    Attributes
    ----------
    foreground : (B, C, H, W) float tensor
        Class logits, at the size of the input.
    boundary : (B, 2, H, W) float tensor or None
        Logits of "not a contour" and "contour"; None without a boundary head or when not asked.
    auxiliary_foreground, auxiliary_boundary : tuple of tensors
        Logits of the branches for deep supervision, shaped like their sum; empty where a network
        has none or in eval mode.
    """

    foreground: Float[Tensor, "B C H W"]
    boundary: Float[Tensor, "B 2 H W"] | None = None
    auxiliary_foreground: tuple[Tensor, ...] = ()
    auxiliary_boundary: tuple[Tensor, ...] = ()


class Model(nn.Module, ABC):
    """A segmentation network cut into a deterministic prefix and a stochastic suffix.

    Guarantees, tested by `askmask.testing.ModelContract`:

    - `suffix(prefix(x), noise)` equals `forward(x, noise)` bit for bit;
    - the same input, weights and noise give the same output; `prefix` uses no noise, and neither
      draws from torch's global generators;
    - any height and width >= 32 is accepted and the logits have the input's height and width
      (padding, where a network needs it, is internal and cropped away); nothing hands it less;
    - in eval mode the logits of one image do not depend on the others in its batch
      (up to rounding), and an image's features may be expanded to as many samples as are wanted;
    - what `prefix` returns has the batch as its first axis; images, features and, in eval mode,
      weights and buffers are not modified;
    - `n_classes` class logits; `boundary` logits exactly if `has_boundary` and asked for, which
      changes neither the class logits nor the places of dropout before the boundary head;
    - auxiliary logits, if any, come in train mode only, in the shape of the logits they add up to;
    - dropout is applied through ``noise.dropout(x, p, layer)`` only, in one place or more, with
      one distinct `layer` name per place, such that other noise gives other logits;
    - every weight that requires a gradient gets one from the logits of a pass in train mode;
    - `state_dict` holds everything that the logits depend on.

    Attributes
    ----------
    n_classes : int
        Channels of the foreground logits.
    has_boundary : bool
        Whether there is a boundary head. False, unless a network sets it.
    """

    n_classes: int
    has_boundary: bool = False

    @abstractmethod
    def prefix(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Deterministic part.

        Parameters
        ----------
        images : (B, 3, H, W) float tensor
            RGB in [0, 1]; the network normalises by itself.
        """

    @abstractmethod
    def suffix(self, features: Features, noise: Noise, *, boundary: bool = True) -> Outputs:
        """Stochastic part; `features` may be expanded along the batch axis (not modified)."""

    def forward(
        self, images: Float[Tensor, "B 3 H W"], noise: Noise, *, boundary: bool = True
    ) -> Outputs:
        """Whole pass: the suffix of the prefix."""
        return self.suffix(self.prefix(images), noise, boundary=boundary)

    def freeze(self, dtype: torch.dtype) -> Frozen | None:  # noqa: ARG002 - for networks with one
        """Return a form of this network for prediction that is faster than its own, if it has one.

        Parameters
        ----------
        dtype : torch.dtype
            Of weights and activations: float32 or bfloat16.
        """
        return None
