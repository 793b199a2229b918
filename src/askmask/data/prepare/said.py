"""What a person says of images and masks, in the words of a command or of the page's fields."""

from pathlib import Path
from typing import Final

from askmask.data.masks import Overlaps
from askmask.data.pictures.picture import Orientation, Reading, WhiteIsZero
from askmask.data.prepare.folder import PrepareOptions
from askmask.data.ranges import PERCENTILES, Percentiles, RangeChoice, RangeRule
from askmask.errors import ConfigError

_PER_IMAGE: Final = "image"


def reading(
    orientation: Orientation | None, channels: str | None, white_is_zero: WhiteIsZero | None
) -> Reading:
    """Options of files, as words gave them.

    Raises
    ------
    ConfigError
        If the channels are no numbers.
    """
    chosen = None
    if channels is not None:
        try:
            chosen = tuple(int(part) for part in channels.split(","))
        except ValueError:
            raise ConfigError(
                f"expected --channels as numbers from 1, like 1,2,3 or 4, got {channels!r}."
            ) from None
    return Reading(orientation, chosen, white_is_zero)


def range_choice(text: str | None) -> RangeChoice:
    """The range of 16-bit images, as words gave it.

    Raises
    ------
    ConfigError
        If it is of none of the forms.
    """
    if text is None:
        return RangeChoice()
    if text == _PER_IMAGE:
        return RangeChoice(per_image=True)
    head, _, rest = text.partition(":")
    numbers = rest if head == _PER_IMAGE else text
    parts = [part.strip() for part in numbers.split(",")]
    try:
        low, high = (float(part.removesuffix("%")) for part in parts)
    except ValueError:
        raise ConfigError(
            "expected --value-range as LOW,HIGH, like 0,4095, as percentiles, like 0.1%,99.9%, or "
            f"as image or image:1%,99% for each image by itself, got {text!r}."
        ) from None
    if all(part.endswith("%") for part in parts):
        return RangeChoice(percentiles=Percentiles(low, high), per_image=head == _PER_IMAGE)
    if head == _PER_IMAGE or any(part.endswith("%") for part in parts):
        raise ConfigError(f"expected two percentiles in --value-range {text!r}, like 1%,99%.")
    return RangeChoice(given=(low, high), percentiles=PERCENTILES)


def own_range(text: str | None) -> RangeRule | None:
    """The range of images that come one by one, as words gave it.

    Raises
    ------
    ConfigError
        If it would have to be measured over all of them.
    """
    if text is None:
        return None
    choice = range_choice(text)
    if choice.given is None and not choice.per_image:
        raise ConfigError(
            f"expected --value-range as LOW,HIGH, or as image:{text} for each image by itself, got "
            f"{text!r}: percentiles of all images are kept with a data set only."
        )
    return choice.given or choice.percentiles


def folder_options(  # noqa: PLR0913 - one per fact about the files
    *,
    kind: str = "auto",
    classes: str | None = None,
    mask_suffix: str = "",
    ignore_value: int | None = None,
    threshold: int | None = None,
    overlaps: Overlaps | None = None,
    value_range: str | None = None,
    files: Reading,
    allow_missing_masks: bool = False,
    groups: Path | None = None,
    scale: float = 1.0,
) -> PrepareOptions:
    """Options of a folder; `classes` is names by commas or the path of a ``classes.json``."""
    is_file = classes is not None and classes.endswith(".json")
    names = None if classes is None or is_file else tuple(n.strip() for n in classes.split(","))
    ranges = range_choice(value_range)
    return PrepareOptions(
        kind=kind,
        classes=names,
        classes_file=Path(classes) if classes is not None and is_file else None,
        mask_suffix=mask_suffix,
        ignore_value=ignore_value,
        threshold=threshold,
        overlaps=overlaps,
        value_range=ranges.given,
        percentiles=ranges.percentiles,
        range_per_image=ranges.per_image,
        reading=files,
        allow_missing_masks=allow_missing_masks,
        groups=groups,
        scale=scale,
    )
