"""In which order a look goes through the pool; loads no torch."""

from collections import defaultdict
from collections.abc import Collection

from askmask.loop.project import Project
from askmask.seeds import derive_key


def drawn_order(project: Project, round: int, seen_before: Collection[str] = ()) -> tuple[str, ...]:
    """Images of the pool in a drawn order that spreads over their groups, unseen ones first.

    Any beginning of it holds about the same share of every group. `round` is the key of the draw.
    """
    groups: dict[str | None, list[str]] = defaultdict(list)
    for image_id in project.pool_ids:
        groups[project.images[image_id].group].append(image_id)
    places: dict[str, tuple[float, int]] = {}
    for members in groups.values():
        keys = {name: derive_key(project.config.seed, "look", round, name) for name in members}
        for number, name in enumerate(sorted(members, key=keys.__getitem__)):
            places[name] = ((number + 0.5) / len(members), keys[name])
    known = frozenset(seen_before)
    return tuple(sorted(places, key=lambda name: (name in known, places[name])))
