"""Predictors that models are judged by and deliver by, as a config describes them."""

from collections.abc import Sequence

from askmask.calibration import LogitScaling
from askmask.config import Config
from askmask.models.contract import Model
from askmask.runtime.cache import user_cache
from askmask.sampling.feature_store import FeatureStore
from askmask.sampling.predictors import Deterministic, Ensemble, MonteCarloDropout, Predictor
from askmask.sampling.views import MeanOfViews


def kept_features(config: Config) -> FeatureStore:
    """Where predictors keep what no training changes: one folder of the user, for all projects."""
    return FeatureStore(user_cache() / "features", config.sampling.kept_features_mb * 10**6)


def judge_of(
    config: Config,
    networks: Sequence[Model],
    scaling: LogitScaling | None = None,
    *,
    n_views: int | None = None,
) -> Predictor:
    """Predictor that networks are judged by and deliver by; `n_views` instead of the config's."""
    n_views = config.evaluation.views if n_views is None else n_views
    first = _judge_of_one_view(config, networks, scaling, kept_features(config))
    if n_views == 1:
        return first
    return MeanOfViews(first, _judge_of_one_view(config, networks, scaling, None), n_views)


def _judge_of_one_view(
    config: Config,
    networks: Sequence[Model],
    scaling: LogitScaling | None,
    features: FeatureStore | None,
) -> Predictor:
    """One plain pass, or a mean of samples."""
    precision, samples = config.sampling.precision, config.evaluation.samples
    if len(networks) > 1:
        return Ensemble(networks, precision, scaling=scaling, features=features)
    if samples == 0:
        return Deterministic(networks[0], precision, scaling=scaling, features=features)
    return MonteCarloDropout(
        networks[0], samples, precision=precision, scaling=scaling, features=features
    )
