"""Views of an image: what is predicted of them lies where the image's own pixels lie."""

from pathlib import Path

import numpy as np
import pytest
import torch

from askmask.sampling.feature_store import FeatureStore
from askmask.sampling.logit_samples import sample_logits
from askmask.sampling.predictors import Deterministic, Ensemble, MonteCarloDropout
from askmask.sampling.views import VIEWS, MeanOfViews
from fakes import TinyModel
from small_models import small_pyramid

NAMES = {"seed": 5, "round": 1, "image_id": "image"}


def drawn_image(height: int = 41, width: int = 52) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mean_of_views(n_views: int) -> MeanOfViews:
    judge = Deterministic(small_pyramid().eval(), "fp32")
    return MeanOfViews(judge, judge, n_views)


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_what_is_seen_in_a_view_turns_back_to_its_place(view) -> None:
    image = drawn_image()
    values = torch.from_numpy(view.of(image).copy()).permute(2, 0, 1)
    assert torch.equal(view.back(values), torch.from_numpy(image).permute(2, 0, 1))


def test_no_two_views_are_alike_and_the_first_is_the_image_itself() -> None:
    square = drawn_image(8, 8)
    assert np.array_equal(VIEWS[0].of(square), square)
    assert len({view.of(square).tobytes() for view in VIEWS}) == 8


@pytest.mark.parametrize("n_views", [2, 4, 8])
def test_the_mean_turns_with_the_image_by_each_of_its_views(n_views: int) -> None:
    judge, image = mean_of_views(n_views), drawn_image()
    upright = judge.predict(image, **NAMES, boundary=True)
    for view in VIEWS[1:n_views]:
        turned = judge.predict(view.of(image), **NAMES, boundary=True)
        back = view.back(turned.sums.mean_probs)
        torch.testing.assert_close(back, upright.sums.mean_probs, atol=1e-5, rtol=0)
        contour = view.back(turned.boundary_probs)
        torch.testing.assert_close(contour, upright.boundary_probs, atol=1e-5, rtol=0)


def test_one_pass_does_not_turn_with_the_image() -> None:
    judge, image = Deterministic(small_pyramid().eval(), "fp32"), drawn_image()
    upright = judge.predict(image, **NAMES, boundary=False).sums.mean_probs
    turned = judge.predict(image[::-1], **NAMES, boundary=False).sums.mean_probs
    assert (turned.flip(-2) - upright).abs().max() > 1e-3


def test_four_views_are_those_that_numpy_mirrors() -> None:
    judge, image = Deterministic(small_pyramid().eval(), "fp32"), drawn_image()
    by_hand = []
    for axes in ((), (0,), (1,), (0, 1)):
        seen = judge.predict(np.flip(image, axes), **NAMES, boundary=True)
        by_hand.append(np.flip(seen.boundary_probs.numpy(), axes))
    found = mean_of_views(4).predict(image, **NAMES, boundary=True)
    assert found.sums.n_samples == mean_of_views(4).n_samples == 4
    np.testing.assert_allclose(found.boundary_probs, np.mean(by_hand, 0), atol=1e-6)


def test_a_contour_that_is_not_asked_for_is_not_in_the_mean() -> None:
    judge = Deterministic(small_pyramid().eval(), "fp32")
    found = MeanOfViews(judge, judge, 8).predict(drawn_image(), **NAMES, boundary=False)
    assert found.boundary_probs is None


@pytest.mark.parametrize("place", range(3))
def test_logits_that_recalibration_is_fitted_to_are_those_of_the_views(place: int) -> None:
    models = [TinyModel(3, seed=seed).eval() for seed in range(2)]
    image = drawn_image(40, 56)
    judge, used, n_samples = [
        (MonteCarloDropout(models[0], 3, precision="fp32"), models[:1], 3),
        (Deterministic(models[0], "fp32"), models[:1], 0),
        (Ensemble(models, "fp32"), models, 0),
    ][place]
    logits = torch.cat(list(sample_logits(used, n_samples, image, **NAMES, n_views=8)))
    viewed = MeanOfViews(judge, judge, 8)
    assert logits.shape == (viewed.n_samples, 3, 40, 56)
    sums = viewed.predict(image, **NAMES, boundary=False).sums
    torch.testing.assert_close(sums.mean_probs, logits.softmax(1).mean(0))
    assert torch.equal(sums.votes.sum(0), torch.full((40, 56), float(viewed.n_samples)))


def test_features_are_kept_of_the_image_itself_alone(tmp_path: Path) -> None:
    model = small_pyramid().eval()
    first = Deterministic(model, "fp32", features=FeatureStore(tmp_path, 10**8))
    judge = MeanOfViews(first, Deterministic(model, "fp32"), 8)
    judge.predict(drawn_image(), **NAMES, boundary=False)
    assert len(list(tmp_path.iterdir())) == 1
