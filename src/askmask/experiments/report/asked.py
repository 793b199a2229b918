"""Pictures of what was asked in a round, kept beside a project until a report shows them."""

from pathlib import Path

from askmask.errors import ProjectError
from askmask.experiments.figures.gallery import gallery_png
from askmask.experiments.report.report import GalleryItem
from askmask.loop.loop import Loop
from askmask.whole_files import write_atomically

MAX_IMAGES = 2
_FOLDER = "gallery"


def draw_asked(loop: Loop, round: int, max_images: int = MAX_IMAGES) -> None:
    """Draw the best asked regions of a round, on at most `max_images` images; once.

    Parameters
    ----------
    loop : Loop
        Of the project; the model that asked must still be there.
    round : int
        A round with a query.

    Raises
    ------
    ProjectError
        If nothing was asked in that round, or the model that asked is gone.
    """
    project = loop.project
    query = project.store.query(round)
    if query is None:
        raise ProjectError(f"expected a query in round {round}, found none. Ask first.")
    folder = project.root / _FOLDER
    folder.mkdir(exist_ok=True)
    image_ids = list(dict.fromkeys(item.region.image_id for item in query.items))
    for place, image_id in enumerate(image_ids[:max_images]):
        name = image_id.replace("/", "__")  # an id may name a folder
        path = folder / f"round_{round:03d}_{place}_{name}.png"
        if path.exists():
            continue
        picture = gallery_png(
            project.source.read_image(image_id),
            loop.score_map(image_id, round),
            [item.region for item in query.items if item.region.image_id == image_id],
            project.store.labelled(image_id).labels,
        )
        write_atomically(path, picture)


def pictures(root: Path, title: str) -> list[GalleryItem]:
    """Pictures drawn so far in a project's folder, in order, for a report."""
    items = []
    for path in sorted((root / _FOLDER).glob("round_*.png")):
        _, round, _, image_id = path.stem.split("_", 3)
        items.append(GalleryItem(int(round), title, image_id, path.read_bytes()))
    return items
