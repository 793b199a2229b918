"""JSON files of other programs: read without trusting them, and checked against models.

Whatever such a file holds ends as a value that its model describes, or as an `ExchangeError` whose
lines say where it differs; never as another exception.
"""

import json
import math
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
)

from askmask.errors import ExchangeError

MAX_BYTES: Final = 2**30
"""Largest JSON file that is opened; it takes several times its size in memory."""

_LISTED: Final = 20  # problems of one file that are told one by one

ModelT = TypeVar("ModelT")

_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = 60
_shown.maxlevel = 2


class JsonObject(BaseModel):
    """An object of a file; what a model does not name is left alone."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def _as_whole(value: object) -> object:
    """JSON knows one kind of number: 3.0 is 3."""
    is_whole = isinstance(value, float) and math.isfinite(value) and value.is_integer()
    return int(value) if is_whole and isinstance(value, float) else value


def _identified(value: object) -> int | str:
    whole = _as_whole(value)
    if isinstance(whole, bool) or not isinstance(whole, int | str):
        raise ValueError("expected a whole number or a text")  # noqa: TRY004 - pydantic wants it
    return whole


Whole = Annotated[int, BeforeValidator(_as_whole)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Identifier = Annotated[int | str, PlainValidator(_identified)]
"""Number or name by which entries of a file refer to each other; 2 and "2" are not the same."""


def read_document(path: Path) -> object:
    """Content of a JSON file; text is UTF-8, or UTF-16 or -32 with a byte order mark.

    Raises
    ------
    ExchangeError
        If there is no such file, it is too large, or it is no JSON.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise problem(
            f"expected a JSON file at {str(path)!r}, but: {error}. Export it again."
        ) from None
    if size > MAX_BYTES:
        raise problem(
            f"expected a JSON file of at most {MAX_BYTES:,} bytes, got {size:,} in {str(path)!r}. "
            "Export fewer images at a time."
        )
    return decode_document(content, str(path))


def decode_document(content: bytes, where: str) -> object:
    """Content of JSON text.

    Parameters
    ----------
    content : bytes
        UTF-8, or UTF-16 or -32 with a byte order mark.
    where : str
        What to call it in messages.

    Raises
    ------
    ExchangeError
        If it is no JSON, or an object has an entry twice.
    """
    try:
        return json.loads(content, object_pairs_hook=_without_repeats)
    except RecursionError:
        reason = "its entries are nested too deeply"
    except (ValueError, MemoryError) as error:
        reason = str(error) or type(error).__name__
    raise problem(f"expected a JSON file at {where!r}, but: {reason}. Export it again.")


def problem(line: str) -> ExchangeError:
    """Error of one problem."""
    return ExchangeError([line])


def parse(validate: Callable[[object], ModelT], content: object, where: str) -> ModelT:
    """Content as a model describes it.

    Parameters
    ----------
    validate : callable
        Of the model: its ``TypeAdapter(...).validate_python``.
    content : object
        As `read_document` gives it.
    where : str
        What to call the file, or the part of it, in messages.

    Raises
    ------
    ExchangeError
        With a line for everything that differs from the model.
    """
    try:
        return validate(content)
    except ValidationError as error:
        lines = [_line(problem, where) for problem in error.errors(include_url=False)[:_LISTED]]
        left_out = error.error_count() - len(lines)
        if left_out > 0:
            lines.append(f"and {left_out} more of this kind in {where!r}.")
    except RecursionError:
        lines = [f"expected entries in {where!r} that are not nested so deeply. Export it again."]
    raise ExchangeError(lines) from None


def shown(value: object) -> str:
    """Any value for a message: on one line, short, whatever it is."""
    return _shown.repr(value)


def _line(problem: Any, where: str) -> str:  # Any: pydantic's problems
    place = ""
    for part in problem["loc"]:
        if isinstance(part, int):
            place += f"[{part}]"
        elif part.isidentifier():
            place += f".{part}"
    told = _expectation(problem)
    at = f" at {place.lstrip('.')}" if place else ""
    came = shown(problem["input"])
    return f"{told}{at} in {where!r}, got {came}. Mend or delete that entry, or export again."


def _expectation(problem: Any) -> str:  # Any: pydantic's problems
    """The value that a model expected, in the words of our messages."""
    limits = problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return "expected this entry"
        case "model_type":
            return "expected an object"
        case "too_short":
            return f"expected at least {limits['min_length']} items"
        case "too_long":
            return f"expected at most {limits['max_length']} items"
    told = str(problem["msg"]).removeprefix("Value error, ").replace("\n", " ")
    return told.replace("Input should be ", "expected ")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Object of a file; the same key twice could mean either value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the entry {shown(repeated)} comes twice in one object")
    return found
