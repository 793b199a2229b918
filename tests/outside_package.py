"""A package that knows askmask only by its public names, written to disk for tests of the doors."""

from pathlib import Path

NETWORKS = '''
"""A network without a boundary head."""

from torch import nn

from askmask import Model, Outputs


class TwoLayers(Model):
    def __init__(self, n_classes, width):
        super().__init__()
        self.n_classes = n_classes
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.last = nn.Conv2d(width, n_classes, 3, padding=1)

    def prefix(self, images):
        return (self.first(images).relu(),)

    def suffix(self, features, noise, *, boundary=True):
        return Outputs(self.last(noise.dropout(features[0], 0.3, "middle")))


def two_layers(n_classes, width=8):
    return TwoLayers(n_classes, width)


def one_class_too_many(n_classes):
    return TwoLayers(n_classes + 1, 4)


def no_network(n_classes):
    return nn.Conv2d(3, n_classes, 1)
'''

SOURCES = '''
"""Discs that are drawn when they are read."""

import numpy as np

from askmask import ClassMap, ImageInfo, Mask, SourceError

SIDE = 64


class Discs:
    classes = ClassMap(("ground", "disc"))

    def __init__(self, count, note="", blank=None):
        self.note = note
        infos = (ImageInfo(f"disc {n}", SIDE, SIDE, has_mask=n != blank) for n in range(count))
        self._infos = {info.image_id: info for info in infos}

    def images(self):
        return tuple(self._infos.values())

    def read_image(self, image_id):
        inside = self._inside(image_id)
        return np.where(inside[..., None], 200, 40).astype(np.uint8) + np.zeros(3, np.uint8)

    def read_mask(self, image_id):
        inside = self._inside(image_id)
        return Mask(inside.astype(np.int16)) if self._infos[image_id].has_mask else None

    def _inside(self, image_id):
        if image_id not in self._infos:
            raise SourceError(f"no image {image_id!r} among the discs. Take ids from images().")
        rows, cols = np.mgrid[:SIDE, :SIDE]
        number = int(image_id.split()[1])
        return (rows - 20 - 3 * number) ** 2 + (cols - 32) ** 2 < 15**2


def discs(folder=None, *, count=8, blank=None):
    return Discs(count, "" if folder is None else (folder / "note.txt").read_text(), blank)


def no_source():
    return {}
'''

SCORES = '''
"""Acquisition functions; the second one kills its process, as a system short of memory does."""

import os
import signal


def doubt(sums):
    return 1 - sums.mean_probs.amax(0)


def fatal(sums):
    os.kill(os.getpid(), signal.SIGKILL)
'''


def write_package(folder: Path) -> Path:
    """Write the package ``outside_parts``; return the folder to put on the path."""
    package = folder / "outside"
    for name, text in (("networks", NETWORKS), ("sources", SOURCES), ("scores", SCORES)):
        path = package / "outside_parts" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package
