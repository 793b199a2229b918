"""A portion: the regions that one look asks in one go; a query of its own in the store."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from askmask.config import Config
from askmask.data.slides.heat import write_heat
from askmask.loop.stream.look import Look
from askmask.models.build import starting_weights
from askmask.query.score_histograms import write_counts
from askmask.records import Query, QueryItem, Region
from askmask.store.work_records import DrawnPiece

BY_WORKER: Final = "askmask"
"""Who withdraws a region that a newer model ranks lower; no person has this name."""
FORGET_SECONDS: Final = 600.0
"""What was shown of a withdrawn region is kept so long, for pages that still show it."""


def cold_strategy(config: Config) -> str:
    """Strategy of the stream before the first model."""
    return "random" if starting_weights(config.model) is None else "typical_apart"


@dataclass(frozen=True, slots=True)
class Portion:
    """Regions that a look would ask now.

    Attributes
    ----------
    look : Look
        Who asks.
    items : tuple of QueryItem
        Best first, at least one.
    is_anew : bool
        Whether they take the place of the regions that nobody has opened, or come beside them.
    """

    look: Look
    items: tuple[QueryItem, ...]
    is_anew: bool

    def new_items(self) -> tuple[QueryItem, ...]:
        """Those that are not open already, asked by the same model and strategy."""
        if not self.is_anew:
            return self.items
        fresh = self.look.project.store.worklist.fresh_items()
        known = {item.item.region for item in fresh if self.look.is_own(item)}
        return tuple(item for item in self.items if item.region not in known)


def choose_more(look: Look, count: int) -> Portion | None:
    """Choose further regions beside those that are open; None if the look knows of none."""
    fresh = look.project.store.worklist.fresh_items()
    items = look.choose(count, [item.item.region for item in fresh])
    return Portion(look, items, is_anew=False) if items else None


def choose_anew(look: Look, count: int) -> Portion | None:
    """Choose the best regions so far in place of those that nobody has opened; None as above."""
    items = look.choose(count)
    return Portion(look, items, is_anew=True) if items else None


def ask_portion(
    portion: Portion, pieces: Mapping[Region, DrawnPiece] | None = None
) -> Query | None:
    """Ask a portion; in one transaction it is there whole, with what is shown of it, or not at all.

    A fresh region that its model asked before and would ask again stays as it is; other fresh ones
    are withdrawn if the portion is anew. What anybody opened or answered stays in any case, and
    what is new of the portion is left out where it overlaps it, also if that came meanwhile.

    Parameters
    ----------
    portion : Portion
        Chosen a moment ago.
    pieces : mapping of Region to DrawnPiece, optional
        What is drawn of its new regions; their ranks are set here.

    Returns
    -------
    Query or None
        What is new; None if nothing is.
    """
    look = portion.look
    project, store = look.project, look.project.store
    with store.together():
        beside = store.worklist.fresh_items()
        if portion.is_anew:
            chosen = {item.region for item in portion.items}
            beside = tuple(i for i in beside if look.is_own(i) and i.item.region in chosen)
            keep = {(item.round, item.item.rank) for item in beside}
            store.worklist.withdraw_fresh(BY_WORKER, keep)
            store.worklist.forget_pieces(FORGET_SECONDS)
        standing = [item.item.region for item in beside]
        standing += store.worklist.taken_since(look.first_answer)
        free = [item for item in portion.items if not _overlaps(item.region, standing)]
        if not free:
            return None
        newest = store.newest_query()
        query = Query(
            round=1 if newest is None else newest.round + 1,
            acquisition=project.config.query.acquisition,
            unit=project.config.query.unit,
            items=tuple(replace(item, rank=rank) for rank, item in enumerate(free)),
            model=look.model.name,
        )
        counts = look.counts(query.items)
        if counts is not None:  # so that no query is without them
            write_counts(project.scores_path(query.round), counts)
        write_heat(project.heat_path(query.round), look.heat)
        store.add_query(query)
        drawn = [(item, (pieces or {}).get(item.region)) for item in query.items]
        store.worklist.add_pieces(
            query.round, [replace(piece, rank=i.rank) for i, piece in drawn if piece is not None]
        )
        store.control.note("query", query.round)
    return query


def _overlaps(region: Region, others: list[Region]) -> bool:
    return any(region.overlaps(other) for other in others)
