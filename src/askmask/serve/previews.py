"""Previews of asked regions for the page: score map, prediction and confidence around each.

The worker draws them once and keeps them in the store, where the page reads them.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from askmask.data.rasters import encode_mask
from askmask.loop.ask import shown_score
from askmask.loop.predictions import predict_known
from askmask.loop.project import START, Project
from askmask.loop.round_model import RoundModel
from askmask.loop.stream.look import Look
from askmask.progress import Listener, Progress
from askmask.records import Labels, Region
from askmask.store.work_records import DrawnPiece, PieceFacts, WorkItem

_PIECES_AT_ONCE: Final = 20
"""One wait for the disk for so many; with one for each, people's answers queued behind them."""
CLOSE_MARGIN: Final = 0.2
"""A pixel whose two likeliest classes differ by less in probability is a close call."""
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """Maps of one region's window; None where there is no model or the strategy has no map."""

    rank: int
    region: Region
    window: Region
    scores: Scores | None = None
    labels: Labels | None = None
    confidence: float | None = None
    close: float | None = None


def draw_pieces(
    project: Project,
    items: Sequence[WorkItem],
    model: RoundModel | None,
    *,
    report: Listener,
) -> None:
    """Draw what is shown of regions of one query, and keep it in the store.

    Parameters
    ----------
    project : Project
        With the strategy of that query in its config.
    items : sequence of WorkItem
        Of one query, in any order.
    model : RoundModel or None
        The one that asked; None if none did or it is gone, and then no map is drawn.
    report : callable
        Called with a `Progress` after each image.
    """
    if not items:
        return
    drawn = [_blank(project, item.item.rank, item.item.region) for item in items]
    if model is not None:
        drawn = _with_maps(_Maps(project, items[0].round, model), drawn, report)
    known = [part.scores for part in drawn if part.scores is not None]
    low = min((float(scores.min()) for scores in known), default=None)
    high = max((float(scores.max()) for scores in known), default=None)
    for start in range(0, len(drawn), _PIECES_AT_ONCE):
        some = [_piece(part, low, high) for part in drawn[start : start + _PIECES_AT_ONCE]]
        project.store.worklist.add_pieces(items[0].round, some)
    project.store.control.note("query", items[0].round)


def draw_region(look: Look, region: Region) -> DrawnPiece:
    """Draw what is shown of a region that a look is about to ask; its rank is still to be set.

    The score map is the one that the look saw; black and white are the extremes that it saw.
    """
    part = _blank(look.project, 0, region)
    if look.model.round == START:
        return _piece(part, None, None)
    probs = predict_known(look.model, region.image_id).probs
    part = _filled(part, look.score_map(region.image_id), probs)
    return _piece(part, *(look.extremes or (None, None)))


@dataclass(frozen=True, slots=True, eq=False)
class _Maps:
    """Where the maps of a round's regions come from."""

    project: Project
    round: int
    model: RoundModel

    def scores(self, image_id: str) -> Scores | None:
        return shown_score(self.project, image_id, self.round, model=self.model)

    def probs(self, image_id: str) -> npt.NDArray[np.float32]:
        return predict_known(self.model, image_id).probs


def _piece(part: _Drawn, low: float | None, high: float | None) -> DrawnPiece:
    """Encode the maps of a region; `low` and `high` are the scores shown black and white."""
    facts = PieceFacts(
        window=part.window,
        low=None if part.scores is None else low,
        high=None if part.scores is None else high,
        confidence=part.confidence,
        has_scores=part.scores is not None,
        has_prediction=part.labels is not None,
        close=part.close,
    )
    return DrawnPiece(
        part.rank,
        facts,
        scores=None if part.scores is None else _grey(part.scores, low or 0.0, high or 0.0),
        prediction=None if part.labels is None else encode_mask(part.labels),
    )


def _with_maps(maps: _Maps, drawn: Sequence[_Drawn], report: Listener) -> list[_Drawn]:
    """Fill in the maps, one image after another; only the windows are held."""
    by_image: dict[str, list[_Drawn]] = {}
    for part in drawn:
        by_image.setdefault(part.window.image_id, []).append(part)
    filled = []
    for done, (image_id, parts) in enumerate(by_image.items()):
        report(Progress(maps.round, "draw", done, len(by_image)))
        scores, probs = maps.scores(image_id), maps.probs(image_id)
        filled += [_filled(part, scores, probs) for part in parts]
    report(Progress(maps.round, "draw", len(by_image), len(by_image)))
    return filled


def _filled(part: _Drawn, scores: Scores | None, probs: npt.NDArray[np.float32]) -> _Drawn:
    rows, cols = part.window.slices
    *_, second, top = np.partition(probs[:, rows, cols], -2, axis=0)
    region = part.region
    inside = Region(
        region.image_id,
        region.row - part.window.row,
        region.col - part.window.col,
        region.height,
        region.width,
    )
    return _Drawn(
        rank=part.rank,
        region=region,
        window=part.window,
        scores=None if scores is None else scores[rows, cols].copy(),
        labels=probs[:, rows, cols].argmax(0).astype(np.int16),
        confidence=float(top[inside.slices].mean()),
        close=float((top - second < CLOSE_MARGIN)[inside.slices].mean()),
    )


def _blank(project: Project, rank: int, region: Region) -> _Drawn:
    """Without maps; the window is the region with half of its size more on each side."""
    image = project.images[region.image_id]
    row = max(region.row - region.height // 2, 0)
    col = max(region.col - region.width // 2, 0)
    bottom = min(region.row + region.height + region.height // 2, image.height)
    right = min(region.col + region.width + region.width // 2, image.width)
    window = Region(region.image_id, row, col, bottom - row, right - col)
    return _Drawn(rank, region, window)


def _grey(scores: Scores, low: float, high: float) -> bytes:
    """8-bit PNG of scores; `low` is black, `high` white."""
    share = (scores - low) / max(high - low, 1e-12)
    values = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()
