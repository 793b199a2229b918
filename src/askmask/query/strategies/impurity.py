"""Region impurity: places where many classes are predicted, by a network that is in doubt."""

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional

from askmask.query.regions import Places
from askmask.query.scores import SampleSums, predictive_entropy
from askmask.query.strategies.strategy import Turn


def entropy_and_predicted_classes(sums: SampleSums, turn: Turn) -> Tensor:  # noqa: ARG001
    """Entropy H(p), then 1 where a class is predicted, for every class; (1 + C, H, W)."""
    probs = sums.mean_probs
    predicted = functional.one_hot(probs.argmax(0), probs.shape[0]).permute(2, 0, 1)
    return torch.cat([predictive_entropy(sums)[None], predicted.to(probs.dtype)])


def region_impurity(
    places: Places,
    maps: Float[np.ndarray, "K H W"],
    turn: Turn,  # noqa: ARG001
) -> Float64[np.ndarray, "1 n"]:
    """Entropy of the classes predicted in a place, times the mean entropy of its pixels.

    The classes are counted over the available pixels.
    """
    counts = np.stack([places.sums(predicted) for predicted in maps[1:]])  # (C, n)
    shares = counts / np.maximum(places.new_pixels, 1)
    impurity = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(0)
    utilities: Float64[np.ndarray, "1 n"] = (impurity * places.means(maps[0]))[None]
    return utilities
