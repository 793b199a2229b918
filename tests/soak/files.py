"""Hostile files of each kind that askmask reads: read, or refused in words, in bounded time."""

import io
import random
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from askmask.config import load_config
from askmask.data.prepare.folder import PrepareOptions, prepare_folder
from askmask.data.prepare.glas import prepare_glas
from askmask.data.prepared import PreparedSource
from askmask.errors import AskmaskError
from askmask.formats.coco.coco import Coco
from askmask.formats.format import Format, Item
from askmask.formats.label_studio.label_studio import LabelStudio
from askmask.formats.nnunet import NnUNet
from askmask.formats.qupath.qupath import QuPath
from askmask.testing.exchange import ASKED, batch, drawn, expected
from damaged_database import damaged_project, damages, read_everything
from soak.site import make_site

SLOW_SECONDS: Final = 10.0
MOST_CHARACTERS: Final = 20_000

Read = Callable[[Path], object]


def changed(original: bytes, chance: random.Random) -> bytes:
    """Bytes with a few of them changed, a part doubled or gone, or the end cut off."""
    content = bytearray(original)
    kind = chance.randrange(5)
    place = chance.randrange(len(content))
    if kind == 0:
        for _ in range(chance.choice((1, 3, 30))):
            content[chance.randrange(len(content))] = chance.randrange(256)
    elif kind == 1:
        del content[place:]
    elif kind == 2:
        del content[place : place + chance.choice((1, 8, 200))]
    elif kind == 3:
        part = content[place : place + chance.choice((4, 40, 400))]
        content[place:place] = part * chance.choice((1, 10))
    else:
        content[place : place + 4] = chance.choice(
            (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b'"[{"', b"1e99")
        )
    return bytes(content)


def pictures() -> Iterator[tuple[str, bytes]]:
    """Small pictures in every format that is read."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    kinds = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "tif": "TIFF", "webp": "WEBP"}
    for suffix, kind in kinds.items():
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        yield suffix, file.getvalue()


def read_picture(path: Path) -> object:
    """Prepare a folder of one picture."""
    options = PrepareOptions(classes=("ground", "disc"), allow_missing_masks=True)
    out = path.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    folder = path.parent / "images"
    folder.mkdir(exist_ok=True)
    target = path.replace(folder / path.name)
    try:
        return prepare_folder(folder, None, out, options=options)
    finally:
        target.unlink()


def exports(folder: Path) -> Iterator[tuple[Format, Path]]:
    """Exports in the formats of other programs, and the file of each that is attacked."""
    for format_ in (Coco(), LabelStudio(), QuPath(), NnUNet()):
        place = folder / type(format_).__name__
        items = [Item(name, region, drawn(), score=1.0) for name, region in ASKED.items()]
        format_.write(place, batch(items))
        patterns = ("*.json", "*.geojson", "*/dataset.json")
        (path,) = [found for pattern in patterns for found in place.glob(pattern)]
        yield format_, path


def attack_with_files(folder: Path, count: int, *, seed: int = 0) -> dict[str, object]:
    """Read mutated files of every kind.

    Parameters
    ----------
    folder : Path
        Empty; used freely.
    count : int
        Files of each kind.
    seed : int
        Another one makes others.

    Returns
    -------
    dict
        Files, refusals and the slowest in seconds, by kind.

    Raises
    ------
    AssertionError
        At any exception that is not askmask's, a message that nobody reads, or a file that takes
        more than `SLOW_SECONDS`.
    """
    found: dict[str, object] = {}
    for kind, original, name, read in _kinds(folder):
        chance = random.Random(f"{seed} {kind}")
        mutations = (changed(original, chance) for _ in range(count))
        found[kind] = _attack(folder / name, mutations, read)
    found["database"] = _attack_databases(folder, count, seed)
    return found


def _kinds(folder: Path) -> Iterator[tuple[str, bytes, str, Read]]:
    for suffix, content in pictures():
        yield f"picture .{suffix}", content, f"x.{suffix}", read_picture
    for format_, path in exports(folder):
        place = path.parent.parent if path.name == "dataset.json" else path.parent
        relative = str(path.relative_to(folder))

        def read(_: Path, format_: Format = format_, place: Path = place) -> object:
            return format_.read(place, expected()).found

        yield f"export {type(format_).__name__}", path.read_bytes(), relative, read
    site = make_site(folder / "site")
    settings = (site / "askmask.yaml").read_bytes()
    yield "askmask.yaml", settings, "x.yaml", load_config
    description = site.parent / "dataset" / "dataset.json"
    content = description.read_bytes()
    inside = str(description.relative_to(folder))
    yield "dataset.json", content, inside, lambda path: PreparedSource(path.parent).images()
    description.write_bytes(content)
    yield "zip", _archive(), "glas.zip", lambda path: prepare_glas(path, folder / "glas")


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Grade.csv", "name,grade (GlaS)\r\ntrain_1,benign\r\n")
        archive.writestr("train_1.bmp", bytes(1000))
    return file.getvalue()


def _attack(path: Path, mutations: Iterator[bytes], read: Read) -> dict[str, Any]:
    count = refused = 0
    slowest = 0.0
    for content in mutations:
        path.write_bytes(content)
        started = time.monotonic()
        try:
            read(path)
        except AskmaskError as error:
            refused += 1
            message = str(error)
        except Exception as error:
            path.with_suffix(".culprit").write_bytes(content)
            raise AssertionError(f"{path}: {error!r}; kept as .culprit") from error
        else:
            message = ""
        seconds = time.monotonic() - started
        assert len(message) < MOST_CHARACTERS, (path, message[:300])
        assert seconds < SLOW_SECONDS, (path, seconds)
        slowest = max(slowest, seconds)
        count += 1
    return {"files": count, "refused": refused, "slowest seconds": round(slowest, 2)}


def _attack_databases(folder: Path, count: int, seed: int) -> dict[str, Any]:
    root = folder / "site" / "p"
    original = (root / "askmask.db").read_bytes()
    refused = 0
    read_everything(damaged_project(root, original), folder / "read")
    for number, (name, content) in enumerate(damages(original, seed, count)):
        copy = damaged_project(root, content)
        try:
            read_everything(copy, folder / f"read {number}")
        except AskmaskError:
            refused += 1
        except Exception as error:
            raise AssertionError(name) from error
        shutil.rmtree(folder / f"read {number}", ignore_errors=True)
    return {"files": count, "refused": refused}
