"""Score images of the pool for a query or a look; of each, the best places come back."""

import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float32, Float64, Int, Int32

from askmask.data.larger_images import askable_pixels
from askmask.data.slides.heat import HeatParts
from askmask.data.source import Pixels
from askmask.loop.ask import PoolScores
from askmask.loop.elsewhere.bench import Bench, SentSource, open_bench
from askmask.loop.elsewhere.shards import Done, in_order, in_shards, named
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.project import Project
from askmask.loop.round_model import RoundModel
from askmask.progress import Listener, Progress, silent
from askmask.query.regions import places_of
from askmask.query.score_histograms import Binned
from askmask.query.strategies import ScoredImage, Strategy, Turn, strategy_turn


@dataclass(frozen=True, slots=True)
class ToScore:
    """An image to be scored: what may be asked of it, packed, and its pixels if they are sent.

    `for_query` says whether a query is chosen as soon as all images have come: then the features
    that the strategy asks for come back, too, and only the places that it may choose. A look, some
    of whose places are taken before it chooses, is sent all places.
    """

    image_id: str
    round: int
    shape: tuple[int, int]
    packed: bytes
    pixels: Pixels | None = None
    for_query: bool = True

    @classmethod
    def of(cls, image_id: str, round: int, available: Bool[np.ndarray, "H W"]) -> "ToScore":
        """An image of which some pixels may be asked."""
        height, width = available.shape
        packed = zlib.compress(np.packbits(available).tobytes(), 1)
        return cls(image_id, round, (height, width), packed)

    @property
    def available(self) -> Bool[np.ndarray, "H W"]:
        """Pixels that may be asked."""
        count = self.shape[0] * self.shape[1]
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return np.unpackbits(bits, count=count).reshape(self.shape).astype(bool)


@dataclass(frozen=True, slots=True)
class PackedBins:
    """`Binned`, packed: some kilobytes instead of up to 64."""

    step: int
    shape: tuple[int, int]
    packed: bytes

    @classmethod
    def of(cls, binned: Binned | None) -> "PackedBins | None":
        """Pack what a tally has of an image, if anything."""
        if binned is None:
            return None
        step, bins = binned
        return cls(step, (bins.shape[0], bins.shape[1]), zlib.compress(bins.tobytes(), 1))

    def unpacked(self) -> Binned:
        """As it was."""
        bins = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return self.step, bins.reshape(self.shape).copy()


@dataclass(frozen=True, slots=True)
class Scored:
    """What a query must know of an image.

    Attributes
    ----------
    utilities : (L, k) float64 array
        Of the places that are needed.
    needed : (k,) int32 array or None
        Their numbers; None for all.
    embedded : list of (boxes, features)
        What the strategy asks for when it sees this image alone.
    binned : PackedBins or None
        Its part of the histogram; None without a score map.
    extremes : (low, high) or None
        Of its scores.
    heat : dict
        Its part of the heat maps of slides; empty for a plain image.
    """

    utilities: Float64[np.ndarray, "L k"]
    needed: Int32[np.ndarray, " k"] | None
    embedded: list[tuple[npt.NDArray[np.int_], npt.NDArray[np.float32]]]
    binned: PackedBins | None
    extremes: tuple[float, float] | None
    heat: HeatParts


def score_one(bench: Bench, piece: ToScore) -> Scored | None:
    """Score an image with the model of a bench; None if it has no place to ask."""
    project = open_bench(bench)
    if piece.pixels is not None:
        assert isinstance(project.source, SentSource), "pixels are sent with facts"
        project.source.pixels = {piece.image_id: piece.pixels}
    pool = PoolScores(project, piece.round, project.model(bench.round), silent)
    found = pool.score(piece.image_id, piece.available)
    if found is None:
        return None
    image = found[0]
    binned = PackedBins.of(pool.tally.binned(piece.image_id))
    if not piece.for_query:
        return Scored(image.utilities, None, [], binned, pool.extremes, pool.heat.parts())
    strategy, turn = strategy_turn(project.config, piece.round)
    needed = strategy.needed(image.places, image.utilities, turn).astype(np.int32)
    return Scored(
        image.utilities[:, needed],
        needed,
        _embedded(strategy, turn, image),
        binned,
        pool.extremes,
        pool.heat.parts(),
    )


def _embedded(
    strategy: Strategy, turn: Turn, image: ScoredImage
) -> list[tuple[npt.NDArray[np.int_], npt.NDArray[np.float32]]]:
    """Features that the strategy asks for when this image is the whole pool."""
    asked: list[tuple[npt.NDArray[np.int_], npt.NDArray[np.float32]]] = []

    def embed(boxes: Int[np.ndarray, "n 4"]) -> Float32[np.ndarray, "n D"]:
        features = image.embed(boxes)
        asked.append((boxes, features))
        return features

    strategy.choose([ScoredImage(image.places, image.utilities, embed)], turn)
    return asked


class PoolElsewhere(PoolScores):
    """`PoolScores` whose images are scored by jobs; chooses the same places, bit for bit.

    Parameters
    ----------
    project, round, model, report
        As in `PoolScores`.
    elsewhere : Elsewhere
        Where the jobs run.
    """

    def __init__(
        self,
        project: Project,
        round: int,
        model: RoundModel,
        report: Listener,
        *,
        elsewhere: Elsewhere,
    ) -> None:
        super().__init__(project, round, model, report)
        self._elsewhere = elsewhere
        self._sent: dict[str, ToScore] = {}

    def scored(self) -> Iterator[ScoredImage]:
        """Every image that the strategy wants to see, as the jobs end."""
        ids = self._project.pool_ids
        self._report(Progress(self._round, "ask", 0, len(ids)))
        wanted = [image_id for image_id in ids if self._is_wanted(image_id)]
        skipped = len(ids) - len(wanted)
        items = self._by_jobs(wanted, self._available, for_query=True)
        for done, item in enumerate(items, start=skipped + 1):
            piece, found = self._received(item, wanted)
            if found is not None:
                yield self.taken(piece, found)
            self._report(Progress(self._round, "ask", done, len(ids)))

    def stream(
        self,
        image_ids: Sequence[str],
        available: Callable[[str], Bool[np.ndarray, "H W"]],
        is_wanted: Callable[[], bool],
    ) -> Generator[tuple[ToScore, Scored | None], None, None]:
        """Images in the given order, without features, as jobs end; `taken` counts them in.

        Parameters
        ----------
        image_ids : sequence of str
            Which.
        available : callable
            Pixels of an image that may be asked; called when its job is sent.
        is_wanted : callable
            See `in_shards`.
        """
        items = self._by_jobs(image_ids, available, for_query=False, is_wanted=is_wanted)
        for item in in_order(items):
            yield self._received(item, image_ids)

    def _by_jobs(
        self,
        image_ids: Sequence[str],
        available: Callable[[str], Bool[np.ndarray, "H W"]],
        *,
        for_query: bool,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Iterator[Done[Scored | None]]:
        """Score images; what was sent of each waits in `_sent` until its result has come."""
        self._sent.clear()

        def filled(image_id: str) -> ToScore:
            known = ToScore.of(image_id, self._round, available(image_id))
            self._sent[image_id] = replace(known, for_query=for_query)
            return self._filled(self._sent[image_id])

        with self._elsewhere.at_work(self._model) as (executor, bench):
            parts = self._elsewhere.parts
            given = executor, score_one, bench, image_ids, filled
            yield from in_shards(*given, parts=parts, is_wanted=is_wanted)

    def _received(
        self, item: Done[Scored | None], image_ids: Sequence[str]
    ) -> tuple[ToScore, Scored | None]:
        """What was sent of an image, and what came of it."""
        image_id = image_ids[item.place]
        if item.problem is not None:
            raise named(item.problem, image_id, "nothing is asked")
        return self._sent.pop(image_id), item.result

    def _available(self, image_id: str) -> Bool[np.ndarray, "H W"]:
        return ~self._project.store.asked(image_id)

    def _is_wanted(self, image_id: str) -> bool:
        return self._strategy.sees_labelled or bool(self._available(image_id).any())

    def _filled(self, piece: ToScore) -> ToScore:
        if not self._elsewhere.send_images:
            return piece
        return replace(piece, pixels=self._project.source.read_image(piece.image_id))

    def taken(self, piece: ToScore, found: Scored) -> ScoredImage:
        """Count an image in that was scored elsewhere."""
        if found.binned is not None:
            self.tally.take(piece.image_id, found.binned.unpacked())
        self.widen(found.extremes)
        self.heat.take(found.heat)
        askable = askable_pixels(self._project.source, piece.image_id)
        places = places_of(piece.image_id, piece.available, self._turn.rule, askable)
        embed = partial(self._look_up, piece.image_id, found.embedded)
        utilities = found.utilities
        if found.needed is not None:  # the strategy comes to the same query without the others
            utilities = np.full((len(utilities), len(places.new_pixels)), -np.inf)
            utilities[:, found.needed] = found.utilities
        return ScoredImage(places, utilities, embed)

    def _look_up(
        self,
        image_id: str,
        embedded: Sequence[tuple[npt.NDArray[np.int_], npt.NDArray[np.float32]]],
        boxes: Int[np.ndarray, "n 4"],
    ) -> Float32[np.ndarray, "n D"]:
        """Features that came with the image; computed here for a box that nobody foresaw."""
        rows = {
            tuple(box): feature
            for some, features in embedded
            for box, feature in zip(some.tolist(), features, strict=True)
        }
        keys = [tuple(box) for box in boxes.tolist()]
        if all(key in rows for key in keys) and keys:
            features: Float32[np.ndarray, "n D"] = np.stack([rows[key] for key in keys])
            return features
        return self._embed(image_id, boxes)
