"""QuPath: GeoJSON annotations in pixels of the full image, holes kept.

::

    OUT/NAME.geojson    one file per image: drop it on the image in QuPath, or File > Import objects
    OUT/images/NAME.png the image

An asked region is a rectangle of QuPath's class "Region*". Coordinates are (x, y) on pixel edges,
origin top left, so polygons follow the pixels exactly unless a tolerance is given. What no
annotation covers is class 0 where that is the background, else unlabelled; QuPath's class "Ignore*"
says that pixels have no label. Delete a rectangle to say that you did not answer that region.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from askmask.data.rasters import encode_image
from askmask.errors import ConfigError, ExchangeError, ShapeError
from askmask.formats.format import (
    Batch,
    Expected,
    Found,
    Item,
    class_pixels,
    find_region,
    image_names,
    raise_problems,
    read_json,
)
from askmask.metrics.contours import Polygon, Ring, fill, simplify, trace
from askmask.records import UNLABELLED, Labels, Region

IGNORE: Final = "Ignore*"
REGION: Final = "Region*"
_COLORS: Final = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (0, 114, 178))

Json = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class QuPath:
    """Reader and writer of QuPath's GeoJSON; see `askmask.formats.format.Format`.

    Parameters
    ----------
    tolerance : float
        How far, in pixels, a polygon may stray from its pixels' outline; 0 is exact.

    Raises
    ------
    ConfigError
        If the tolerance is negative.

    References
    ----------
    RFC 7946 for the geometry; qupath.readthedocs.io, "Exporting annotations", for the properties.
    """

    tolerance: float = 0.0

    def __post_init__(self) -> None:
        """Check the tolerance."""
        if self.tolerance < 0:
            raise ConfigError(f"expected a tolerance >= 0 pixels, got {self.tolerance!r}.")

    def write(self, folder: Path, batch: Batch) -> int:
        """Write one GeoJSON per image."""
        (folder / "images").mkdir(parents=True, exist_ok=True)
        features: dict[str, list[Json]] = {}
        count = 0
        for item in batch.items:
            features.setdefault(item.region.image_id, []).extend(self._features(item, batch))
            count += 1
        places = image_names(batch.images.values())
        names = {region.image_id: name for name, region in places.items()}
        for image_id, found in features.items():
            name = names[image_id]
            picture = encode_image(batch.read_image(image_id))
            (folder / "images" / f"{name}.png").write_bytes(picture)
            text = json.dumps({"type": "FeatureCollection", "features": found})
            (folder / f"{name}.geojson").write_text(text + "\n", encoding="utf-8")
        return count

    def read(self, path: Path, expected: Expected) -> list[Found]:
        """Read a GeoJSON file, or every one in a folder."""
        files = sorted(path.glob("*.geojson")) if path.is_dir() else [path]
        if not files:
            raise ExchangeError(
                [f"expected files *.geojson in {str(path)!r}, found none. Export annotations."]
            )
        problems: list[str] = []
        found: list[Found] = []
        for file in files:
            content = read_json(file, (Mapping, list))
            features = content if isinstance(content, list) else content.get("features", [])
            found += _read_features(file.name, features, expected, problems)
        raise_problems(problems)
        return found

    def _features(self, item: Item, batch: Batch) -> Iterator[Json]:
        """Rectangle of the region, then the polygons in it."""
        region = item.region
        box = np.array([(0, 0), (0, region.width), (region.height, region.width)], np.float64)
        corners = np.vstack([box, [(region.height, 0)]])
        facts = {} if item.score is None else {"acquisition score": item.score}
        yield _feature([[corners]], REGION, region, name=item.name, measurements=facts)
        if item.labels is None:
            return
        found = class_pixels(item.labels, batch.classes, has_background=batch.has_background)
        classes = {batch.classes.names[index]: pixels for index, pixels in found.items()}
        if (item.labels == UNLABELLED).any():
            classes[IGNORE] = item.labels == UNLABELLED
        for number, (label, pixels) in enumerate(classes.items()):
            color = _COLORS[number % len(_COLORS)]
            for polygon in trace(pixels):
                yield _feature([self._rings(polygon)], label, region, color=color)

    def _rings(self, polygon: Polygon) -> list[Ring]:
        return [simplify(ring, self.tolerance) for ring in polygon.rings]


def _feature(
    polygons: Sequence[Sequence[Ring]],
    label: str,
    region: Region,
    *,
    name: str | None = None,
    color: tuple[int, int, int] = (200, 200, 0),
    measurements: Mapping[str, float] | None = None,
) -> Json:
    """One annotation; rings come in coordinates of the region and leave in those of the image."""
    origin = np.array([region.row, region.col], np.float64)
    coordinates = []
    for rings in polygons:
        closed = [np.vstack([ring, ring[:1]]) + origin for ring in rings]
        coordinates.append([ring[:, ::-1].tolist() for ring in closed])
    properties: Json = {
        "objectType": "annotation",
        "classification": {"name": label, "color": list(color)},
    }
    if name is not None:
        properties |= {"name": name, "isLocked": True}
    if measurements:
        properties["measurements"] = dict(measurements)
    geometry = {"type": "Polygon", "coordinates": coordinates[0]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _read_features(
    file: str, features: Sequence[Any], expected: Expected, problems: list[str]
) -> list[Found]:  # Any: JSON
    """Labels of every region whose rectangle is in a file."""
    regions: dict[str, Region] = {}
    drawn: list[tuple[str, Json]] = []
    for feature in features:
        properties = feature.get("properties", {}) if isinstance(feature, Mapping) else {}
        label = str((properties.get("classification") or {}).get("name"))
        if label == REGION:
            name = str(properties.get("name"))
            region = find_region(name, expected, problems)
            if region is not None:
                regions[name] = region
        else:
            drawn.append((label, feature.get("geometry", {})))
    known = {name: index for index, name in enumerate(expected.classes.names)}
    known[IGNORE] = UNLABELLED
    strange = sorted({label for label, _ in drawn} - set(known))
    if strange:
        problems.append(
            f"expected annotations of the classes {', '.join(known)} in {file!r}, got "
            f"{', '.join(map(repr, strange))}. Set their class in QuPath."
        )
        return []
    found = []
    for name, region in regions.items():
        labels = np.full((region.height, region.width), expected.rest, np.int16)
        for label, geometry in drawn:
            _paint(labels, region, known[label], geometry, file, problems)
        found.append(Found(name, region, labels))
    return found


def _paint(
    labels: Labels, region: Region, value: int, geometry: Any, file: str, problems: list[str]
) -> None:  # Any: JSON
    """Write the part of a geometry that lies in a region."""
    origin = np.array([region.row, region.col], np.float64)
    shape = (region.height, region.width)
    try:
        for rings in _polygons(geometry):
            inside = fill([np.array(ring, np.float64)[:, 1::-1] - origin for ring in rings], shape)
            labels[inside] = value
    except (ShapeError, TypeError, ValueError, IndexError, KeyError) as error:
        problems.append(
            f"expected Polygon or MultiPolygon geometries in {file!r}, but: {error}. Convert other "
            "shapes to polygons in QuPath."
        )


def _polygons(geometry: Any) -> list[Any]:  # Any: JSON
    """Rings of every polygon of a geometry."""
    kind = geometry["type"]
    if kind == "Polygon":
        return [geometry["coordinates"]]
    if kind == "MultiPolygon":
        return list(geometry["coordinates"])
    raise ShapeError(f"got a {kind}")
