"""The list that comes with every export: which image and which part of it each name stands for.

::

    OUT/askmask-export.json     project, classes, and name, image id and place of every item

An import goes by it, wherever between the file and two folders above it lies.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from askmask.errors import ConfigError, ExchangeError
from askmask.formats.documents import JsonObject, Whole, parse, read_document
from askmask.formats.format import Expected, raise_problems
from askmask.records import ClassMap, Region

MANIFEST_NAME: Final = "askmask-export.json"
_FOLDERS_UP: Final = 2  # labelsTr lies two below the top of nnU-Net's export


class _Item(JsonObject):
    name: str
    image_id: str
    row: Annotated[Whole, Field(ge=0)]
    col: Annotated[Whole, Field(ge=0)]
    height: Annotated[Whole, Field(ge=1)]
    width: Annotated[Whole, Field(ge=1)]


class _Document(JsonObject):
    askmask_export: Literal[1]
    project: str
    classes: list[str]
    has_background: bool
    items: list[_Item]


_DOCUMENT: Final = TypeAdapter(_Document).validate_python


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content of an export.

    Attributes
    ----------
    project : str
        Identity of the project's database.
    classes, has_background
        As in `askmask.formats.format.Export`.
    regions : mapping of str to Region
        By name, in the order of the export.
    """

    project: str
    classes: ClassMap
    has_background: bool
    regions: Mapping[str, Region]

    def write(self, folder: Path, **facts: str | None) -> None:
        """Write it into the folder of an export, with further facts for people who look."""
        items = [
            {
                "name": name,
                "image_id": region.image_id,
                "row": region.row,
                "col": region.col,
                "height": region.height,
                "width": region.width,
            }
            for name, region in self.regions.items()
        ]
        document = {
            "askmask_export": 1,
            "project": self.project,
            **facts,
            "classes": list(self.classes.names),
            "has_background": self.has_background,
            "items": items,
        }
        text = json.dumps(document, indent=1)
        (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of an export.

    Raises
    ------
    ExchangeError
        If it is none.
    """
    document = parse(_DOCUMENT, read_document(path), str(path))
    regions: dict[str, Region] = {}
    problems = []
    for item in document.items:
        region = Region(item.image_id, item.row, item.col, item.height, item.width)
        if regions.setdefault(item.name, region) != region:
            problems.append(f"expected each name once in {str(path)!r}, got {item.name!r} twice.")
    try:
        classes = ClassMap.of(document.classes)
        raise_problems(problems)
    except ConfigError as error:
        problems.append(f"cannot use the classes of {str(path)!r}: {error}")
        raise ExchangeError(problems) from error
    return Manifest(document.project, classes, document.has_background, regions)


def find_manifest(path: Path) -> Path | None:
    """Manifest in a folder, beside a file, or up to two folders above; None if there is none."""
    start = path if path.is_dir() else path.parent
    for folder in (start, *start.resolve().parents[:_FOLDERS_UP]):
        if (folder / MANIFEST_NAME).is_file():
            return folder / MANIFEST_NAME
    return None


def expected_by(
    manifest: Manifest, expected: Expected, *, project: str | None, where: str
) -> Expected:
    """Regions that a file may label; names of a manifest go before all others.

    Parameters
    ----------
    manifest : Manifest
        Of the export that the file comes from.
    expected : Expected
        What the project knows.
    project : str or None
        Identity of the project; None takes the manifest of any.
    where : str
        What to call the manifest in messages.

    Raises
    ------
    ExchangeError
        If the manifest is that of another project or has other classes, or an image is not known
        or has another size now.
    """
    problems: list[str] = []
    if project is not None and manifest.project != project:
        problems.append(
            f"expected an export of this project in {where!r}, got one of another project. If the "
            f"images are the same, import with --manifest {where}."
        )
    settings = (manifest.classes.names, manifest.has_background)
    if settings != (expected.classes.names, expected.has_background):
        problems.append(
            f"expected the classes {list(expected.classes.names)!r} with has_background "
            f"{expected.has_background} in {where!r}, got {list(manifest.classes.names)!r} with "
            f"{manifest.has_background}. Export again since the classes changed."
        )
    problems += _misfits(manifest.regions.values(), expected, where)
    raise_problems(problems)
    return replace(expected, regions={**expected.regions, **manifest.regions})


def _misfits(regions: Iterable[Region], expected: Expected, where: str) -> list[str]:
    """Problems of regions that lie in no image of the project."""
    problems = []
    for region in regions:
        info = expected.images.get(region.image_id)
        if info is None:
            problems.append(
                f"expected images of this project in {where!r}, got {region.image_id!r}. Take its "
                "entry out if the image was removed on purpose."
            )
        elif region.row + region.height > info.height or region.col + region.width > info.width:
            problems.append(
                f"expected regions inside image {region.image_id!r} of shape "
                f"{(info.height, info.width)} in {where!r}, got {region!r}. Give a changed image a "
                "new name."
            )
    return problems
