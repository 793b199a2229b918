"""QuPath: GeoJSON annotations in pixels of the full image, holes kept.

::

    OUT/NAME.geojson    one file per image: drop it on the image in QuPath, or File > Import objects
    OUT/images/NAME.png the image

An asked region is a rectangle of QuPath's class "Region*". Coordinates are (x, y) on pixel edges,
origin top left, so polygons follow the pixels exactly unless a tolerance is given. What no
annotation covers is class 0 where that is the background, else unlabelled; QuPath's class "Ignore*"
says that pixels have no label. Delete a rectangle to say that you did not answer that region.
Of slides there is one file per slide, in pixels of its first level, and no picture; there a
rectangle without a name of the export is taken, too, and cut into the fields that it covers.
`askmask.formats.qupath.reading` says what is read.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from askmask.data.larger_images import Frame
from askmask.data.rasters import encode_image
from askmask.errors import ConfigError
from askmask.formats.format import Expected, Export, Intake, Item, class_pixels
from askmask.formats.names import image_names
from askmask.formats.qupath.on_slides import frame_in_file, on_slide
from askmask.formats.qupath.reading import IGNORE, REGION, class_words, read_geojson
from askmask.metrics.contours import Ring, trace
from askmask.metrics.valid_outlines import simplify_polygon
from askmask.records import UNLABELLED, Region

_COLORS: Final = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (0, 114, 178))

Json = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class QuPath:
    """Reader and writer of QuPath's GeoJSON; see `askmask.formats.format.Format`.

    Parameters
    ----------
    tolerance : float
        How far, in pixels, a polygon may stray from its pixels' outline; 0 is exact.
    area : "image", "regions" or None
        What a person looked at in an image without a rectangle "Region*": all of it, or nothing.
        None refuses a file without one.

    Raises
    ------
    ConfigError
        If the tolerance is negative.

    References
    ----------
    RFC 7946 for the geometry; qupath.readthedocs.io, "Exporting annotations", for the properties.
    """

    tolerance: float = 0.0
    area: str | None = None

    def __post_init__(self) -> None:
        """Check the tolerance."""
        if not self.tolerance >= 0:
            raise ConfigError(f"expected a tolerance >= 0 pixels, got {self.tolerance!r}.")

    def write(self, folder: Path, export: Export) -> int:
        """Write one GeoJSON per image, or per slide."""
        (folder / "images").mkdir(parents=True, exist_ok=True)
        words = list(class_words(export.classes))
        features: dict[str, list[Json]] = {}
        count = 0
        for item in export.items:
            found = self._features(item, export, words)
            features.setdefault(item.region.image_id, []).extend(found)
            count += 1
        places = image_names(export.images.values())
        names = {region.image_id: name for name, region in places.items()}
        by_file: dict[str, list[Json]] = {}
        for image_id, found_in_it in features.items():
            frame = export.frames.get(image_id)
            name = names[image_id] if frame is None else frame.name
            by_file.setdefault(name, []).extend(found_in_it)
            if frame is None:  # a slide is there already, and too large for a picture
                picture = encode_image(export.read_image(image_id))
                (folder / "images" / f"{name}.png").write_bytes(picture)
        for name, found_in_it in by_file.items():
            text = json.dumps({"type": "FeatureCollection", "features": found_in_it})
            (folder / f"{name}.geojson").write_text(text + "\n", encoding="utf-8")
        return count

    def read(self, path: Path, expected: Expected) -> Intake:
        """Read a GeoJSON file, or every one in a folder."""
        return read_geojson(path, expected, area=self.area)

    def _features(self, item: Item, export: Export, words: Sequence[str]) -> Iterator[Json]:
        """Rectangle of the region, then the polygons in it."""
        region, frame = item.region, frame_in_file(export.frames, item.region.image_id)
        box = np.array([(0, 0), (0, region.width), (region.height, region.width)], np.float64)
        corners = np.vstack([box, [(region.height, 0)]])
        facts = {} if item.score is None else {"acquisition score": item.score}
        yield _feature([corners], REGION, region, frame, name=item.name, measurements=facts)
        if item.labels is None:
            return
        found = class_pixels(item.labels, export.classes, has_background=export.has_background)
        classes = {words[index]: pixels for index, pixels in found.items()}
        if (item.labels == UNLABELLED).any():
            classes[IGNORE] = item.labels == UNLABELLED
        for number, (label, pixels) in enumerate(classes.items()):
            color = _COLORS[number % len(_COLORS)]
            for polygon in trace(pixels):
                simple = simplify_polygon(polygon, self.tolerance)
                yield _feature(simple.rings, label, region, frame, color=color)


def _feature(
    rings: Sequence[Ring],
    label: str,
    region: Region,
    frame: Frame,
    *,
    name: str | None = None,
    color: tuple[int, int, int] = (200, 200, 0),
    measurements: Mapping[str, float] | None = None,
) -> Json:
    """One annotation; rings come in coordinates of the region and leave in those of the file."""
    origin = np.array([region.row, region.col], np.float64)
    closed = [on_slide(np.vstack([ring, ring[:1]]) + origin, frame) for ring in rings]
    properties: Json = {
        "objectType": "annotation",
        "classification": {"name": label, "color": list(color)},
    }
    if name is not None:
        properties |= {"name": name, "isLocked": True}
    if measurements:
        properties["measurements"] = dict(measurements)
    geometry = {"type": "Polygon", "coordinates": [ring[:, ::-1].tolist() for ring in closed]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}
