"""Run by a test in a process of its own: sample an image, print the bytes that it took at most.

Beyond what stood before: the interpreter, the libraries, the network and the image.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from askmask.config import ModelConfig
from askmask.models.build import build_model
from askmask.runtime.compute import keep_freed_memory
from askmask.sampling.predictors import MonteCarloDropout


def status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


keep_freed_memory()  # as every command does
torch.set_num_threads(2)
model = build_model(ModelConfig(name="two_decoder_resnet50"), 2, 0)
image = np.random.default_rng(0).integers(0, 256, (528, 784, 3)).astype(np.uint8)
Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
before = status_bytes("VmRSS")
prediction = MonteCarloDropout(model, int(sys.argv[1]), precision=sys.argv[2]).predict(
    image, seed=0, round=0, image_id="image", boundary=True
)
assert prediction.sums.n_samples == int(sys.argv[1])
print(status_bytes("VmHWM") - before)  # noqa: T201 - its result
