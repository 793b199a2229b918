"""Run the loop on a network of your own: python own_network.py CONFIG.yaml PROJECT."""

import sys
from pathlib import Path

from torch import Tensor, nn

from askmask import Features, Loop, MaskOracle, Model, Noise, Outputs, Project, load_config


class TwoLayers(Model):
    def __init__(self, n_classes: int, width: int = 16) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.first = nn.Conv2d(3, width, 5, padding=2)
        self.last = nn.Conv2d(width, n_classes, 5, padding=2)

    def prefix(self, images: Tensor) -> Features:
        return (self.first(images).relu(),)

    def suffix(self, features: Features, noise: Noise, *, boundary: bool = True) -> Outputs:
        return Outputs(self.last(noise.dropout(features[0], 0.2, "middle")))


if __name__ == "__main__":
    settings = ["model.name=own_network:TwoLayers", "model.options={width: 8}"]
    with Project.create(Path(sys.argv[2]), load_config(Path(sys.argv[1]), settings)) as project:
        for round in Loop(project).run(MaskOracle(project.source), rounds=1):
            print(f"round {round}: {project.store.labelled_pixels()} pixels are labelled")
