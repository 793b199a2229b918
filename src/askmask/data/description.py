"""What ``dataset.json`` says of a prepared data set."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askmask.errors import AskmaskError, SourceError

DESCRIPTION_NAME = "dataset.json"
FORMAT_VERSION = 1


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
        return Description.model_validate(tree)
    except AskmaskError:
        raise
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SourceError(
            f"{str(file)!r} is no valid description: {key}: {first['msg']}, "
            f"got {first['input']!r}. Prepare the data set again."
        ) from None
    except ValueError as error:
        raise SourceError(
            f"{str(file)!r} is no valid JSON ({error}). Prepare the data set again."
        ) from error
