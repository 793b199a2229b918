"""Run by a test in a process of its own: sample an image and print the peak memory in bytes."""

import resource

import numpy as np
import torch

from askmask.config import ModelConfig
from askmask.models.registry import build_model
from askmask.sampling import MonteCarloDropout

torch.set_num_threads(1)
model = build_model(ModelConfig(name="two_decoder_resnet50"), 2, 0)
image = np.random.default_rng(0).integers(0, 256, (528, 784, 3)).astype(np.uint8)
prediction = MonteCarloDropout(model, 30).predict(
    image, seed=0, round_=0, image_id="image", boundary=True
)
assert prediction.sums.n_samples == 30
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)  # noqa: T201 - its result
