"""The best of a training's last weights, by their loss on images it does not learn from."""

import math
from collections.abc import Mapping
from typing import Final

from torch import Tensor

LAST_PARTS: Final = (0.8, 0.9, 1.0)
"""After these shares of the steps the averaged weights are judged."""


def is_judged(done: int, steps: int) -> bool:
    """Whether the weights are judged after `done` of `steps` steps.

    Examples
    --------
    >>> [done for done in range(1, 21) if is_judged(done, 20)]
    [16, 18, 20]
    """
    return done in {math.ceil(share * steps) for share in LAST_PARTS}


class BestWeights:
    """Weights with the lowest loss so far; the earlier ones of two that are equal.

    Attributes
    ----------
    loss : float
        Theirs; infinite before the first.
    tensors : dict of str to tensor
        Copies by name; empty before the first.
    """

    def __init__(self) -> None:
        self.loss = math.inf
        self.tensors: dict[str, Tensor] = {}

    def offer(self, tensors: Mapping[str, Tensor], loss: float) -> None:
        """Keep a copy of these if their loss is lower; a loss that is not finite never is."""
        if loss < self.loss:
            self.restore({name: tensor.clone() for name, tensor in tensors.items()}, loss)

    def restore(self, tensors: Mapping[str, Tensor], loss: float) -> None:
        """Take up what was kept before, as it is."""
        self.loss = loss
        self.tensors = dict(tensors)
