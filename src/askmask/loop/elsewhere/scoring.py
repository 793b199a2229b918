"""Score images of the pool for a query or a look; what comes back of each is small."""

import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float32, Float64, Int

from askmask.data.larger_images import askable_pixels
from askmask.data.slides.heat import HeatParts
from askmask.data.source import Pixels
from askmask.loop.ask import PoolScores
from askmask.loop.elsewhere.bench import Bench, SentSource, open_bench
from askmask.loop.elsewhere.shards import in_order, in_shards, named
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.project import Project
from askmask.loop.round_model import RoundModel
from askmask.progress import Listener, Progress, silent
from askmask.query.regions import places_of
from askmask.query.score_histograms import Binned
from askmask.query.strategies import ScoredImage, strategy_turn


@dataclass(frozen=True, slots=True)
class ToScore:
    """An image to be scored: what may be asked of it, packed, and its pixels if they are sent.

    `with_features` says whether the features that the strategy asks for come back, too.
    """

    image_id: str
    round: int
    shape: tuple[int, int]
    packed: bytes
    pixels: Pixels | None = None
    with_features: bool = True

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
class Scored:
    """What a query must know of an image.

    Attributes
    ----------
    utilities : (L, n) float64 array
        Of its places.
    embedded : list of (boxes, features)
        What the strategy asks for when it sees this image alone.
    binned : Binned or None
        Its part of the histogram; None without a score map.
    extremes : (low, high) or None
        Of its scores.
    heat : dict
        Its part of the heat maps of slides; empty for a plain image.
    """

    utilities: Float64[np.ndarray, "L n"]
    embedded: list[tuple[npt.NDArray[np.int_], npt.NDArray[np.float32]]]
    binned: Binned | None
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
    return Scored(
        image.utilities,
        _embedded(project, piece.round, image) if piece.with_features else [],
        pool.tally.binned(piece.image_id),
        pool.extremes,
        pool.heat.parts(),
    )


def _embedded(
    project: Project, round: int, image: ScoredImage
) -> list[tuple[npt.NDArray[np.int_], npt.NDArray[np.float32]]]:
    """Features that the strategy asks for when this image is the whole pool."""
    strategy, turn = strategy_turn(project.config, round)
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

    def scored(self) -> Iterator[ScoredImage]:
        """Every image that the strategy wants to see, as the jobs end."""
        ids = self._project.pool_ids
        done = 0
        self._report(Progress(self._round, "ask", 0, len(ids)))
        wanted = [piece for piece in map(self._piece, ids) if piece is not None]
        skipped = len(ids) - len(wanted)
        with self._elsewhere.at_work(self._model) as (executor, bench):
            for item in in_shards(
                executor, score_one, bench, wanted, self._filled, parts=self._elsewhere.parts
            ):
                if item.problem is not None:
                    raise named(item.problem, wanted[item.place].image_id, "nothing is asked")
                done += 1
                if item.result is not None:
                    yield self.taken(wanted[item.place], item.result)
                self._report(Progress(self._round, "ask", done + skipped, len(ids)))

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
        named_only = [ToScore(image_id, self._round, (0, 0), b"") for image_id in image_ids]
        sent: dict[str, ToScore] = {}

        def filled(piece: ToScore) -> ToScore:
            known = ToScore.of(piece.image_id, self._round, available(piece.image_id))
            sent[piece.image_id] = replace(known, with_features=False)
            return self._filled(sent[piece.image_id])

        with self._elsewhere.at_work(self._model) as (executor, bench):
            for item in in_order(
                in_shards(
                    *(executor, score_one, bench, named_only, filled),
                    parts=self._elsewhere.parts,
                    is_wanted=is_wanted,
                )
            ):
                image_id = image_ids[item.place]
                if item.problem is not None:
                    raise named(item.problem, image_id, "nothing is asked")
                yield sent.pop(image_id), item.result

    def _piece(self, image_id: str) -> ToScore | None:
        available = ~self._project.store.asked(image_id)
        if not available.any() and not self._strategy.sees_labelled:
            return None
        return ToScore.of(image_id, self._round, available)

    def _filled(self, piece: ToScore) -> ToScore:
        if not self._elsewhere.send_images:
            return piece
        return replace(piece, pixels=self._project.source.read_image(piece.image_id))

    def taken(self, piece: ToScore, found: Scored) -> ScoredImage:
        """Count an image in that was scored elsewhere."""
        if found.binned is not None:
            self.tally.take(piece.image_id, found.binned)
        self.widen(found.extremes)
        self.heat.take(found.heat)
        askable = askable_pixels(self._project.source, piece.image_id)
        places = places_of(piece.image_id, piece.available, self._turn.rule, askable)
        embed = partial(self._look_up, piece.image_id, found.embedded)
        return ScoredImage(places, found.utilities, embed)

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
