"""Read NAME.npz files of images and labels: python own_source.py CONFIG.yaml PROJECT."""

import sys
from pathlib import Path

import numpy as np

from askmask import ClassMap, ImageInfo, Loop, Mask, MaskOracle, Project, SourceError, load_config


class NpzFolder:
    def __init__(self, folder: Path) -> None:
        self.classes = ClassMap(("background", "object"))
        self._files = {path.stem: path for path in sorted(folder.glob("*.npz"))}

    def images(self) -> tuple[ImageInfo, ...]:
        return tuple(ImageInfo(name, *self.read_image(name).shape[:2]) for name in self._files)

    def read_image(self, image_id: str, array: str = "image") -> np.ndarray:
        if image_id not in self._files:
            raise SourceError(f"no image {image_id!r} in the folder. Take the ids from images().")
        return np.load(self._files[image_id])[array]

    def read_mask(self, image_id: str) -> Mask:
        return Mask(self.read_image(image_id, "labels"))


if __name__ == "__main__":
    with Project.create(Path(sys.argv[2]), load_config(Path(sys.argv[1]))) as project:
        print(f"{Loop(project).tell_start(MaskOracle(project.source))} images are labelled")
