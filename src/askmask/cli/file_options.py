"""Options of every command that reads images and masks, and what they say together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from askmask.config import load_written_config
from askmask.data.masks import Overlaps
from askmask.data.pictures.picture import Orientation, Reading, WhiteIsZero
from askmask.data.prepare.class_file import read_classes
from askmask.data.prepare.folder import PrepareOptions
from askmask.data.prepare.mask_options import WITHOUT_VALUES, MaskOptions
from askmask.data.slides.preparing import SlideOptions
from askmask.data.slides.slide_set import is_slide_set
from askmask.data.slides.tiled_image import Box
from askmask.errors import ConfigError, ShapeError
from askmask.loop.begin.create import Slides
from askmask.loop.project import CONFIG_NAME
from askmask.loop.slides.predict_options import PredictOptions

MaskKindName = Annotated[
    str,
    typer.Option(
        help="What masks hold: auto, index, palette, binary, instances, instance-files.",
        rich_help_panel="Masks",
    ),
]
ClassNames = Annotated[
    str | None,
    typer.Option(
        help="Class names in index order, by commas; or a classes.json with names and colours."
    ),
]
MaskSuffix = Annotated[
    str,
    typer.Option(
        help="What masks' names have after the images' names: _mask", rich_help_panel="Masks"
    ),
]
IgnoreValue = Annotated[
    int | None,
    typer.Option(
        help="Value of pixels without a label; 255 in index masks. 0: classes count from 1.",
        rich_help_panel="Masks",
    ),
]
Threshold = Annotated[
    int | None,
    typer.Option(
        help="Black and white masks with soft edges: from this value on it is foreground.",
        rich_help_panel="Masks",
    ),
]
OverlapsName = Annotated[
    Overlaps | None,
    typer.Option(
        help="instance-files: which object gets a pixel of several, by order of names.",
        rich_help_panel="Masks",
    ),
]
MaskColours = Annotated[
    Path | None,
    typer.Option(
        help="A classes.json with the colours they are painted in.", rich_help_panel="Masks"
    ),
]
WhiteIsZeroName = Annotated[
    WhiteIsZero | None,
    typer.Option(
        "--white-is-zero",
        help="Masks that show 0 white: does the look count (shown) or the number (stored)?",
        rich_help_panel="Masks",
    ),
]
OrientationName = Annotated[
    Orientation | None,
    typer.Option(
        help="Files stored turned (EXIF): turn them (apply) or take them as stored (ignore).",
        rich_help_panel="Files",
    ),
]
Channels = Annotated[
    str | None,
    typer.Option(
        help="Which channels of an image are RGB, or which one is grey: 1,2,3 or 4.",
        rich_help_panel="Files",
    ),
]
ValueRange = Annotated[
    str | None,
    typer.Option(
        help="16-bit images: what becomes black and white. LOW,HIGH; or LOW%,HIGH% of all values "
        "(by default 0.1%,99.9%); image: each by its own percentiles.",
        rich_help_panel="Files",
    ),
]


def painted_options(
    *,
    kind: str,
    ignore_value: int | None,
    threshold: int | None,
    colours: Path | None,
    files: Reading,
    names: tuple[str, ...],
) -> MaskOptions:
    """Options of the painted masks of a project; `colours` is a ``classes.json`` of its classes.

    Raises
    ------
    ConfigError
        If the file has other classes than the project, or no colours.
    SourceError
        If it cannot be read.
    """
    palette = ignore_colour = None
    if colours is not None:
        said = read_classes(colours)
        if said.classes != names or said.colours is None:
            raise ConfigError(
                f"expected colours of the classes {list(names)!r} in {str(colours)!r}, got "
                f"{list(said.classes)!r} {'without' if said.colours is None else 'with'} colours. "
                "Give the project's classes, in its order, and a colour for each."
            )
        palette, ignore_colour = said.colours, said.ignore_colour
        if ignore_value is None and kind not in WITHOUT_VALUES:
            ignore_value = said.ignore_index
    return MaskOptions(
        kind=kind,
        ignore_value=ignore_value,
        threshold=threshold,
        palette=palette,
        ignore_colour=ignore_colour,
        reading=files,
    )


_SLIDES: Final = "Slides"

SlidePaths = Annotated[
    list[Path] | None,
    typer.Option(
        help="Slides or folders of slides, read in parts; give it several times for several.",
        rich_help_panel=_SLIDES,
    ),
]
OwnMpp = Annotated[
    float | None,
    typer.Option(
        help="Micrometres per pixel of the slides that do not say it.",
        rich_help_panel=_SLIDES,
    ),
]
TissueName = Annotated[
    Literal["otsu", "none"] | None,
    typer.Option(
        help="How tissue is found (otsu, the default), or none: all of a slide may be asked.",
        rich_help_panel=_SLIDES,
    ),
]


SlidePart = Annotated[
    str | None,
    typer.Option(
        help="Only this part, in pixels of the slide's first level.",
        metavar="ROW,COL,HEIGHT,WIDTH",
        rich_help_panel=_SLIDES,
    ),
]


def is_slide_project(root: Path) -> bool:
    """Whether the images of a project are fields of slides; False if there is no project."""
    config = root / CONFIG_NAME
    if not config.is_file():
        return False
    where = load_written_config(config).data
    return where.source is None and where.path is not None and is_slide_set(where.path)


def refuse_options(whose: str, given: Mapping[str, object]) -> None:
    """Refuse options that say nothing of what a project holds.

    Raises
    ------
    ConfigError
        If one of them is set.
    """
    named = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if named:
        raise ConfigError(
            f"expected no {' and no '.join(named)}, which {'is' if len(named) == 1 else 'are'} for "
            f"{whose}, got {'it' if len(named) == 1 else 'them'} for a project of others. Leave "
            f"{'it' if len(named) == 1 else 'them'} out."
        )


def slide_options(
    mpp: float | None, part: str | None, tissue: Literal["otsu", "none"] | None
) -> PredictOptions:
    """What was said of slides to be predicted.

    Raises
    ------
    ConfigError
        If the part is not four whole numbers that make a box, or `mpp` no size of a pixel.
    """
    if mpp is not None and mpp <= 0:
        raise ConfigError(f"expected --mpp above 0 micrometres per pixel, got {mpp!r}.")
    box = None
    if part is not None:
        try:
            row, col, height, width = (int(number) for number in part.split(","))
            box = Box(row, col, height, width)
        except (ValueError, ShapeError):
            raise ConfigError(
                "expected --part as ROW,COL,HEIGHT,WIDTH in pixels of the slide's first level, "
                f"like 0,0,20000,20000, got {part!r}."
            ) from None
    return PredictOptions(own_mpp=mpp, part=box, tissue=tissue != "none")


def slide_choice(
    paths: list[Path],
    mpp: float | None,
    tissue: Literal["otsu", "none"] | None,
    options: PrepareOptions,
    masks: Path | None,
) -> Slides:
    """What was said of slides.

    Raises
    ------
    ConfigError
        If classes have no names, or options of plain images were given.
    """
    if options != PrepareOptions(classes=options.classes):
        raise ConfigError(
            "expected of slides only --masks, --classes, --mpp and --tissue, got options of plain "
            "images and masks. Leave those out; masks of slides are annotations of QuPath."
        )
    if options.classes is None:
        raise ConfigError(
            "expected the names of the classes, got none. Give them in the order of their indices, "
            "the background first: --classes background,gland"
        )
    names = tuple(options.classes)
    return Slides(paths, SlideOptions(names, own_mpp=mpp, tissue=tissue or "otsu"), masks)
