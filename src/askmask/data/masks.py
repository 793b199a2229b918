"""How mask files of one data set become labels: by index, by colour, black and white, by object."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from askmask.data.pictures.opening import open_picture
from askmask.data.pictures.picture import AS_STORED, Reading
from askmask.data.pictures.shown import colour_codes
from askmask.data.prepare.class_file import Colour
from askmask.data.prepare.pairing import PairedImage
from askmask.data.rasters import decode_values
from askmask.errors import PrepareError, SourceError
from askmask.records import UNLABELLED, Instances, Labels, Mask

IGNORE_INDEX = 255
"""Value of unlabelled pixels in masks of indices, unless another is given."""

_WHITE = 255
_MOST_INSTANCES = 65_535  # what a 16-bit file holds
_LISTED = 3  # unknown values that a message shows


class MaskKind(StrEnum):
    """Meaning of the values in a mask file."""

    INDEX = "index"
    """Class indices."""
    PALETTE = "palette"
    """One colour per class."""
    BINARY = "binary"
    """0 is the first class, 255 the second; or what is below a threshold, and from it on."""
    INSTANCES = "instances"
    """0 is the background, any other value an object of the second class."""
    INSTANCE_FILES = "instance-files"
    """Several files per image: in each, whatever is not 0 is one object of the second class."""


class Overlaps(StrEnum):
    """Which object a pixel belongs to that lies in several files of one image."""

    FIRST = "first"
    """To the file that comes first by name."""
    LAST = "last"
    """To the file that comes last by name."""


@dataclass(frozen=True)
class MaskRule:
    """How to read the masks of a data set.

    Parameters
    ----------
    kind : MaskKind
        What the values mean.
    n_classes : int
        Number of classes; two for binary and instance masks.
    ignore_value : int, optional
        Value of unlabelled pixels. None means 255 for indices, and no such value otherwise. In
        masks of indices, 0 makes the classes count from 1.
    colours : mapping of colour to label, optional
        For palette masks: every colour that may occur; `UNLABELLED` for the one to ignore.
    threshold : int, optional
        For binary masks: this value and larger ones are the second class.
    overlaps : Overlaps, optional
        For objects in files of their own: which object gets a pixel that several cover; None
        refuses such a pixel.
    reading : Reading
        What the owner says of the files.
    """

    kind: MaskKind
    n_classes: int
    ignore_value: int | None = None
    colours: Mapping[Colour, int] | None = None
    threshold: int | None = None
    overlaps: Overlaps | None = None
    reading: Reading = AS_STORED

    def read(self, item: PairedImage) -> Mask:
        """Labels of an image: of its mask file, or of the files of its objects.

        Raises
        ------
        SourceError
            As `decode`; a PrepareError with all of them, if several files have problems.
        """
        if item.mask is not None:
            return self.decode(item.mask.read(), item.mask.name)
        return self._collect(item)

    def decode(self, content: bytes, where: str) -> Mask:
        """Labels (and objects, if the kind knows them) of a mask file.

        Parameters
        ----------
        content : bytes
            The file.
        where : str
            What to call it in messages.

        Returns
        -------
        Mask

        Raises
        ------
        SourceError
            If the file cannot be read, or holds a value or colour that means nothing; the message
            says how many pixels have it and where the first is.
        """
        if self.kind is MaskKind.PALETTE:
            codes = decode_colours(content, where, self.reading)
            return Mask(_translate(codes, self._table(), where, self))
        values = decode_values(
            content,
            where,
            may_be_stretched=self.kind in (MaskKind.BINARY, MaskKind.INSTANCE_FILES),
            may_be_lossy=self.threshold is not None,
            reading=self.reading,
            ignored=self.ignore_value,
        )
        if self.kind in (MaskKind.INSTANCES, MaskKind.INSTANCE_FILES):
            return self._objects(values, where)
        if self.threshold is not None:
            return Mask(self._cut(values, self.threshold))
        return Mask(_translate(values, self._table(), where, self))

    def expected(self) -> str:
        """Say in words which values may occur."""
        ignored = "" if self._ignored() is None else f", or {self._ignored()} for unlabelled"
        if self.kind is MaskKind.PALETTE:
            return f"the {len(self.colours or {})} colours of the classes"
        if self.kind is MaskKind.BINARY:
            return f"0 and {_WHITE}{ignored}"
        return f"{self._first} to {self._first + self.n_classes - 1}{ignored}"

    @property
    def _first(self) -> int:
        """Value of the first class in masks of indices."""
        return 1 if self.ignore_value == 0 else 0

    def _ignored(self) -> int | None:
        if self.ignore_value is None and self.kind is MaskKind.INDEX:
            return IGNORE_INDEX
        return self.ignore_value

    def _table(self) -> dict[int, int]:
        """Label of every code that may occur."""
        if self.kind is MaskKind.PALETTE:
            assert self.colours is not None
            return {_code(colour): label for colour, label in self.colours.items()}
        if self.kind is MaskKind.BINARY:
            table = {0: 0, _WHITE: 1}
        else:
            table = {self._first + index: index for index in range(self.n_classes)}
        ignored = self._ignored()
        return table if ignored is None else {**table, ignored: UNLABELLED}

    def _cut(self, values: Instances, threshold: int) -> Labels:
        """Labels of a black and white mask with shades between."""
        labels = (values >= threshold).astype(np.int16)
        if self.ignore_value is not None:
            labels[values == self.ignore_value] = UNLABELLED
        return labels

    def _objects(self, values: Instances, where: str) -> Mask:
        ignored = values == (-1 if self.ignore_value is None else self.ignore_value)
        instances = np.where(ignored, 0, values).astype(np.int32)
        if instances.max() > _MOST_INSTANCES:
            raise SourceError(
                f"{where!r} holds the object id {int(instances.max())}, the largest possible is "
                f"{_MOST_INSTANCES}. Number the objects of each image from 1."
            )
        labels = np.where(ignored, UNLABELLED, instances > 0).astype(np.int16)
        return Mask(labels, instances)

    def _collect(self, item: PairedImage) -> Mask:
        """One raster from the files of an image's objects, numbered by name from 1."""
        problems: list[str] = []
        instances: Instances | None = None
        shared, first = 0, ""
        for number, file in enumerate(item.objects, start=1):
            try:
                inside = self._inside(file.read(), file.name)
            except SourceError as error:
                problems.append(str(error))
                continue
            if instances is None:
                instances = np.zeros(inside.shape, np.int32)
            if inside.shape != instances.shape:
                problems.append(
                    f"{file.name!r} is {inside.shape} but {item.objects[0].name!r} is "
                    f"{instances.shape} (rows, columns): objects of one image. Save them alike."
                )
                continue
            taken = inside & (instances > 0)
            shared, first = shared + int(taken.sum()), first or (file.name if taken.any() else "")
            instances[inside & ~taken if self.overlaps is not Overlaps.LAST else inside] = number
        if shared and self.overlaps is None:
            problems.append(
                f"{shared:,} pixels of {item.image.name!r} belong to several objects, first in "
                f"{first!r}. Correct the files, or say which object gets them: --overlaps first or "
                "--overlaps last, by the order of their names."
            )
        if problems:
            raise PrepareError(problems)
        assert instances is not None, "an item with objects has a file"
        return Mask((instances > 0).astype(np.int16), instances)

    def _inside(self, content: bytes, where: str) -> npt.NDArray[np.bool_]:
        """Where the object of a file is."""
        values = decode_values(
            content,
            where,
            may_be_stretched=True,
            may_be_lossy=self.threshold is not None,
            reading=self.reading,
        )
        found = np.unique(values)
        if self.threshold is None and len(found[found > 0]) > 1:
            raise SourceError(
                f"expected one object in {where!r}, got the values {_some(found.tolist())}. If its "
                "edges are soft, say where to cut: --threshold 128; if it holds several objects, "
                "its kind is instances."
            )
        inside: npt.NDArray[np.bool_] = values >= (self.threshold or 1)
        if not inside.any():
            raise SourceError(f"{where!r} holds no object: every pixel is 0. Remove the file.")
        return inside


def decode_colours(
    content: bytes, where: str, reading: Reading = AS_STORED
) -> npt.NDArray[np.int32]:
    """Colours of a mask file, each as one number, (H, W) int32.

    Raises
    ------
    SourceError
        If the file cannot be read, or is a JPEG, whose colours are not those that were painted.
    """
    picture = open_picture(content, where)
    if picture.is_lossy:
        raise SourceError(
            f"{where!r} is a {picture.form}, which changes the colours of a mask. Save it as PNG."
        )
    return colour_codes(picture, where, reading)


def _code(colour: Colour) -> int:
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def colour_of(code: int) -> Colour:
    """Red, green and blue of a colour as one number."""
    return code >> 16, code >> 8 & 255, code & 255


def _some(values: list[int]) -> str:
    shown = ", ".join(map(str, values[:5]))
    return shown if len(values) <= 5 else f"{shown} ... {values[-1]}"


def _translate(
    codes: npt.NDArray[np.int32], table: dict[int, int], where: str, rule: MaskRule
) -> Labels:
    known = np.array(sorted(table), dtype=np.int32)
    labels = np.array([table[int(code)] for code in known], dtype=np.int16)
    place = np.searchsorted(known, codes).clip(0, len(known) - 1)
    is_unknown = known[place] != codes
    if is_unknown.any():
        raise SourceError(_explain(codes, is_unknown, where, rule))
    translated: Labels = labels[place]
    return translated


def _explain(
    codes: npt.NDArray[np.int32], is_unknown: npt.NDArray[np.bool_], where: str, rule: MaskRule
) -> str:
    """Build the message for values that mean nothing, the most frequent first."""
    in_colour = rule.kind is MaskKind.PALETTE
    values, counts = np.unique(codes[is_unknown], return_counts=True)
    listed = []
    for index in np.argsort(-counts, kind="stable")[:_LISTED]:
        row, col = np.argwhere(codes == values[index])[0]
        value = colour_of(int(values[index])) if in_colour else int(values[index])
        listed.append(
            f"{value} in {int(counts[index]):,} pixels, first at (row, col) = ({row}, {col})"
        )
    more = f"; and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    noun = "colours" if in_colour else "values"
    hint = {
        MaskKind.BINARY: " If edges are soft (anti-aliased), say where to cut: --threshold 128.",
        MaskKind.INDEX: " If each class has a shade of its own, give the shades as colours in a "
        "classes.json, and say --kind palette.",
    }.get(rule.kind, "")
    return (
        f"{where!r} holds {noun} that no class has: {'; '.join(listed)}{more}. "
        f"Expected {rule.expected()}. Correct the mask, or the classes.{hint}"
    )
