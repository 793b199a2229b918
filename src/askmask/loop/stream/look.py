"""A look through the pool: image by image, and the best places so far are known at any time.

Nothing here writes to the store.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float32, Float64, Int

from askmask.config import Config, ImageConfig, RegionConfig, with_overrides
from askmask.data.slides.heat import HeatMaps
from askmask.errors import AskmaskError
from askmask.loop.ask import PoolScores, groups_of
from askmask.loop.elsewhere.scoring import PoolElsewhere
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.project import START, Project
from askmask.loop.round_model import RoundModel
from askmask.loop.stream.order import drawn_order
from askmask.loop.stream.scored_images import ImagesElsewhere, ImagesHere, ScoredImages
from askmask.loop.stream.seen_places import SeenPlaces
from askmask.progress import Progress, silent
from askmask.query.regions import Rule
from askmask.query.score_histograms import ScoreCounts
from askmask.query.strategies import ScoredImage, strategy_turn
from askmask.records import QueryItem, Region, Unit
from askmask.sampling.judge import kept_features
from askmask.sampling.predictors import MonteCarloDropout
from askmask.sampling.region_features import pooled, region_features
from askmask.store.work_records import WorkItem

MAP_BYTES: Final = 64 * 2**20
"""Score maps that are kept to be drawn take so much at most; others are computed again."""
COLD_IMAGES: Final = 200
"""Before there is a model so many images are looked at: enough to see what the pool holds."""


class Look:
    """One model's look through the pool, by one strategy.

    Images come in an order that is drawn: one that spreads over the groups, those first that the
    look before did not come to. So what was seen at any time is a fair sample of the pool. A place
    that somebody takes meanwhile is passed over, with what overlaps it.

    Parameters
    ----------
    project : Project
        Open, with the strategy in its config; budget and overlap of its regions do not count here.
    model : RoundModel
        Who scores; that of `START` needs a strategy without maps.
    round : int
        Key of all draws: the round of the first query that this look asks.
    seen_before : collection of str
        Images that the look before came to.
    elsewhere : Elsewhere, optional
        Where images are scored, several at a time; by default here, one in each `advance`.

    Attributes
    ----------
    project : Project
        As given, asking any number of regions without overlap.
    model : RoundModel
        The same.
    round : int
        As given.
    seen : list of str
        Images looked at so far.
    is_elsewhere : bool
        Whether images are scored elsewhere.
    """

    def __init__(
        self,
        project: Project,
        model: RoundModel,
        round: int,
        seen_before: Collection[str] = (),
        *,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.project = project.with_config(_by_number(project.config))
        self.model = self.project.model(model.round)  # jobs elsewhere have its settings
        self.is_elsewhere = elsewhere is not None
        self.round = round
        self.seen: list[str] = []
        self.first_answer = project.store.newest_answer()
        self._strategy, turn = strategy_turn(self.project.config, round)
        self._turn = replace(turn, groups=groups_of(project))
        if model.round == START and self._strategy.maps is not None:
            raise AskmaskError(
                f"expected a strategy that needs no model, got {self._strategy.name!r}, while "
                "nothing is trained yet."
            )
        self._order = drawn_order(project, round, seen_before)
        if model.round == START:
            self._order = self._order[:COLD_IMAGES]
        self._pool, self._images_from = self._scored(elsewhere)
        self._images: list[_Seen] = []
        self._maps: dict[str, tuple[float, npt.NDArray[np.float16]]] = {}
        self._map_bytes = 0
        self._reader = _FeatureReader(project, self.model)

    def _scored(self, elsewhere: Elsewhere | None) -> tuple[PoolScores, ScoredImages]:
        """What scores the pool, and the images as they come from it."""
        asks = (self.project, self.round, self.model, silent)
        if elsewhere is None:
            pool = PoolScores(*asks)
            return pool, ImagesHere(pool, self._available)
        away = PoolElsewhere(*asks, elsewhere=elsewhere)
        return away, ImagesElsewhere(away, self._order, self._available)

    @property
    def total(self) -> int:
        """How many images it will have seen at its end."""
        return len(self._order)

    @property
    def is_done(self) -> bool:
        """Whether it has seen them all."""
        return len(self.seen) == self.total

    @property
    def extremes(self) -> tuple[float, float] | None:
        """Lowest and highest score of a pixel so far; None without score maps."""
        return self._pool.extremes

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self.round, "ask", len(self.seen), self.total)

    def is_ready(self, seconds: float = 0.0) -> bool:
        """Whether `advance` can begin at once; waits so long for an image from elsewhere."""
        return self._images_from.is_ready(seconds)

    def end(self) -> None:
        """Let nothing more be scored elsewhere; what was seen can still be asked about."""
        self._images_from.end()

    def advance(self) -> Progress:
        """Look at the next image.

        Raises
        ------
        SourceError
            If it cannot be read or scored; it stays the next one.
        ClusterError
            If the cluster that scores it is lost; it stays the next one.
        """
        image_id = self._order[len(self.seen)]
        found = self._images_from.take(image_id)
        if found is not None:
            scored, maps = found
            self._images.append(
                _Seen(SeenPlaces(scored.places, self._turn.rule), scored.utilities, {})
            )
            if maps is not None and len(maps):
                self._keep(image_id, float(scored.utilities[0].max()), maps[0])
            elif maps is not None and self._strategy.asks_a_number:
                self._reader.prepare(image_id)
        self.seen.append(image_id)
        return self.progress

    def _available(self, image_id: str) -> Bool[np.ndarray, "H W"]:
        return ~self.project.store.asked(image_id, fresh_too=False)

    def choose(self, count: int, taken: Sequence[Region] = ()) -> tuple[QueryItem, ...]:
        """Return the best places so far, at most `count`, best first.

        Parameters
        ----------
        count : int
            How many, >= 1.
        taken : sequence of Region
            Not to be asked, beside what was answered or opened since the look began.
        """
        by_image: dict[str, list[Region]] = defaultdict(list)
        for region in (*self.project.store.worklist.taken_since(self.first_answer), *taken):
            by_image[region.image_id].append(region)
        turn = replace(self._turn, rule=_with_count(self._turn.rule, count))

        def read() -> Iterator[ScoredImage]:
            for image in self._images:
                places = image.places.without(by_image.get(image.places.image_id, ()))
                if self._strategy.sees_labelled or places.new_pixels.any():
                    yield ScoredImage(places, image.utilities, self._reader.embed(image))

        return self._strategy.choose(read(), turn)

    def is_own(self, item: WorkItem) -> bool:
        """Whether the same model asked a region by the same strategy, in this look or before."""
        by = self.project.config.query.acquisition
        return (item.model, item.acquisition) == (self.model.name, by)

    def counts(self, items: Sequence[QueryItem]) -> ScoreCounts | None:
        """Histograms of the scores seen so far, and of those of some items."""
        return self._pool.tally.counts(items)

    @property
    def heat(self) -> HeatMaps:
        """Score maps of whole slides so far, small; empty for plain images."""
        return self._pool.heat

    def score_map(self, image_id: str) -> Float32[np.ndarray, "H W"] | None:
        """First score map of an image, as the look saw it; None for strategies without one."""
        kept = self._maps.get(image_id)
        if kept is not None:
            return kept[1].astype(np.float32)
        maps = self._pool.maps(image_id)
        return maps[0] if len(maps) else None

    def _keep(self, image_id: str, best: float, score: Float32[np.ndarray, "H W"]) -> None:
        """Keep a map; where there is no room, those go whose best place is worst."""
        self._maps[image_id] = best, score.astype(np.float16)
        self._map_bytes += 2 * score.size
        while self._map_bytes > MAP_BYTES and len(self._maps) > 1:
            worst = min(self._maps, key=lambda name: self._maps[name][0])
            self._map_bytes -= self._maps.pop(worst)[1].nbytes


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is kept of an image; `vectors` are the features of its boxes that were asked for."""

    places: SeenPlaces
    utilities: Float64[np.ndarray, "L n"]
    vectors: dict[tuple[int, ...], Float32[np.ndarray, " D"]]


class _FeatureReader:
    """Pooled features of places, from the frozen part of the network where it has one."""

    def __init__(self, project: Project, model: RoundModel) -> None:
        self._source = project.source
        self._model = model
        self._config = project.config
        self._predictor: MonteCarloDropout | None = None

    def prepare(self, image_id: str) -> None:
        """Compute the maps of an image now, so that they are on the disk when they are needed."""
        self._frozen.features(self._source.read_image(image_id))

    def embed(self, image: _Seen) -> "_Embedded":
        """Features of an image's boxes, read at the first need."""
        return _Embedded(self, image)

    def read(self, image_id: str, boxes: Int[np.ndarray, "n 4"]) -> Float32[np.ndarray, "n D"]:
        pixels = self._source.read_image(image_id)
        maps = self._frozen.features(pixels)
        if not maps:
            return region_features(self._model.encoder, pixels, boxes)
        return pooled(maps, (pixels.shape[0], pixels.shape[1]), boxes)

    @property
    def _frozen(self) -> MonteCarloDropout:
        if self._predictor is None:
            self._predictor = MonteCarloDropout(
                self._model.encoder,
                1,
                precision=self._config.sampling.precision,
                features=kept_features(self._config),
            )
        return self._predictor


@dataclass(frozen=True, slots=True, eq=False)
class _Embedded:
    """See `askmask.query.strategies.strategy.Embed`; may be called at any time."""

    reader: _FeatureReader
    image: _Seen

    def __call__(self, boxes: Int[np.ndarray, "n 4"]) -> Float32[np.ndarray, "n D"]:
        vectors = self.image.vectors
        keys = [tuple(box) for box in boxes.tolist()]
        missing = [key for key in keys if key not in vectors]
        if missing:
            read = self.reader.read(self.image.places.image_id, np.array(missing))
            vectors.update(zip(missing, read, strict=True))
        if not keys:
            return np.zeros((0, 0), np.float32)
        return np.stack([vectors[key] for key in keys])


def _by_number(config: Config) -> Config:
    """Settings under which a number of regions is asked, and none overlap."""
    if config.query.unit is Unit.IMAGE:
        settings: dict[str, object] = {"query.image.budget_pixels": None}
    else:
        settings = {"query.region.budget_pixels": None, "query.region.overlap": "forbid"}
    return with_overrides(config, settings)


def _with_count(rule: Rule, count: int) -> Rule:
    if isinstance(rule, RegionConfig):
        return rule.model_copy(update={"budget_regions": count})
    assert isinstance(rule, ImageConfig), "there are two rules"
    return rule.model_copy(update={"budget_images": count})
