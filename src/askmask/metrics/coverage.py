"""Words for what the scores of a table cover: classes of a mean, objects, and the rule of a match.

A score that leaves something out says so beside itself; these are the sentences.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from askmask.config import EvaluationConfig, ObjectRule
from askmask.records import MetricRow

BY_RULE: Final = "object_f1_by_"
"""What the name of a row begins with that gives ``object_f1`` again under the name of its rule."""

_RULES: dict[ObjectRule, str] = {
    "glas": "GlaS rule, a prediction is right if it covers more than half of the true object that "
    "it overlaps most",
    "one_to_one": "one-to-one rule, the best pairing in which each prediction covers half of its "
    "true object or more",
}


def means_cover(names: Sequence[str], *, has_background: bool) -> str:
    """Words for the classes that a mean over classes covers.

    Examples
    --------
    >>> means_cover(("sky", "roof", "tree"), has_background=True)
    'Means cover roof, tree; sky is the background (class 0) and left out.'
    >>> means_cover(("sky", "roof", "tree"), has_background=False)
    'Means cover all 3 classes: sky, roof, tree.'
    """
    if has_background:
        return (
            f"Means cover {', '.join(names[1:])}; {names[0]} is the background (class 0) and "
            "left out."
        )
    return f"Means cover all {len(names)} classes: {', '.join(names)}."


def rule_of(metrics: Iterable[str]) -> ObjectRule | None:
    """By which rule the object scores of a table were made; None if it has none.

    Tables that do not tell are older than the choice: then it was one to one.

    Parameters
    ----------
    metrics : iterable of str
        Names of the table's metrics.

    Examples
    --------
    >>> rule_of(["object_f1", "object_f1_by_glas"]), rule_of(["object_f1"]), rule_of(["nll"])
    ('glas', 'one_to_one', None)
    """
    names = set(metrics)
    for rule in _RULES:
        if BY_RULE + rule in names:
            return rule
    return "one_to_one" if "object_f1" in names else None


def objects_are(metrics: Iterable[str], min_pixels: int) -> str | None:
    """How the objects of a table were matched, and which were too small to count.

    Parameters
    ----------
    metrics : iterable of str
        Names of the table's metrics. A table that does not tell its rule is older than the choice,
        and of the time when only predicted objects were left out.
    min_pixels : int
        The smallest object.

    Returns
    -------
    str or None
        A sentence; None for a table without objects.

    Examples
    --------
    >>> print(objects_are(["nll"], 40))
    None
    """
    names = set(metrics)
    rule = rule_of(names)
    if rule is None:
        return None
    words = f"Objects: {_RULES[rule]}"
    if min_pixels > 1:
        is_older = BY_RULE + rule not in names
        which = "predicted ones only" if is_older else "true and predicted ones alike"
        words += f"; those under {min_pixels} pixels are left out, {which}"
    return words + "."


def coverage_notes(
    rows: Iterable[MetricRow], names: Sequence[str], config: EvaluationConfig
) -> list[str]:
    """Return what a table of these rows must say beside it."""
    objects = objects_are((row.metric for row in rows), config.min_object_pixels)
    notes = [means_cover(names, has_background=config.has_background)]
    return notes if objects is None else [*notes, objects]
