"""How mask files of one data set become labels: by index, by colour, black and white, by object."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from askmask.data.prepare.class_file import Colour
from askmask.data.rasters import decode_raw, decode_values
from askmask.errors import SourceError
from askmask.records import UNLABELLED, Instances, Labels, Mask

IGNORE_INDEX = 255
"""Value of unlabelled pixels in masks of indices, unless another is given."""

_WHITE = 255
_MOST_INSTANCES = 65_535  # what a 16-bit file holds
_LISTED = 3  # unknown values that a message shows


class MaskKind(StrEnum):
    """What the values of a mask file mean."""

    INDEX = "index"
    """Class indices."""
    PALETTE = "palette"
    """One colour per class."""
    BINARY = "binary"
    """0 is the first class, 255 the second."""
    INSTANCES = "instances"
    """0 is the background, any other value an object of the second class."""


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
        Value of unlabelled pixels. None means 255 for indices, and no such value otherwise.
    colours : mapping of colour to label, optional
        For palette masks: every colour that may occur; `UNLABELLED` for the one to ignore.
    """

    kind: MaskKind
    n_classes: int
    ignore_value: int | None = None
    colours: Mapping[Colour, int] | None = None

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
            return Mask(_translate(decode_colours(content, where), self._table(), where, self))
        binary = self.kind is MaskKind.BINARY
        values = decode_values(content, where, may_be_stretched=binary)
        if self.kind is MaskKind.INSTANCES:
            return self._objects(values, where)
        return Mask(_translate(values, self._table(), where, self))

    def expected(self) -> str:
        """Say in words which values may occur."""
        ignored = "" if self._ignored() is None else f", or {self._ignored()} for unlabelled"
        if self.kind is MaskKind.PALETTE:
            return f"the {len(self.colours or {})} colours of the classes"
        if self.kind is MaskKind.BINARY:
            return f"0 and {_WHITE}{ignored}"
        return f"0 to {self.n_classes - 1}{ignored}"

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
            table = {index: index for index in range(self.n_classes)}
        ignored = self._ignored()
        return table if ignored is None else {**table, ignored: UNLABELLED}

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


def decode_colours(content: bytes, where: str) -> npt.NDArray[np.int32]:
    """Colours of a mask file, each as one number, (H, W) int32.

    Raises
    ------
    SourceError
        If the file cannot be read, or is a JPEG, whose colours are not those that were painted.
    """
    if content[:2] == b"\xff\xd8":
        raise SourceError(
            f"{where!r} is a JPEG, which changes the colours of a mask. Save it as PNG."
        )
    raw = decode_raw(content, where).astype(np.int32)
    if raw.ndim == 2:
        raw = np.repeat(raw[:, :, None], 3, axis=2)
    if raw.max() > _WHITE:
        raise SourceError(f"{where!r} has 16 bits per channel, colours have 8. Save it with 8.")
    codes: npt.NDArray[np.int32] = (raw[:, :, 0] << 16) | (raw[:, :, 1] << 8) | raw[:, :, 2]
    return codes


def _code(colour: Colour) -> int:
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def _colour(code: int) -> Colour:
    return code >> 16, code >> 8 & 255, code & 255


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
        value = _colour(int(values[index])) if in_colour else int(values[index])
        listed.append(
            f"{value} in {int(counts[index]):,} pixels, first at (row, col) = ({row}, {col})"
        )
    more = f"; and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    noun = "colours" if in_colour else "values"
    return (
        f"{where!r} holds {noun} that no class has: {'; '.join(listed)}{more}. "
        f"Expected {rule.expected()}. Correct the mask, or the classes."
    )
