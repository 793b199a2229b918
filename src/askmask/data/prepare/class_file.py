"""Names and colours of classes, given as a ``classes.json``.

::

    {"classes": ["building", "land"],
     "colours": {"building": [60, 16, 152], "land": [132, 41, 246]},
     "ignore_index": 255,
     "ignore_colour": [155, 155, 155]}

Only `classes` is required, in index order. `colours` are those of colour masks; `ignore_index` and
`ignore_colour` mark pixels that have no label.
"""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askmask.errors import SourceError

CLASSES_NAME = "classes.json"

Colour = tuple[int, int, int]
"""Red, green and blue in [0, 255]."""

_Byte = Annotated[int, Field(ge=0, le=255)]


class ClassFile(BaseModel):
    """Content of a ``classes.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[str, ...]
    colours: dict[str, tuple[_Byte, _Byte, _Byte]] | None = None
    ignore_index: int | None = Field(None, ge=0)
    ignore_colour: tuple[_Byte, _Byte, _Byte] | None = None


def read_classes(path: Path) -> ClassFile:
    """Read a ``classes.json``.

    Raises
    ------
    SourceError
        If it is missing, no JSON, or does not have the form above.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8-sig"))
        return ClassFile.model_validate(tree)
    except OSError as error:
        raise SourceError(
            f"cannot read the classes in {str(path)!r} ({error.strerror}). Give the path of a "
            'file like {"classes": ["background", "gland"]}.'
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SourceError(
            f"invalid {str(path)!r}: {key or 'the file'}: {first['msg']}, got {first['input']!r}. "
            'Write it like {"classes": ["background", "gland"]}.'
        ) from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{str(path)!r} is no valid JSON ({error}). Correct it.") from error


def check_classes(
    names: tuple[str, ...], colours: dict[str, Colour] | None, ignore_colour: Colour | None
) -> list[str]:
    """Problems of a set of classes and colours, one line each.

    Parameters
    ----------
    names : tuple of str
        In index order.
    colours : dict of str to colour, optional
        Expected to have one distinct colour for each name.
    ignore_colour : colour, optional
        Expected to differ from all of them.
    """
    problems = []
    if not 2 <= len(names) <= 255:
        problems.append(
            f"classes: expected 2 to 255 names, got {len(names)}. Name the background too."
        )
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        problems.append(f"classes: {twice!r} come twice. Give each class its own name.")
    if colours is None:
        return problems
    without = [name for name in names if name not in colours]
    extra = [name for name in colours if name not in names]
    if without or extra:
        problems.append(
            f"colours: no colour for {without!r}, no class for {extra!r}. "
            "Give each class one colour."
        )
    used = [*colours.values(), *([ignore_colour] if ignore_colour else [])]
    shared = sorted({colour for colour in used if used.count(colour) > 1})
    if shared:
        problems.append(f"colours: {shared!r} stand for several classes. Make them differ.")
    return problems
