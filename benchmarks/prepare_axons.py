"""Copy axondeepseg's SEM set as plain grey images and index masks, ready for `askmask prepare`.

    python benchmarks/prepare_axons.py SEM_FOLDER OUT
    askmask prepare folder --images OUT/images --masks OUT/masks \
        --classes background,myelin,axon --groups OUT/groups.csv --scale 0.5 data/axons

Its masks show classes as 0, 127 and 255, with a few pixels between (128, 130, 233) where somebody
painted by hand; each takes the nearest of the three, which nothing but this script may decide.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SHADES = np.array([0, 127, 255])
SUFFIX = "_seg-axonmyelin-manual"


def main() -> None:
    """Write images, masks and the split."""
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    lines = ["image,split"]
    for number, path in enumerate(sorted(source.glob("*_SEM.png"))):
        grey = Image.open(path, formats=["PNG"]).convert("LA").getchannel(0)
        mask = Image.open(path.with_name(f"{path.stem}{SUFFIX}.png"), formats=["PNG"]).convert("L")
        distances = np.abs(np.asarray(mask, np.int16)[..., None] - SHADES)
        grey.save(out / "images" / path.name)
        Image.fromarray(distances.argmin(-1).astype(np.uint8)).save(out / "masks" / path.name)
        lines.append(f"{path.name},{'test' if number % 5 in {1, 3} else 'train'}")
    (out / "groups.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
