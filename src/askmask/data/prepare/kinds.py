"""Kind of a data set's masks, where its files leave no doubt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from askmask.data.masks import IGNORE_INDEX, MaskKind, colour_of, decode_colours
from askmask.data.pictures.opening import open_picture
from askmask.data.pictures.picture import AS_STORED, Picture, Reading
from askmask.data.prepare.class_file import Colour
from askmask.data.prepare.stored_files import StoredFile
from askmask.data.rasters import decode_values
from askmask.errors import SourceError
from askmask.records import UNLABELLED

_BLACK, _WHITE = 0, 255
_MOST_COLOURS = 256  # more are no classes


@dataclass(frozen=True)
class MaskSurvey:
    """Values and colours in the masks of a data set, taken together.

    Parameters
    ----------
    values : frozenset of int
        Values of the masks that are not in colours.
    in_colour, in_grey : int
        Number of masks in colours, and of others.
    with_palette : int
        Number of masks that store indices into a colour table.
    table : frozenset of (int, colour)
        The indices that occur in those, and the colours that they are shown in.
    colours : frozenset of colour
        Colours of the masks that are in colours; a few more than 256 at most.
    problems : tuple of str
        Why files could not be read, a line each.
    files : mapping of int to str
        For some values, a file that holds it.
    """

    values: frozenset[int]
    in_colour: int
    in_grey: int
    with_palette: int
    table: frozenset[tuple[int, Colour]] = frozenset()
    colours: frozenset[Colour] = frozenset()
    problems: tuple[str, ...] = ()
    files: Mapping[int, str] = field(default_factory=dict)


def survey_masks(
    masks: Iterable[StoredFile], reading: Reading = AS_STORED, *, may_be_lossy: bool = False
) -> MaskSurvey:
    """Look at every mask once.

    Parameters
    ----------
    masks : iterable of StoredFile
    reading : Reading, optional
        What the owner says of the files.
    may_be_lossy : bool
        Whether JPEG will do.
    """
    found = _Found(reading, may_be_lossy=may_be_lossy)
    for mask in masks:
        try:
            found.add(mask.read(), mask.name)
        except SourceError as error:
            found.problems.append(str(error))
    return found.survey()


def guess_kind(
    survey: MaskSurvey,
    n_classes: int | None,
    *,
    colours: Mapping[Colour, int] | None = None,
    ignore_value: int | None = None,
    may_be_unsure: bool = False,
) -> MaskKind:
    """Kind of masks, where there is only one that fits.

    Parameters
    ----------
    survey : MaskSurvey
        What the masks hold.
    n_classes : int, optional
        Number of classes, None if they have no names.
    colours : mapping of colour to label, optional
        The colours of the classes, if they are known.
    ignore_value : int, optional
        The value of unlabelled pixels, if one was given.
    may_be_unsure : bool
        Whether 255 is as likely to say "do not know" as it is to be white: in a region that was
        asked, it is. Among masks of whole images of two classes it is not, since no second class
        would be left.

    Returns
    -------
    MaskKind
        Palette, if all masks are in colours that have names. Binary, if 0 and 255 are the only
        values, 255 occurs and is not the value to ignore, and two classes are named or none. Index,
        if all values are below the number of classes, or the one to ignore (255, if none is given),
        and for grey masks of more than two classes, whatever they hold.

    Raises
    ------
    SourceError
        If several kinds fit, or none; the message names the choices.
    """
    if survey.in_colour:
        return _colour_kind(survey, colours)
    is_told = _check_table(survey, colours, ignore_value)
    if is_told and survey.with_palette == survey.in_grey:
        return MaskKind.INDEX
    shades = survey.values - {ignore_value}
    is_white = _WHITE in shades and shades <= {_BLACK, _WHITE}
    if is_white and ignore_value is None and (may_be_unsure or n_classes not in (None, 2)):
        raise _ambiguous(
            "0 and 255 are their only values, and 255 may be white, a class, or say that nobody "
            "knew",
            "Say --kind binary if it is the second of two classes, --kind index if it marks pixels "
            "to leave out.",
        )
    if is_white and n_classes in (None, 2):
        return MaskKind.BINARY
    if n_classes is not None and survey.values <= _indices(n_classes, ignore_value):
        return MaskKind.INDEX
    if n_classes is not None and n_classes > 2:
        return MaskKind.INDEX  # no other kind has so many; reading tells which pixels do not fit
    raise _ambiguous(_unfitting(survey, n_classes))


def _colour_kind(survey: MaskSurvey, colours: Mapping[Colour, int] | None) -> MaskKind:
    # A mask of one grey class, black most often, has no colour in it and still is one of colours.
    if survey.in_grey and not all((value,) * 3 in (colours or ()) for value in survey.values):
        raise _ambiguous(f"{survey.in_colour} masks are in colours and {survey.in_grey} are not")
    if not colours:
        raise _ambiguous("the masks are in colours, and no colours of the classes are given")
    return MaskKind.PALETTE


def _check_table(
    survey: MaskSurvey, colours: Mapping[Colour, int] | None, ignore_value: int | None
) -> bool:
    """Whether the colours of all indices that occur say the same as the indices.

    Refuses indices whose colours say something else, where somebody could have meant them.
    """
    ignored = IGNORE_INDEX if ignore_value is None else ignore_value
    if colours and all(colour in colours for _, colour in survey.table):
        if all(
            colours[colour] == (UNLABELLED if index == ignored else index)
            for index, colour in survey.table
        ):
            return bool(survey.table)
        raise _ambiguous(
            f"{survey.with_palette} masks store indices with a colour table, and the colours of "
            "the classes are given: either could count"
        )
    shown = {colour[0]: index for index, colour in survey.table if len(set(colour)) == 1}
    is_bilevel = set(shown) == {_BLACK, _WHITE} and len(survey.table) == 2
    if is_bilevel and shown[_WHITE] < shown[_BLACK]:
        raise _ambiguous(
            f"they store {shown[_WHITE]} shown white and {shown[_BLACK]} shown black, so numbers "
            "and look contradict each other",
            "Say --kind index (or binary, for 0 and 255) if the numbers count, --kind palette with "
            "the colours in a classes.json if the look does.",
        )
    return False


def _indices(n_classes: int, ignore_value: int | None) -> set[int]:
    """Values that may occur in masks of indices."""
    first = 1 if ignore_value == 0 else 0
    ignored = IGNORE_INDEX if ignore_value is None else ignore_value
    return {ignored, *range(first, first + n_classes)}


def _unfitting(survey: MaskSurvey, n_classes: int | None) -> str:
    named = "no classes are named" if n_classes is None else f"{n_classes} classes are named"
    reason = (
        f"the masks hold {len(survey.values)} values up to {max(survey.values, default=0)}, "
        f"and {named}"
    )
    strange = sorted(set(survey.files) - _indices(n_classes or 0, None))
    if strange:
        reason += f" (e.g. {strange[0]} in {survey.files[strange[0]]!r})"
    if n_classes in (None, 2) and _WHITE in survey.values and len(survey.values) > 2:
        reason += ". If they are black and white with soft edges, say --kind binary --threshold 128"
    return reason


def _ambiguous(reason: str, cure: str | None = None) -> SourceError:
    choices = ", ".join(kind.value for kind in MaskKind)
    said = cure or f"Say which it is: {choices}; and name the classes."
    return SourceError(f"masks: their kind is not clear, for {reason}. {said}")


class _Found:
    """A survey that grows."""

    def __init__(self, reading: Reading, *, may_be_lossy: bool) -> None:
        self.problems: list[str] = []
        self._reading = reading
        self._may_be_lossy = may_be_lossy
        self._values: set[int] = set()
        self._files: dict[int, str] = {}
        self._table: set[tuple[int, Colour]] = set()
        self._colours: set[Colour] = set()
        self._in_colour = self._in_grey = self._with_palette = 0

    def add(self, content: bytes, where: str) -> None:
        picture = open_picture(content, where)
        if _is_coloured(picture):
            codes = np.unique(decode_colours(content, where, self._reading)).tolist()
            self._in_colour += 1
            if len(self._colours) <= _MOST_COLOURS:
                self._colours.update(colour_of(code) for code in codes[: _MOST_COLOURS + 1])
            return
        values = decode_values(
            content,
            where,
            may_be_stretched=True,
            may_be_lossy=self._may_be_lossy,
            reading=self._reading,
            ignored=_smallest(picture),
        )
        found = np.unique(values).tolist()
        self._in_grey += 1
        if len(self._files) < _MOST_COLOURS:
            self._files |= {
                value: where for value in found[:_MOST_COLOURS] if value not in self._files
            }
        self._values.update(found)
        if picture.palette is not None:
            self._with_palette += 1
            colours = picture.palette[np.minimum(found, len(picture.palette) - 1), :3].tolist()
            self._table |= {
                (value, (red, green, blue))
                for value, (red, green, blue) in zip(found, colours, strict=True)
            }

    def survey(self) -> MaskSurvey:
        return MaskSurvey(
            frozenset(self._values),
            self._in_colour,
            self._in_grey,
            self._with_palette,
            frozenset(self._table),
            frozenset(self._colours),
            tuple(self.problems),
            self._files,
        )


def _is_coloured(picture: Picture) -> bool:
    if picture.palette is not None or picture.colours != 3 or picture.values.ndim == 2:
        return False
    return bool((picture.values[:, :, :3] != picture.values[:, :, :1]).any())


def _smallest(picture: Picture) -> int | None:
    """A negative value, which the rule accepts if it is the one to ignore."""
    is_signed = np.issubdtype(picture.values.dtype, np.signedinteger)
    return int(picture.values.min()) if is_signed else None
