"""A random forest on classical filters, pixel by pixel: what ilastik does, as a yardstick.

Features are intensity, gradient and the eigenvalues of the Hessian of each channel at several
scales (scikit-image); the forest has 100 trees (scikit-learn). Nothing of askmask's product.
"""

import numpy as np
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from askmask.records import UNLABELLED, Labels

MARGIN = 64
TILE = 512
TREES = 100
FLOOR = 1e-4
"""A tree's leaves say 0 and 1; a probability of 0 would make one wrong pixel cost everything."""


def features(image: np.ndarray) -> np.ndarray:
    """(H, W, F) float32 filters of an (H, W, 3) uint8 image, tile by tile to bound memory."""
    height, width = image.shape[:2]
    rows = []
    for top in range(0, height, TILE):
        cols = []
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            above, before = min(MARGIN, top), min(MARGIN, left)
            part = image[top - above : bottom + MARGIN, left - before : right + MARGIN]
            found = multiscale_basic_features(
                part, channel_axis=-1, sigma_min=1, sigma_max=16, workers=1
            )
            cols.append(found[above : above + bottom - top, before : before + right - left])
        rows.append(np.concatenate(cols, 1))
    return np.concatenate(rows).astype(np.float32)


class Forest:
    """A forest fitted to some labelled pixels of each image.

    Parameters
    ----------
    n_classes : int
        Classes that it can tell apart.
    seed : int
        Draws pixels and trees.
    pixels_per_image : int
        At most so many labelled pixels of an image are learned from.
    """

    def __init__(self, n_classes: int, seed: int, pixels_per_image: int = 10_000) -> None:
        self._n_classes = n_classes
        self._pixels = pixels_per_image
        self._generator = np.random.default_rng(seed)
        self._forest = RandomForestClassifier(
            TREES, min_samples_leaf=2, n_jobs=1, random_state=seed
        )
        self._values: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []

    def add(self, image: np.ndarray, labels: Labels) -> None:
        """Take labelled pixels of an image in."""
        places = np.flatnonzero(labels.ravel() != UNLABELLED)
        chosen = self._generator.choice(places, min(self._pixels, places.size), replace=False)
        self._values.append(features(image).reshape(labels.size, -1)[chosen])
        self._labels.append(labels.ravel()[chosen])

    def fit(self) -> None:
        """Grow the trees."""
        self._forest.fit(np.concatenate(self._values), np.concatenate(self._labels))

    def probs(self, image: np.ndarray) -> np.ndarray:
        """(C, H, W) float32 probabilities."""
        height, width = image.shape[:2]
        found = self._forest.predict_proba(features(image).reshape(height * width, -1))
        probs = np.full((self._n_classes, height * width), FLOOR, np.float32)
        probs[self._forest.classes_] += found.T.astype(np.float32)
        probs /= probs.sum(0)
        return probs.reshape(self._n_classes, height, width)
