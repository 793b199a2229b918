"""Ask where a score of your own is large: python own_score.py CONFIG.yaml PROJECT."""

import sys
from pathlib import Path

from torch import Tensor

from askmask import Loop, MaskOracle, Project, SampleSums, load_config


def closeness(sums: SampleSums) -> Tensor:
    """(H, W) scores, never below 0: 1 where the two most probable classes tie."""
    best, second = sums.mean_probs.topk(2, dim=0).values
    return 1 - (best - second)


if __name__ == "__main__":
    settings = ["query.acquisition=own_score:closeness"]
    with Project.create(Path(sys.argv[2]), load_config(Path(sys.argv[1]), settings)) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        for item in loop.ask().items:
            print(f"{item.region}: {item.score:.1f}")
