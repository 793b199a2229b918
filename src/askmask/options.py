"""Reading the options of a network or a strategy, which the config hands over as they stand."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from askmask.errors import ConfigError


class Options(BaseModel):
    """Base of all options: unknown keys are refused, values are checked, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyOptions = TypeVar("AnyOptions", bound=Options)


def read_options(
    kind: type[AnyOptions], options: Mapping[str, Any], name: str, owner: str = "model"
) -> AnyOptions:
    """Check the options of a network or a strategy.

    Parameters
    ----------
    kind : subclass of Options
        The options that it knows, with their defaults and ranges.
    options : mapping
        As in the config's ``model.options``. Any: each option has its own type.
    name : str
        Of the network or the strategy, for messages.
    owner : str
        ``"model"`` or ``"strategy"``, for messages.

    Raises
    ------
    ConfigError
        With one line per unknown option (and the nearest known one) or bad value.
    """
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        lines = [
            _explain(problem, kind, f"{owner} {name!r}")
            for problem in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from None


def _explain(problem: Any, kind: type[Options], owner: str) -> str:  # Any: pydantic's ErrorDetails
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"option {name!r} of {owner}: {problem['msg']}, got {problem['input']!r}."
    known = sorted(kind.model_fields)
    if not known:
        return f"unknown option {name!r}: {owner} has no options."
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown option {name!r} of {owner}.{hint} Choose from: {', '.join(known)}."
