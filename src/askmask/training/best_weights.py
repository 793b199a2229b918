"""The best of a training's weights, by their loss on images that it does not learn from.

A training ends with a small learning rate, so its last weights are the best it can do, unless it
has come to know its few labels by heart before. Then better weights lie on the way.
"""

import math
from collections.abc import Mapping
from typing import Final

from torch import Tensor

LAST_PARTS: Final = (0.8, 0.9, 1.0)
"""After these shares of the steps the averaged weights are judged."""

EVERY: Final = 500
"""After each so many steps they are judged as well."""

ROOM: Final = 1.03
"""So much lower the loss of earlier weights must be, for they were still learning fast."""


def is_judged(done: int, steps: int) -> bool:
    """Whether the weights are judged after `done` of `steps` steps.

    Examples
    --------
    >>> [done for done in range(1, 21) if is_judged(done, 20)]
    [16, 18, 20]
    >>> [done for done in range(1, 2001) if is_judged(done, 2000)]
    [500, 1000, 1500, 1600, 1800, 2000]
    """
    return done % EVERY == 0 or done in {math.ceil(share * steps) for share in LAST_PARTS}


def comparable_loss(loss: float, done: int, steps: int) -> float:
    """Loss of the weights after `done` of `steps` steps, as it counts against that of others.

    Examples
    --------
    >>> comparable_loss(0.5, 500, 2000), comparable_loss(0.5, 1600, 2000)
    (0.515, 0.5)
    """
    return loss if done >= LAST_PARTS[0] * steps else ROOM * loss


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
