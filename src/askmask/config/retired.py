"""Settings that earlier versions had, and what becomes of a config that still holds them.

A setting that changed nothing is dropped silently, so that older projects and runs open.
One that did change something is refused: no other behaviour takes its place in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Retired:
    """A setting that is no more.

    Attributes
    ----------
    key : str
        Dotted.
    off : object
        The value under which it changed nothing, or `ALWAYS` if it never did on its own.
    advice : str
        What a person does instead; a whole sentence.
    """

    key: str
    off: object
    advice: str


ALWAYS: Final = object()

RETIRED: Final = (
    Retired(
        "sampling.adaptive",
        False,
        "Every image gets sampling.samples; lower that number to save time.",
    ),
    Retired("sampling.adaptive_loss", ALWAYS, "It tuned sampling.adaptive."),
    Retired(
        "training.pseudo_label_weight",
        0,
        "Training sees answers only.",
    ),
    Retired(
        "training.augment.elastic_pixels",
        0,
        "Use rotate_degrees, scale and flip.",
    ),
    Retired(
        "serve.ask_below",
        5,
        "The worker keeps serve.ahead regions asked ahead of everybody.",
    ),
)


def without_retired(tree: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Drop the retired settings from a tree.

    Parameters
    ----------
    tree : mapping
        Settings by section. Any: each has its own type. Not modified.

    Returns
    -------
    tree : dict
        Without any retired setting.
    problems : list of str
        One sentence for each that did change something.

    Examples
    --------
    >>> without_retired({"sampling": {"adaptive": False, "samples": 9}})
    ({'sampling': {'samples': 9}}, [])
    >>> _, problems = without_retired({"sampling": {"adaptive": True}})
    >>> print(problems[0])
    'sampling.adaptive' was removed, got True. Every image gets sampling.samples; lower that \
number to save time. Delete the line.
    """
    kept, problems = dict(tree), []
    for setting in RETIRED:
        *sections, key = setting.key.split(".")
        section = kept
        for name in sections:
            inner = section.get(name)
            if not isinstance(inner, dict):
                break
            section[name] = section = dict(inner)
        else:
            value = section.pop(key, setting.off)
            if setting.off is not ALWAYS and value != setting.off:
                problems.append(
                    f"{setting.key!r} was removed, got {value!r}. {setting.advice} Delete the line."
                )
    return kept, problems
