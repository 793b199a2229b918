"""Mirrored and turned views of an image, whose predictions are averaged (test-time augmentation).

A network that learned from few images answers a mirrored image a little differently. The mean over
such views errs less than one pass. Each view is one more pass, so scores of a query do without.
"""

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from askmask.query.scores import SampleSums
from askmask.sampling.predictors import Image, PredictedSums, Predictor


@dataclass(frozen=True, slots=True)
class View:
    """How a view is made of an image: rows and columns change places, then axes are mirrored.

    Attributes
    ----------
    is_transposed : bool
        Whether rows and columns change places.
    mirrored : tuple of int
        Axes of the view that run backwards: 0 for rows, 1 for columns.
    """

    is_transposed: bool
    mirrored: tuple[int, ...]

    def of(self, image: Image) -> Image:
        """View of an (H, W, 3) image: (W, H, 3) if it is transposed; shares its memory."""
        turned = image.swapaxes(0, 1) if self.is_transposed else image
        return np.flip(turned, self.mirrored)

    def back(self, values: Shaped[Tensor, "*any h w"]) -> Shaped[Tensor, "*any H W"]:
        """Turn values of the view's pixels back to where the pixels lie in the image."""
        turned = values.flip([axis - 2 for axis in self.mirrored])
        return turned.transpose(-1, -2) if self.is_transposed else turned

    def back_sums(self, sums: SampleSums) -> SampleSums:
        """Turn the sums of a view back."""
        return SampleSums(
            self.back(sums.sum_probs),
            self.back(sums.sum_entropy),
            self.back(sums.votes),
            sums.n_samples,
        )


VIEWS: Final = tuple(
    View(is_transposed, mirrored)
    for is_transposed in (False, True)
    for mirrored in ((), (0, 1), (0,), (1,))
)
"""All eight, the image itself first. The first two, four and eight are groups: each view of a view
is among them, so their mean turns with the image."""


class MeanOfViews:
    """A predictor whose samples are those of several views of the image.

    Parameters
    ----------
    first : Predictor
        Predicts the image itself.
    others : Predictor
        Predicts the other views, from the same weights. Apart from `first`, so that features need
        not be kept of pictures that nothing else is computed of.
    n_views : int
        How many of `VIEWS`: 2, 4 or 8.
    """

    def __init__(self, first: Predictor, others: Predictor, n_views: int) -> None:
        self._first = first
        self._others = others
        self._views = VIEWS[:n_views]

    @property
    def n_samples(self) -> int:
        """Samples in the sums of each prediction, those of all views."""
        return self._first.n_samples * len(self._views)

    def predict(
        self, image: Image, *, seed: int, round: int, image_id: str, boundary: bool
    ) -> PredictedSums:
        """Predict an image by all views; see `Predictor.predict`."""
        parts = self.parts(image, seed=seed, round=round, image_id=image_id, boundary=boundary)
        return reduce(operator.add, parts)

    def parts(
        self, image: Image, *, seed: int, round: int, image_id: str, boundary: bool
    ) -> Iterator[PredictedSums]:
        """Predict an image by one view after another, each turned back; arguments as `predict`."""
        for number, view in enumerate(self._views):
            predictor = self._others if number else self._first
            found = predictor.predict(
                view.of(image), seed=seed, round=round, image_id=image_id, boundary=boundary
            )
            contour = found.boundary_probs
            yield PredictedSums(
                view.back_sums(found.sums), None if contour is None else view.back(contour)
            )
