"""Reading the options of a network, which the config hands over as they stand."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from askmask.errors import ConfigError


class Options(BaseModel):
    """Base of a network's options: unknown keys are refused, values are checked, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyOptions = TypeVar("AnyOptions", bound=Options)


def read_options(kind: type[AnyOptions], options: Mapping[str, Any], model: str) -> AnyOptions:
    """Check the options of a network.

    Parameters
    ----------
    kind : subclass of Options
        The options that the network knows, with their defaults and ranges.
    options : mapping
        As in the config's ``model.options``. Any: each option has its own type.
    model : str
        Name of the network, for messages.

    Raises
    ------
    ConfigError
        With one line per unknown option (and the nearest known one) or bad value.
    """
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        lines = [_explain(problem, kind, model) for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(lines)) from None


def _explain(problem: Any, kind: type[Options], model: str) -> str:  # Any: pydantic's ErrorDetails
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"model.options.{name} of {model!r}: {problem['msg']}, got {problem['input']!r}."
    known = sorted(kind.model_fields)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown option {name!r} of model {model!r}.{hint} Choose from: {', '.join(known)}."
