"""Randomness as an argument: one 128-bit key per draw, so that order and batching change nothing.

Every random number in askmask is keyed by what it is for, e.g. ``(seed, "dropout", round, image id,
sample)``. Nothing reads or sets a global generator.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Part = int | str


def derive_key(seed: int, *parts: Part) -> int:
    """128-bit key of a draw.

    Parameters
    ----------
    seed : int
        The seed of the trial.
    *parts : int or str
        What the draw is for. ``1`` and ``"1"`` are different parts.

    Returns
    -------
    int
        In [0, 2**128); equal for equal arguments, on every machine and version.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (seed, *parts):
        kind = "s" if isinstance(part, str) else "i"
        text = str(part)
        digest.update(f"{kind}{len(text)}:{text};".encode())
    return int.from_bytes(digest.digest(), "little")


def numpy_generator(seed: int, *parts: Part) -> np.random.Generator:
    """Philox generator (counter based) of a draw; arguments as in `derive_key`."""
    return np.random.Generator(np.random.Philox(key=derive_key(seed, *parts)))


def torch_generator(seed: int, *parts: Part) -> "torch.Generator":
    """CPU `torch.Generator` of a draw; arguments as in `derive_key`."""
    import torch

    generator = torch.Generator()
    generator.manual_seed(derive_key(seed, *parts) % 2**63)
    return generator
