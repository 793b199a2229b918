"""Draw small slides of glands as a scanner would store them: pyramids in tiles.

``python draw_slide.py slides`` makes ``slides/scans/one.ome.tif`` and ``two.ome.tif`` at 0.5
micrometres per pixel, ``slides/annotations/one.geojson`` with the glands in four rectangles of the
first one, as QuPath exports them, and ``slides/new/three.ome.tif``.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage

HEIGHT, WIDTH = 3200, 3200
MPP = 0.5
GLASS, STROMA, LINING, LUMEN = (240, 240, 242), (214, 150, 196), (128, 72, 152), (234, 214, 232)
CORNERS = (1000, 1000), (1000, 2070), (2070, 1000), (2070, 2070)
"""Upper left corners of the annotated rectangles, (row, col)."""
LOOKED_AT = (400, 480)
"""Their height and width."""

Outline = list[tuple[float, float]]


def inside(row: float, col: float, radii: tuple[float, float]) -> tuple[slice, slice, np.ndarray]:
    """The box around an ellipse, and how far its pixels are from the centre, 1 on the edge."""
    high, wide = radii
    rows = slice(max(int(row - high), 0), min(int(row + high) + 2, HEIGHT))
    cols = slice(max(int(col - wide), 0), min(int(col + wide) + 2, WIDTH))
    down, along = np.ogrid[rows, cols]
    return rows, cols, np.hypot((down - row) / high, (along - col) / wide)


def draw(generator: np.random.Generator) -> tuple[np.ndarray, list[Outline]]:
    """One slide, (H, W, 3) uint8, and the outlines of its glands as (x, y)."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = GLASS
    edge = ndimage.zoom(generator.normal(size=(10, 10)), (HEIGHT / 10, WIDTH / 10), order=1)
    down, along = np.ogrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    tissue = down**2 + along**2 < 0.72 + 0.06 * edge
    image[tissue] = STROMA
    outlines = []
    for row in range(120, HEIGHT - 80, 170):
        for col in range(120, WIDTH - 80, 190):
            centre = row + generator.uniform(-40, 40), col + generator.uniform(-45, 45)
            radii = tuple(generator.uniform(40, 78, 2))
            rows, cols, distance = inside(*centre, radii)
            if not tissue[rows, cols].all() or generator.random() < 0.25:
                continue
            gland = image[rows, cols]
            gland[distance < 1] = LINING
            gland[distance < generator.uniform(0.35, 0.6)] = LUMEN
            turn = np.linspace(0, 2 * np.pi, 41)
            x, y = centre[1] + radii[1] * np.cos(turn), centre[0] + radii[0] * np.sin(turn)
            outlines.append(list(zip(x.round(1).tolist(), y.round(1).tolist(), strict=True)))
    nuclei = generator.random((HEIGHT // 8, WIDTH // 8)) < 0.06
    spots = nuclei.repeat(8, 0).repeat(8, 1) & tissue & (image[..., 1] == STROMA[1])
    image[spots] = LINING  # nuclei between the glands look like their lining
    grain = generator.integers(-14, 15, (HEIGHT, WIDTH, 1), np.int16)
    soft = ndimage.uniform_filter(image, (3, 3, 1))
    return np.clip(soft + grain, 0, 255).astype(np.uint8), outlines


def write_slide(path: Path, pixels: np.ndarray) -> None:
    """A pyramid of three levels, each half of the one before."""
    with tifffile.TiffWriter(path, ome=True) as writer:
        how = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"}
        size = {f"PhysicalSize{axis}": MPP for axis in "XY"}
        unit = {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
        writer.write(pixels, subifds=2, metadata={"axes": "YXS", **size, **unit}, **how)
        for step in (2, 4):
            writer.write(pixels[::step, ::step], subfiletype=1, **how)


def feature(outline: Outline, word: str) -> dict[str, object]:
    """An annotation as QuPath writes it; coordinates are pixels of the slide."""
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*outline, outline[0]]]},
        "properties": {"objectType": "annotation", "classification": {"name": word}},
    }


def annotations(outlines: list[Outline]) -> list[dict[str, object]]:
    """The rectangles that somebody looked at, and every gland that reaches into one of them."""
    found = []
    for top, left in CORNERS:
        bottom, right = top + LOOKED_AT[0], left + LOOKED_AT[1]
        found.append(
            feature([(left, top), (right, top), (right, bottom), (left, bottom)], "Region*")
        )
    reaching = (outline for outline in outlines if any(is_looked_at(x, y) for x, y in outline))
    return [*found, *(feature(outline[:-1], "gland") for outline in reaching)]


def is_looked_at(x: float, y: float) -> bool:
    """Whether a point lies in one of the rectangles."""
    height, width = LOOKED_AT
    return any(top < y < top + height and left < x < left + width for top, left in CORNERS)


def main(out: Path) -> None:
    """Write two slides, the annotations of the first, and a new slide."""
    for folder in ("scans", "annotations", "new"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("scans/one", "scans/two", "new/three")):
        pixels, outlines = draw(np.random.default_rng(number))
        write_slide(out / f"{name}.ome.tif", pixels)
        if number == 0:
            drawn = {"type": "FeatureCollection", "features": annotations(outlines)}
            path = out / "annotations" / "one.geojson"
            path.write_text(json.dumps(drawn), encoding="utf-8")
    print(f"Drawn: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
