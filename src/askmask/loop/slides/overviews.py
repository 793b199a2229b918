"""Pictures of the slides that a query asks about."""

from pathlib import Path

from PIL import Image

from askmask.data.slides.heat import read_heat
from askmask.data.slides.slide_picture import overview
from askmask.data.slides.slide_source import SlideSource
from askmask.formats.names import safe_stem
from askmask.loop.project import Project
from askmask.records import Query, QueryItem


def write_overviews(project: Project, query: Query, folder: Path) -> list[Path]:
    """Write ``overview_SLIDE.png`` for every slide that a query asks about.

    Parameters
    ----------
    project : Project
        Open; of plain images nothing is written.
    query : Query
        What is asked.
    folder : Path
        Where to; must exist.
    """
    source = project.source
    if not isinstance(source, SlideSource):
        return []
    heats = read_heat(project.heat_path(query.round))
    by_slide: dict[str, list[QueryItem]] = {}
    for item in query.items:
        by_slide.setdefault(source.frame(item.region.image_id).name, []).append(item)
    written = []
    for slide in source.slide_set.slides:
        if slide.id in by_slide:
            path = folder / f"overview_{safe_stem(slide.id)}.png"
            picture = overview(source, slide, by_slide[slide.id], heats.get(slide.id))
            Image.fromarray(picture).save(path)
            written.append(path)
    return written
