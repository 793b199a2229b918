"""Other people's parts: objects that a config names as ``package.module:object``.

Networks, sources of images and strategies come in by this door. The package must be installed, or
its folder be on PYTHONPATH, in every process that reads the config.
"""

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from askmask.errors import ConfigError, UnknownName


def import_part(path: str, kind: str) -> object:
    """Import the object that a config names.

    Parameters
    ----------
    path : str
        ``"package.module:object"``.
    kind : str
        What it should be, with its article, for messages: ``"a network"``.

    Raises
    ------
    UnknownName
        If the module cannot be imported or has no such object; says which of the two it was.

    Examples
    --------
    >>> import_part("math:pi", "a number")
    3.141592653589793
    >>> import_part("math:tau2", "a number")
    Traceback (most recent call last):
    askmask.errors.UnknownName: expected a number as 'package.module:object', got 'math:tau2', \
but: module 'math' has no attribute 'tau2'. Install the package, or put its folder into PYTHONPATH.
    """
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UnknownName(
            f"expected {kind} as 'package.module:object', got {path!r}, but: {error}. "
            "Install the package, or put its folder into PYTHONPATH."
        ) from error


def call_factory(path: str, kind: str, *positional: object, options: Mapping[str, Any]) -> object:
    """Make a part by calling the factory that a config names.

    Parameters
    ----------
    path : str
        ``"package.module:factory"``; a function or a class.
    kind : str
        What it makes, with its article, for messages.
    *positional : object
        What askmask hands over.
    options : mapping
        What the config hands over, as keywords. Any: each option has its own type.

    Returns
    -------
    object
        Whatever the factory returns. Exceptions raised inside it are not caught.

    Raises
    ------
    UnknownName
        If there is no such factory, or it cannot be called.
    ConfigError
        If it does not take these arguments; says which it takes.

    Examples
    --------
    >>> call_factory("fractions:Fraction", "a number", 1, options={"denominator": 3})
    Fraction(1, 3)
    """
    factory = import_part(path, kind)
    if not callable(factory):
        raise UnknownName(
            f"expected {path!r} to be a function or class that makes {kind}, got "
            f"{type(factory).__name__}."
        )
    signature = inspect.signature(factory)
    try:
        signature.bind(*positional, **options)
    except TypeError as error:
        raise ConfigError(
            f"expected options that {path!r}{signature} takes, got {dict(options)!r}: {error}. "
            "Mend the options, or the factory's parameters."
        ) from error
    return factory(*positional, **options)
