"""Options of masks and the rule that follows from them, the same for every command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from askmask.data.class_colours import UNLABELLED_COLOUR, colours_by_name
from askmask.data.masks import MaskKind, MaskRule, Overlaps
from askmask.data.pictures.picture import AS_STORED, Reading
from askmask.data.prepare.class_file import Colour, check_classes
from askmask.data.prepare.kinds import MaskSurvey, guess_kind, survey_masks
from askmask.data.prepare.stored_files import StoredFile
from askmask.errors import SourceError, unknown_name
from askmask.records import UNLABELLED, ClassMap

AUTO = "auto"
TWO_CLASSES = ("background", "foreground")
"""Names of the classes of binary and instance masks, unless others are given."""

WITHOUT_VALUES: Final = (MaskKind.PALETTE, MaskKind.INSTANCE_FILES)
"""Kinds without a value for unlabelled pixels."""

_TWO_CLASS_KINDS = (MaskKind.BINARY, MaskKind.INSTANCES, MaskKind.INSTANCE_FILES)


@dataclass(frozen=True)
class MaskOptions:
    """Options of masks; whatever they leave open is found out from the files, or asked for.

    Parameters
    ----------
    kind : str
        A `MaskKind`, or ``"auto"``.
    ignore_value : int, optional
        Value of pixels without a label. By default 255 in masks of indices, none in others.
    threshold : int, optional
        Cuts black and white masks with soft edges.
    overlaps : Overlaps, optional
        Who gets a pixel of several objects that have files of their own.
    palette : mapping of str to colour, optional
        Colour of each class in palette masks.
    ignore_colour : colour, optional
        Colour of pixels without a label in palette masks.
    reading : Reading
        How to take files that are turned or show 0 white.
    may_be_unsure : bool
        Whether the masks are of regions that were asked, where 255 may say "do not know".
    """

    kind: str = AUTO
    ignore_value: int | None = None
    threshold: int | None = None
    overlaps: Overlaps | None = None
    palette: Mapping[str, Colour] | None = None
    ignore_colour: Colour | None = None
    reading: Reading = AS_STORED
    may_be_unsure: bool = False

    def check(self) -> None:
        """Check the names.

        Raises
        ------
        UnknownName
            If there is no such kind of masks.
        """
        if self.kind not in (AUTO, *MaskKind):
            raise unknown_name("kind of masks", self.kind, [AUTO, *(k.value for k in MaskKind)])


FIND_OUT: Final = MaskOptions()
"""Nothing was said."""


def choose_rule(
    masks: Sequence[StoredFile],
    names: tuple[str, ...] | None,
    options: MaskOptions,
    problems: list[str],
) -> tuple[MaskRule | None, tuple[str, ...]]:
    """How to read masks, and the names of the classes.

    Parameters
    ----------
    masks : sequence of StoredFile
        All of them: what one leaves open, another may settle.
    names : tuple of str, optional
        The classes in index order, if they are known.
    options : MaskOptions
        What the person says of the masks.
    problems : list of str
        Grows by what is wrong or not clear.

    Returns
    -------
    rule : MaskRule or None
        None if there is a problem.
    names : tuple of str
        Empty if neither the person nor the kind names the classes.
    """
    names = names or (tuple(options.palette) if options.palette else None)
    colours = _colours(names, options)
    try:
        kind = _kind(masks, options, None if names is None else len(names), colours)
    except _Unclear as unclear:
        problems += unclear.problems
        return None, names or ()
    if names is None and kind in _TWO_CLASS_KINDS:
        names = TWO_CLASSES
    wrong = _class_problems(kind, names, options)
    problems += wrong
    if wrong or names is None:
        return None, names or ()
    rule = MaskRule(
        kind,
        len(names),
        options.ignore_value,
        colours if kind is MaskKind.PALETTE else None,
        options.threshold,
        options.overlaps,
        options.reading,
    )
    return rule, names


def painted_rule(
    masks: Sequence[StoredFile], classes: ClassMap, options: MaskOptions, problems: list[str]
) -> MaskRule | None:
    """How to read masks that a person painted for a project, all of them alike.

    Colours without a name are those in which askmask writes masks, and 255 may say "do not know"
    as well as be white: where nothing tells which, it is asked.

    Parameters
    ----------
    masks : sequence of StoredFile
    classes : ClassMap
        The project's.
    options : MaskOptions
        What the person says of the masks.
    problems : list of str
        Grows by what is wrong or not clear; the rule is None then.
    """
    if options.kind == MaskKind.INSTANCE_FILES:
        problems.append(
            "kind: the mask of a region is one file, so its objects cannot be in files of their "
            "own. Number them in one file, and say --kind instances."
        )
        return None
    if options.palette is None:
        options = replace(
            options,
            palette=colours_by_name(classes.names),
            ignore_colour=options.ignore_colour or UNLABELLED_COLOUR,
        )
    rule, _ = choose_rule(masks, classes.names, replace(options, may_be_unsure=True), problems)
    return rule


class _Unclear(Exception):
    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = problems
        super().__init__()


def _colours(names: tuple[str, ...] | None, options: MaskOptions) -> dict[Colour, int] | None:
    """Label of each colour, if the classes have any."""
    if options.palette is None:
        return None
    known = enumerate(names or ())
    colours = {options.palette[name]: label for label, name in known if name in options.palette}
    if options.ignore_colour is not None:
        colours[options.ignore_colour] = UNLABELLED
    return colours


def _kind(
    masks: Sequence[StoredFile],
    options: MaskOptions,
    n_classes: int | None,
    colours: Mapping[Colour, int] | None,
) -> MaskKind:
    if options.kind != AUTO:
        return MaskKind(options.kind)
    if options.threshold is not None:
        return MaskKind.BINARY
    if not masks:
        return MaskKind.INDEX  # no file is read by it
    survey: MaskSurvey = survey_masks(masks, options.reading)
    try:
        return guess_kind(
            survey,
            n_classes,
            colours=colours,
            ignore_value=options.ignore_value,
            may_be_unsure=options.may_be_unsure,
        )
    except SourceError as error:  # files that cannot be read may be the reason
        unread = survey.in_colour + survey.in_grey == 0
        said = [*survey.problems] if unread and survey.problems else [*survey.problems, str(error)]
        raise _Unclear(said) from error


def _class_problems(
    kind: MaskKind, names: tuple[str, ...] | None, options: MaskOptions
) -> list[str]:
    wanted = len(TWO_CLASSES)
    if names is None:
        problem = (
            f"classes: {kind.value} masks need names of the classes. Give them in the order of "
            "their indices, or a classes.json."
        )
    elif kind in _TWO_CLASS_KINDS and len(names) != wanted:
        problem = (
            f"classes: {kind.value} masks have {wanted} classes, got {len(names)} names. "
            "Name background and foreground."
        )
    elif kind is MaskKind.PALETTE and options.palette is None:
        problem = "colours: palette masks need a colour for each class. Give a classes.json."
    else:
        palette = dict(options.palette) if kind is MaskKind.PALETTE and options.palette else None
        problems = check_classes(names, palette, options.ignore_colour)
        return problems + _option_problems(kind, len(names), options)
    return [problem]


def _option_problems(kind: MaskKind, n_classes: int, options: MaskOptions) -> list[str]:
    """Complain of options that mean something else as well, or nothing, for this kind."""
    taken: dict[MaskKind, Sequence[int]] = {
        MaskKind.INDEX: range(1, n_classes),  # 0 left out lets the classes count from 1
        MaskKind.BINARY: (0, 255),
        MaskKind.INSTANCES: (0,),
    }
    problems = []
    value = options.ignore_value
    if value is not None and value in taken.get(kind, ()):
        problems.append(
            f"ignore_value={value}: in {kind.value} masks this value has a meaning. "
            "Give another, none, or another kind of masks."
        )
    if value is not None and options.kind in WITHOUT_VALUES:
        problems.append(
            f"ignore_value={value}: {kind.value} masks have no such value. Leave it out."
        )
    if options.threshold is not None and kind not in (MaskKind.BINARY, MaskKind.INSTANCE_FILES):
        problems.append(
            f"threshold={options.threshold} is for black and white masks, and these are "
            f"{kind.value} masks. Leave it out, or say --kind binary."
        )
    if options.threshold is not None and options.threshold < 1:
        problems.append(
            f"threshold={options.threshold}: expected at least 1. 128 is half of white."
        )
    if options.overlaps is not None and kind is not MaskKind.INSTANCE_FILES:
        problems.append("overlaps is for instance-files masks, where objects may share pixels.")
    return problems
