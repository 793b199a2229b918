"""Memory that is used again: fresh pages of large tensors cost more than the arithmetic on them."""

import math

import torch
from torch import Tensor


class Workspace:
    """Named buffers that grow to the largest size asked for and stay.

    A buffer holds its values until it is taken again under the same name. Not for use by several
    threads at once.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype], Tensor] = {}

    def clear(self) -> None:
        """Free every buffer; tensors that were taken keep theirs."""
        self._buffers.clear()

    def take(
        self, name: str, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        """Contiguous tensor of any values; every earlier one of this name is overwritten."""
        size = math.prod(shape)
        buffer = self._buffers.get((name, dtype))
        if buffer is None or buffer.numel() < size or buffer.device != device:
            self._buffers.pop((name, dtype), None)  # freed before the larger one is made
            buffer = torch.empty(size, dtype=dtype, device=device)
            self._buffers[(name, dtype)] = buffer
        return buffer[:size].view(shape)
