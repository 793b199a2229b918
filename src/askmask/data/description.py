"""Content of ``dataset.json``, which describes a prepared data set."""

import json
import re
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askmask.errors import AskmaskError, SourceError
from askmask.records import ClassMap

DESCRIPTION_NAME = "dataset.json"
FORMAT_VERSION = 1
_SCALE_IN_WORDS: Final = re.compile(r", scale ([0-9.]+)$")
"""How data sets said it before `scale` was a field."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_Part):
    """Files and facts of one image."""

    id: str
    image: str
    mask: str | None = None
    instances: str | None = None
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    split: str = "train"
    group: str | None = None
    role: Literal["start", "pool", "validation", "test"] | None = None


class Description(_Part):
    """Classes, origin, range of brightness and images."""

    format: Literal["askmask-dataset"] = "askmask-dataset"
    version: Literal[1] = 1
    classes: tuple[str, ...]
    made_from: str
    scale: float | None = Field(default=None, gt=0, le=1)  # None: not shrunk
    value_range: tuple[float, float] | None = None
    range_percentiles: tuple[float, float] | None = None  # of each image by itself
    images: tuple[Entry, ...]


def read_description(path: Path) -> Description:
    """Read the description of the data set in a folder.

    Raises
    ------
    SourceError
        If there is none, or none of this version.
    """
    file = path / DESCRIPTION_NAME
    if not file.is_file():
        raise SourceError(
            f"expected a prepared data set in {str(path)!r}, found no {DESCRIPTION_NAME}. "
            "Make one with `askmask prepare`."
        )
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
        version = tree.get("version") if isinstance(tree, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise SourceError(
                f"{str(file)!r} has version {version}, this askmask reads {FORMAT_VERSION}. "
                "Update askmask."
            )
        return _with_scale(Description.model_validate(tree))
    except AskmaskError:
        raise
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SourceError(
            f"{str(file)!r} is no valid description: {key}: {first['msg']}, "
            f"got {first['input']!r}. Prepare the data set again."
        ) from None
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{str(file)!r} is no valid JSON ({error}). Prepare the data set again."
        ) from error


def named_classes(own: tuple[str, ...], given: tuple[str, ...] | None, where: Path) -> ClassMap:
    """Classes of a data set, under the names that a project gives them.

    Parameters
    ----------
    own : tuple of str
        What the data set calls them.
    given : tuple of str, optional
        Names in their place, and of classes that came later.
    where : Path
        The data set.

    Raises
    ------
    SourceError
        If there are fewer names than classes.
    """
    if given is not None and len(given) < len(own):
        raise SourceError(
            f"expected names for the {len(own)} classes of {str(where)!r}, got {len(given)}: "
            f"{list(given)!r}. Name them all in data.classes."
        )
    return ClassMap.of(given or own)


def _with_scale(description: Description) -> Description:
    """Take the scale of an older data set from the words that name its origin."""
    told = _SCALE_IN_WORDS.search(description.made_from)
    if description.scale is not None or told is None:
        return description
    return description.model_copy(update={"scale": float(told[1])})
