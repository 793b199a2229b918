"""The weights that a training ends with: an average over its steps."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from askmask.models.contract import Model


class WeightAverage:
    """Exponential moving average of a model's trained weights and float buffers.

    After the update of step t (from 0), ``average = d * average + (1 - d) * value`` with
    ``d = min(decay, (1 + t) / (10 + t))``: a young average forgets the start faster. Batch-norm
    statistics are averaged like weights, so that they belong together.

    Parameters
    ----------
    model : Model
        Its tensors are read at every update; they must be changed in place only.
    decay : float
        In [0, 1); 0 gives the last weights.
    """

    def __init__(self, model: Model, decay: float) -> None:
        fixed = {name for name, weight in model.named_parameters() if not weight.requires_grad}
        state = model.state_dict()
        self._values = {
            name: tensor
            for name, tensor in state.items()
            if tensor.is_floating_point() and name not in fixed
        }
        self._decay = decay
        self.averages = {name: tensor.clone() for name, tensor in self._values.items()}

    def update(self, step: int) -> None:
        """Take in the model's present weights."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.averages.values()), list(self._values.values()), 1 - decay)

    def hand_over(self) -> bool:
        """Put the averages into the model; returns whether all of them are finite."""
        finite = True
        for name, value in self._values.items():
            value.copy_(self.averages[name])
            finite = finite and bool(torch.isfinite(value).all())
        return finite

    def restore(self, averages: Mapping[str, Tensor]) -> None:
        """Take these for the averages, by name."""
        for name, average in self.averages.items():
            average.copy_(averages[name])

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Context in which the model holds the averages; then its own values again."""
        own = {name: value.clone() for name, value in self._values.items()}
        self.hand_over()
        try:
            yield
        finally:
            for name, value in self._values.items():
                value.copy_(own[name])
