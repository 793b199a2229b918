"""Class logits of samples, which a recalibration is fitted to; predictors hand out sums only."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from askmask.models.contract import Model
from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.sampling.predictors import Image
from askmask.sampling.views import VIEWS

_CHUNK = 3  # samples computed at a time


def sample_logits(
    models: Sequence[Model],
    n_samples: int,
    image: Image,
    *,
    seed: int,
    round: int,
    image_id: str,
    n_views: int = 1,
) -> Iterator[Tensor]:
    """Logits of the samples whose softmax predictors add up, in float32, chunk by chunk.

    Parameters
    ----------
    models : sequence of Model
        One, or the members of an ensemble; in eval mode.
    n_samples : int
        Dropout samples of the only model; 0 for one pass without dropout of every model.
    image : (H, W, 3) uint8 array
        RGB.
    seed, round, image_id
        Name the draws, see `askmask.seeds`: the same as of `Predictor.predict`.
    n_views : int
        How many views of the image (`askmask.sampling.views`); each is sampled alike.

    Yields
    ------
    (s, C, H, W) float tensor
        Of the next s samples, on the model's device.
    """
    for view in VIEWS[:n_views]:
        for logits in _of_one_view(models, n_samples, view.of(image), (seed, round, image_id)):
            yield view.back(logits)


def _of_one_view(
    models: Sequence[Model], n_samples: int, image: Image, names: tuple[int, int, str]
) -> Iterator[Tensor]:
    """Logits of the samples of a view, not turned back; `names` are seed, round and image id."""
    for model in models:
        device = next(model.parameters()).device
        pixels = torch.from_numpy(np.array(image, order="C")).to(device)
        batch = pixels.permute(2, 0, 1)[None].float().div_(255)  # (1, 3, H, W)
        with torch.no_grad():
            features = model.prefix(batch)
        if not n_samples:
            with torch.no_grad():
                outputs = model.suffix(features, NoNoise(), boundary=False)
            yield outputs.foreground
        for start in range(0, n_samples, _CHUNK):
            samples = range(start, min(start + _CHUNK, n_samples))
            repeated = tuple(part.expand(len(samples), *part.shape[1:]) for part in features)
            noise = KeyedNoise(*names, samples)
            with torch.no_grad():
                outputs = model.suffix(repeated, noise, boundary=False)
            yield outputs.foreground
