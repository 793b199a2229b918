"""The very first regions, asked while the worker still loads torch: somebody may be waiting."""

from typing import Final

from askmask.data.larger_images import askable_pixels
from askmask.loop.project import Project
from askmask.loop.stream.order import drawn_order
from askmask.query.regions import places_of
from askmask.query.regions.candidates import random_keys, ranked
from askmask.records import Query, QueryItem, Unit

FIRST: Final = 4
"""So many are asked, each in another image; what is chosen with care takes their place soon."""


def ask_first(project: Project) -> Query | None:
    """Ask a few random regions of different images, if nothing was ever asked or trained.

    Returns
    -------
    Query or None
        What is asked now; None if there is something already, or nothing to ask.
    """
    store, config = project.store, project.config.query
    if store.newest_query() is not None or store.finished_trainings():
        return None
    rule = config.region if config.unit is Unit.REGION else config.image
    items: list[QueryItem] = []
    for image_id in drawn_order(project, 1):
        askable = askable_pixels(project.source, image_id)
        places = places_of(image_id, ~store.asked(image_id), rule, askable)
        for best in ranked(places, random_keys(places, project.config.seed, 1), 1):
            items.append(QueryItem(len(items), best.region, best.score, best.new_pixels))
        if len(items) == FIRST:
            break
    if not items:
        return None
    query = Query(1, "random", config.unit, tuple(items))
    with store.together():
        store.add_query(query)
        store.control.note("query", 1)
    return query
