"""What kind of masks a data set has, where its files leave no doubt."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from askmask.data.masks import IGNORE_INDEX, MaskKind, decode_colours
from askmask.data.prepare.stored_files import StoredFile
from askmask.data.rasters import decode_values, has_palette
from askmask.errors import SourceError

_WHITE = 255


@dataclass(frozen=True)
class Survey:
    """What the masks of a data set hold, taken together.

    Parameters
    ----------
    values : frozenset of int
        Values of the masks that are not in colours.
    in_colour, in_grey : int
        Number of masks in colours, and of others.
    with_palette : int
        Number of masks that store indices into a colour table.
    """

    values: frozenset[int]
    in_colour: int
    in_grey: int
    with_palette: int


def survey_masks(masks: Iterable[StoredFile]) -> Survey:
    """Look at every mask once; files that cannot be read are left to the checks."""
    values: set[int] = set()
    in_colour = in_grey = with_palette = 0
    for mask in masks:
        try:
            content = mask.read()
            with_palette += has_palette(content, mask.name)
            found = _values(content, mask.name)
        except SourceError:
            continue
        in_colour += found is None
        in_grey += found is not None
        values.update(found or ())
    return Survey(frozenset(values), in_colour, in_grey, with_palette)


def guess_kind(
    survey: Survey,
    n_classes: int | None,
    *,
    has_colours: bool = False,
    ignore_value: int | None = None,
) -> MaskKind:
    """Kind of masks, where there is only one that fits.

    Parameters
    ----------
    survey : Survey
        What the masks hold.
    n_classes : int, optional
        Number of classes, None if nobody named them.
    has_colours : bool
        Whether the colours of the classes are known.
    ignore_value : int, optional
        The value of unlabelled pixels, if one was given.

    Returns
    -------
    MaskKind
        Palette, if all masks are in colours that have names. Binary, if 0 and 255 are the only
        values, 255 occurs and is not the value to ignore, and two classes are named or none. Index,
        if all values are below the number of classes, or the one to ignore (255, if none is given).

    Raises
    ------
    SourceError
        If several kinds fit, or none; the message names the choices.
    """
    if survey.in_colour and not survey.in_grey and has_colours:
        return MaskKind.PALETTE
    if survey.in_colour:
        reason = (
            f"{survey.in_colour} masks are in colours and {survey.in_grey} are not"
            if survey.in_grey
            else "the masks are in colours, and no colours of the classes are given"
        )
        raise _ambiguous(reason)
    if survey.with_palette and has_colours:
        raise _ambiguous(
            f"{survey.with_palette} masks store indices with a colour table, and the colours of "
            "the classes are given: either could count"
        )
    shades = survey.values - {ignore_value}
    if _WHITE in shades and shades <= {0, _WHITE} and n_classes in (None, 2):
        return MaskKind.BINARY
    ignored = IGNORE_INDEX if ignore_value is None else ignore_value
    if n_classes is not None and survey.values - {ignored} <= set(range(n_classes)):
        return MaskKind.INDEX
    named = "no classes are named" if n_classes is None else f"{n_classes} classes are named"
    raise _ambiguous(
        f"the masks hold {len(survey.values)} values up to {max(survey.values, default=0)}, "
        f"and {named}"
    )


def _values(content: bytes, where: str) -> set[int] | None:
    """Values of a mask; None if it is in colours."""
    try:
        values = decode_values(content, where, may_be_stretched=True)
    except SourceError:
        decode_colours(content, where)
        return None
    return set(np.unique(values).tolist())


def _ambiguous(reason: str) -> SourceError:
    choices = ", ".join(kind.value for kind in MaskKind)
    return SourceError(
        f"masks: their kind is not clear, for {reason}. Say which it is: {choices}; and name the "
        "classes."
    )
