"""What each score says, in two sentences for somebody who meets it for the first time.

Every place that shows a score takes its words from here: commands, the report, the glossary's test.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

MEANINGS: Final = MappingProxyType(
    {
        "dice": "Twice the pixels that truth and prediction share, divided by the pixels of both "
        "together. 1 is perfect, 0 is no overlap.",
        "iou": "The pixels that truth and prediction share, divided by those that either of them "
        "has. It orders models as Dice does, with smaller numbers.",
        "pixel_accuracy": "The share of pixels that are given their true class. Where one class "
        "covers most of the image, it is high even for a model that knows no other.",
        "object_f1": "The balance of two shares: of the true objects, those that are found, and of "
        "the found ones, those that are real. 1 means that every object is found and none is "
        "invented.",
        "object_dice": "Dice of each object with its best match, averaged. Large objects count "
        "more than small ones.",
        "object_hausdorff": "The largest distance between the outlines of an object and its best "
        "match, in pixels, averaged. 0 is perfect; one stray corner can make it large.",
        "nll": "The mean of -log of the probability given to the true class. Smaller is better, "
        "and one confident mistake costs much.",
        "brier": "The mean squared distance between the probabilities and the truth, from 0 "
        "(perfect) to 2. It punishes confident mistakes less than NLL does.",
        "ece": "The mean gap between confidence and the share of pixels that is right, over bins "
        "of confidence. 0 is perfect; 0.05 means five points in a hundred off on average.",
        "aurc": "The share of wrong pixels among the most certain ones, averaged over how many of "
        "them are kept. Small means that the model knows where it is wrong.",
    }
)
"""Two sentences for each score, by its name in the results table."""

_SHORT: Final = {"mean_dice": "dice", "mean_iou": "iou"}
_PREFIXES: Final = ("recalibrated_",)


def meaning_of(metric: str) -> str | None:
    """Two sentences on a metric of the results table; None for parts that need their page.

    Examples
    --------
    >>> meaning_of("mean_dice") == meaning_of("recalibrated_mean_dice") == MEANINGS["dice"]
    True
    >>> meaning_of("nll_low") is None
    True
    """
    for prefix in _PREFIXES:
        metric = metric.removeprefix(prefix)
    return MEANINGS.get(_SHORT.get(metric, metric))


def meanings_of(metrics: Iterable[str]) -> dict[str, str]:
    """Each different meaning once, by the first of the metrics that has it.

    Examples
    --------
    >>> list(meanings_of(["mean_dice", "dice", "nll_low", "ece"]))
    ['mean_dice', 'ece']
    """
    found: dict[str, str] = {}
    for metric in metrics:
        meaning = meaning_of(metric)
        if meaning is not None and meaning not in found.values():
            found[metric] = meaning
    return found
