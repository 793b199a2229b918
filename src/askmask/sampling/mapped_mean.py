"""A predictor whose pooled mean is recalibrated: pool the samples, then map."""

from dataclasses import replace

from askmask.calibration import ProbabilityMap
from askmask.sampling.predictors import Image, PredictedSums, Predictor


class MappedMean:
    """A predictor whose mean probabilities go through a recalibration.

    Only the sum of the probabilities is changed: votes and sampled entropies stay those of the
    network's own samples, so scores that set mean against samples (mutual information) must come
    from the predictor inside.

    Parameters
    ----------
    predictor : Predictor
        Whose means to map.
    mapping : ProbabilityMap
        The recalibration.
    """

    def __init__(self, predictor: Predictor, mapping: ProbabilityMap) -> None:
        self._predictor = predictor
        self._mapping = mapping

    @property
    def n_samples(self) -> int:
        """Samples in the sums of each prediction."""
        return self._predictor.n_samples

    def predict(
        self, image: Image, *, seed: int, round: int, image_id: str, boundary: bool
    ) -> PredictedSums:
        """Predict by the predictor inside, then map; see `Predictor.predict`."""
        prediction = self._predictor.predict(
            image, seed=seed, round=round, image_id=image_id, boundary=boundary
        )
        mapped = self._mapping(prediction.sums.mean_probs) * prediction.sums.n_samples
        return replace(prediction, sums=replace(prediction.sums, sum_probs=mapped))
