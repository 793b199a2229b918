"""Choosing a query: the pool is streamed through the configured strategy.

One image at a time is read, sampled and scored; what is held of it afterwards is the strategy's
choice. Nothing here writes to the store.
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float32, Float64, Int

from askmask.config import Config, with_overrides
from askmask.data.larger_images import askable_pixels, read_around
from askmask.data.slides.heat import HeatMaps
from askmask.errors import AskmaskError, ConfigError, NothingToAsk, ShapeError, SourceError
from askmask.loop.project import Project
from askmask.loop.round_model import RoundModel
from askmask.models.build import starting_weights
from askmask.progress import Listener, Progress, silent
from askmask.query.regions import Places, places_of
from askmask.query.regions.places import counted
from askmask.query.score_histograms import ScoreCounts, ScoreTally
from askmask.query.strategies import ScoredImage, strategy_turn
from askmask.query.strategies.strategy import ImageUtilities
from askmask.records import QueryItem
from askmask.sampling.predictors import Image
from askmask.sampling.region_features import region_features

_EQUAL = 1e-6
"""Scores of one pool that differ by less, of 1 or of their size, differ by rounding alone."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """The query that a round would ask.

    Attributes
    ----------
    items : tuple of QueryItem
        Best first; empty if nothing is left to ask.
    utilities : tuple of ImageUtilities
        One per image that was scored, if they were asked for; else empty.
    scores : ScoreCounts or None
        Histograms of the first score map, over the pool and over what is asked; None for
        strategies without a score map.
    heat : HeatMaps or None
        First score map of whole slides, small; empty for plain images.
    """

    items: tuple[QueryItem, ...]
    utilities: tuple[ImageUtilities, ...] = ()
    scores: ScoreCounts | None = None
    heat: HeatMaps | None = None


def propose(
    project: Project,
    round: int,
    *,
    model: RoundModel | None = None,
    report: Listener = silent,
    return_utilities: bool = False,
    pool: "PoolScores | None" = None,
) -> Proposal:
    """Choose what the query of a round should ask, with the model of the round before.

    Parameters
    ----------
    project : Project
        Its config names the strategy.
    round : int
        >= 1.
    model : RoundModel, optional
        The model that asks, by default that of the round before. That of `START`, with its starting
        weights, may only be asked by a strategy without maps.
    report : callable
        Called with a `Progress` after each image.
    return_utilities : bool
        Whether to keep the utilities of all places of the pool as well: 8 bytes per place, instead
        of what the strategy holds.
    pool : PoolScores, optional
        The scored images, by default scored here, one after another.

    Raises
    ------
    ProjectError
        If the strategy needs a model and the round before has none.
    """
    strategy, turn = strategy_turn(project.config, round)
    if turn.most_per_group is not None:
        turn = replace(turn, groups=groups_of(project))
    pool = PoolScores(project, round, model, report) if pool is None else pool
    kept: list[ImageUtilities] = []

    def read() -> Iterator[ScoredImage]:
        for image in pool.scored():
            if return_utilities:
                kept.append(image.without_pixels)
            yield image

    items = strategy.choose(read(), turn)
    pool.warn_of_equal_scores()
    return Proposal(items, tuple(kept), pool.tally.counts(items), pool.heat)


def groups_of(project: Project) -> dict[str, str | None]:
    """Group of every image, by id."""
    return {image_id: info.group for image_id, info in project.images.items()}


def is_cold(project: Project) -> bool:
    """Whether nothing is labelled and nothing was trained: the first query is to be asked cold."""
    return project.newest_training() is None and not project.store.labelled_pixels()


def cold_start(config: Config) -> str:
    """Strategy before the first label: typical places if the encoder has learned something."""
    return "random" if starting_weights(config.model) is None else "typical"


def asking_by(project: Project, acquisition: str) -> Project:
    """Return the same open project, asking by another strategy than its config's.

    The options of the config's strategy are not for that one, nor is its limit per group.
    """
    if acquisition == project.config.query.acquisition:
        return project
    others: dict[str, object] = {
        "query.acquisition": acquisition,
        "query.options": {},
        "query.most_per_group": None,
    }
    return project.with_config(with_overrides(project.config, others))


def nothing_to_ask(project: Project, round: int) -> AskmaskError:
    """Why a round found nothing to ask: a budget below every place, or no place is left."""
    rule = strategy_turn(project.config, round)[1].rule
    costs: list[int] = []
    for image_id in project.pool_ids:
        available = ~project.store.asked(image_id)
        askable = askable_pixels(project.source, image_id)
        new_pixels = places_of(image_id, available, rule, askable).new_pixels
        costs += new_pixels[new_pixels > 0].tolist()
    if costs and rule.budget_pixels is not None:
        key = f"query.{project.config.query.unit.value}.budget_pixels"
        return ConfigError(
            f"expected a budget that one place to ask fits into, got {key}={rule.budget_pixels}, "
            f"while the places that are left have {min(costs)} to {max(costs)} new pixels. Raise "
            "the budget, or ask for smaller regions."
        )
    return NothingToAsk(
        f"expected unlabelled pixels in the pool for round {round}, found none: "
        "everything is labelled or asked. Add images, or stop here."
    )


def shown_score(
    project: Project,
    image_id: str,
    round: int,
    *,
    model: RoundModel | None = None,
) -> npt.NDArray[np.float32] | None:
    """(H, W) first score map of an image, as the query of a round saw it.

    `model` is the one that asked, by default that of the round before.

    None for strategies without one: those score regions, not pixels.
    """
    maps = PoolScores(project, round, model, silent).maps(image_id)
    return maps[0] if len(maps) else None


class PoolScores:
    """The images that a round may ask about, and the model that scores them.

    Parameters
    ----------
    project : Project
        With the strategy that asks in its config.
    round : int
        Key of all draws, >= 1.
    model : RoundModel or None
        Who scores; None for the model of the round before.
    report : callable
        Called with a `Progress` by `scored`.

    Attributes
    ----------
    tally : ScoreTally
        Histogram of the first score map over all images scored so far.
    """

    def __init__(
        self, project: Project, round: int, model: RoundModel | None, report: Listener
    ) -> None:
        self._project = project
        self._round = round
        self._model = project.model(round - 1) if model is None else model
        self._report = report
        self._strategy, self._turn = strategy_turn(project.config, round)
        self.heat = HeatMaps(project.source)
        self.tally = ScoreTally(len(project.source.classes), len(project.pool_ids))
        self._lowest, self._highest = math.inf, -math.inf

    def scored(self) -> Iterator[ScoredImage]:
        """Every image that the strategy wants to see, one after another."""
        ids = self._project.pool_ids
        for done, image_id in enumerate(ids):
            self._report(Progress(self._round, "ask", done, len(ids)))
            found = self.score(image_id, ~self._project.store.asked(image_id))
            if found is not None:
                yield found[0]
        self._report(Progress(self._round, "ask", len(ids), len(ids)))

    def score(
        self, image_id: str, available: Bool[np.ndarray, "H W"]
    ) -> tuple[ScoredImage, Float32[np.ndarray, "K H W"]] | None:
        """One image and its score maps; None if no place is left and nobody wants to see it.

        `available` are the pixels that may be asked. Not modified.
        """
        askable = askable_pixels(self._project.source, image_id)
        places = places_of(image_id, available, self._turn.rule, askable)
        is_open = bool(places.new_pixels.any())
        if not is_open and not self._strategy.sees_labelled:
            return None
        maps = self.maps(image_id) if is_open else self._no_maps(available.shape)
        if is_open and len(maps):
            self.heat.add(image_id, maps[0])
        utilities = self._utilities(places, maps)
        return ScoredImage(places, utilities, partial(self._embed, image_id)), maps

    @property
    def extremes(self) -> tuple[float, float] | None:
        """Lowest and highest score of an available pixel so far; None before the first."""
        return (self._lowest, self._highest) if self._lowest <= self._highest else None

    def maps(self, image_id: str) -> Float32[np.ndarray, "K H W"]:
        """Score maps of an image; none for strategies that need no model."""
        if self._strategy.maps is None:
            whole = self._project.images[image_id].whole
            return self._no_maps((whole.height, whole.width))
        seen = read_around(self._project.source, image_id)
        image = seen.pixels
        try:
            prediction = self._model.sampler.predict(
                image,
                seed=self._project.config.seed,
                round=self._round,
                image_id=image_id,
                boundary=False,
            )
        except ShapeError as error:
            raise SourceError(
                f"image {image_id!r} of {image.shape[0]} x {image.shape[1]} pixels cannot be "
                f"scored, so nothing can be asked: {error} Leave the image out of the data set, "
                "or prepare it larger."
            ) from error
        maps = self._strategy.maps(prediction.sums, self._turn).float().cpu().numpy()
        return (maps[None] if maps.ndim == 2 else maps)[:, *seen.inner]

    def _utilities(
        self, places: Places, maps: Float32[np.ndarray, "K H W"]
    ) -> Float64[np.ndarray, "L n"]:
        values = counted(places.image_id, maps, places.available)
        if len(values):
            self.tally.add(places.image_id, values[0], places.available)
            seen = values[0][places.available]
            if seen.size:
                self.widen((float(seen.min()), float(seen.max())))
        return self._strategy.utilities(places, values, self._turn)

    def widen(self, extremes: tuple[float, float] | None) -> None:
        """Take in the lowest and highest score of pixels that were scored here or elsewhere."""
        if extremes is not None:
            self._lowest = min(self._lowest, extremes[0])
            self._highest = max(self._highest, extremes[1])

    def warn_of_equal_scores(self) -> None:
        """Warn if no pixel of the pool scored more than another, and say what the cause may be."""
        low, high = self._lowest, self._highest
        if low > high or high - low > _EQUAL * max(1.0, abs(high)):  # low > high: no score map
            return
        config = self._project.config
        dropout = config.model.options.get("dropout", "the network's own")
        samples = f"model.options.dropout is {dropout}, sampling.samples {config.sampling.samples}"
        cause = (
            "Either the network gives every pixel the same probabilities (is it trained?), or its "
            f"Monte Carlo samples agree everywhere ({samples})."
        )
        if dropout == 0:
            cause = f"Without dropout the Monte Carlo samples are all one ({samples})."
        _logger.warning(
            "All scores of round %d by %s are equal to rounding (%.3g to %.3g), so the order of "
            "this query says nothing. %s",
            *(self._round, config.query.acquisition, low, high, cause),
        )

    def _embed(self, image_id: str, boxes: Int[np.ndarray, "n 4"]) -> Float32[np.ndarray, "n D"]:
        return region_features(self._model.encoder, self._image(image_id), boxes)

    def _image(self, image_id: str) -> Image:
        return self._project.source.read_image(image_id)

    @staticmethod
    def _no_maps(shape: tuple[int, ...]) -> Float32[np.ndarray, "0 H W"]:
        return np.zeros((0, *shape), np.float32)
