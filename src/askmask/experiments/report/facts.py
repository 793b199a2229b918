"""Facts about the data for a report, read from the prepared data set."""

from collections import Counter
from collections.abc import Iterable

from askmask.config import Config
from askmask.data.from_config import open_source
from askmask.data.roles import assign_roles
from askmask.errors import AskmaskError
from askmask.experiments.report.report import DataFacts
from askmask.metrics.coverage import means_cover, objects_are
from askmask.records import ImageInfo


def data_facts(config: Config, metrics: Iterable[str] = ()) -> DataFacts:
    """Terms and texts: classes, sizes, and how many images have which role.

    `metrics` names those of the table, which tell how objects were matched.
    If the data set is gone since the run, the facts say so; the report does without it.
    """
    try:
        source = open_source(config.data)
        infos = {info.image_id: info for info in source.images()}
        roles = assign_roles(tuple(infos.values()), config.data, config.seed)
    except AskmaskError as error:
        return DataFacts({"Data": f"not at hand any more ({type(error).__name__})"})
    drawn = ", drawn for each seed" if isinstance(config.data.start, int) else ""
    parts = {
        f"start set{drawn}": roles.start,
        "pool to ask about": roles.pool,
        "validation": roles.validation,
        "test": roles.test,
    }
    told = [_part(name, [infos[image_id] for image_id in ids]) for name, ids in parts.items()]
    terms = {
        "Data": "; ".join(told),
        "Classes": ", ".join(source.classes.names),
        "Means over classes": means_cover(
            source.classes.names, has_background=config.evaluation.has_background
        ),
        "Image sizes": _sizes(infos.values()),
    }
    objects = objects_are(metrics, config.evaluation.min_object_pixels)
    if objects is not None:
        terms["Objects"] = objects
    return DataFacts(terms, source.classes.names)


def _part(name: str, infos: Iterable[ImageInfo]) -> str:
    """Images of a role, by group where there are groups."""
    own = list(infos)
    groups = Counter(info.group for info in own if info.group is not None)
    named = ", ".join(f"{count} {group}" for group, count in sorted(groups.items()))
    noun = "image" if len(own) == 1 else "images"
    return f"{name}: {len(own)} {noun}" + (f" ({named})" if len(groups) > 1 else "")


def _sizes(infos: Iterable[ImageInfo]) -> str:
    """The most frequent size (rows x columns), and how many others there are."""
    sizes = Counter((info.height, info.width) for info in infos)
    if not sizes:
        return "no image"
    ((height, width), _), others = sizes.most_common(1)[0], len(sizes) - 1
    text = f"{height} x {width} pixels"
    return f"{text} and {others} other {'size' if others == 1 else 'sizes'}" if others else text
