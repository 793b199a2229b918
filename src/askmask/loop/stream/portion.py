"""A portion: the regions that one look asks in one go; a query of its own in the store."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from askmask.config import Config
from askmask.loop.stream.look import Look
from askmask.models.build import starting_weights
from askmask.query.score_histograms import write_counts
from askmask.records import Query, QueryItem, Region
from askmask.store.work_records import WorkItem

BY_WORKER: Final = "askmask"
"""Who withdraws a region that a newer model ranks lower; no person has this name."""
FORGET_SECONDS: Final = 600.0
"""What was shown of a withdrawn region is kept so long, for pages that still show it."""


def cold_strategy(config: Config) -> str:
    """Strategy of the stream before the first model."""
    return "random" if starting_weights(config.model) is None else "typical_apart"


def ask_more(look: Look, count: int) -> Query | None:
    """Ask further regions beside those that are open; None if the look knows of none."""
    fresh = look.project.store.worklist.fresh_items()
    items = look.choose(count, [item.item.region for item in fresh])
    return _ask(look, items, fresh) if items else None


def ask_anew(look: Look, count: int) -> Query | None:
    """Ask the best regions so far in place of those that nobody has opened.

    A fresh region that this look asked and would ask again stays as it is; the others are
    withdrawn. What anybody opened or answered stays in any case, also if that happens meanwhile.
    Returns None if there is nothing new to ask; nothing is withdrawn if the look knows of nothing.
    """
    store = look.project.store
    items = look.choose(count)
    if not items:
        return None
    chosen = {item.region for item in items}
    with store.together():
        fresh = store.worklist.fresh_items()
        kept = [i for i in fresh if look.asked(i) and i.item.region in chosen]
        keep = {(item.round, item.item.rank) for item in kept}
        store.worklist.withdraw_fresh(BY_WORKER, keep)
        store.worklist.forget_pieces(FORGET_SECONDS)
        return _ask(look, items, kept)


def _ask(look: Look, items: tuple[QueryItem, ...], beside: Sequence[WorkItem]) -> Query | None:
    """Keep a portion without what was taken since it was chosen; None if nothing is left of it."""
    project = look.project
    store = project.store
    with store.together():
        standing = [item.item.region for item in beside]
        standing += store.worklist.taken_since(look.first_answer)
        free = [item for item in items if not _overlaps(item.region, standing)]
        if not free:
            return None
        newest = store.newest_query()
        number = 1 if newest is None else newest.round + 1
        query = Query(
            round=number,
            acquisition=project.config.query.acquisition,
            unit=project.config.query.unit,
            items=tuple(replace(item, rank=rank) for rank, item in enumerate(free)),
            model=look.model.name,
        )
        counts = look.counts(query.items)
        if counts is not None:  # so that no query is without them
            write_counts(project.scores_path(number), counts)
        store.add_query(query)
        store.control.note("query", number)
    return query


def _overlaps(region: Region, others: list[Region]) -> bool:
    return any(region.overlaps(other) for other in others)
