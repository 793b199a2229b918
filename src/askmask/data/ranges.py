"""Which values of deep images become black and white.

Cameras write 10 to 16 bits, of which a picture often fills a small part, and a hot pixel or a speck
of dust fills the rest. So the range is that between two percentiles, not the smallest and largest
value; one range for a whole data set keeps brightness comparable between its images.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.errors import ConfigError

ValueRange = tuple[float, float]
"""The values that become 0 and 255."""

_VALUES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A range between two percentiles of the values.

    Parameters
    ----------
    low, high : float
        In percent, 0 <= low < high <= 100. The smallest value whose share of values at or below it
        reaches the percentage.
    """

    low: float = 0.1
    high: float = 99.9

    def __post_init__(self) -> None:
        """Refuse percentages that are none."""
        if not 0 <= self.low < self.high <= 100:
            raise ConfigError(
                f"expected percentiles with 0 <= low < high <= 100, got {self.low!r} and "
                f"{self.high!r}. The default is 0.1,99.9."
            )


PERCENTILES: Final = Percentiles()
"""The range of a data set for which no other was chosen."""

RangeRule = ValueRange | Percentiles
"""One range for all images, or each image's own by percentiles."""


@dataclass(frozen=True, slots=True)
class RangeChoice:
    """How the range of deep images is found.

    Parameters
    ----------
    given : (low, high), optional
        The range itself; then nothing is measured.
    percentiles : Percentiles
        Between which it lies.
    per_image : bool
        Whether each image has its own, by its own percentiles: for images that were taken under
        settings which differ, whose brightness cannot be compared anyway.
    """

    given: ValueRange | None = None
    percentiles: Percentiles = PERCENTILES
    per_image: bool = False

    def problems(self, deep: str | None, shallow: str | None) -> list[str]:
        """Say what is wrong with it, for images of which one is deep and one is not, if any are."""
        found = []
        if self.given is not None and deep is None and shallow is not None:
            found.append(
                f"value_range={self.given!r} is for images with 16 bits per channel, but "
                f"{shallow!r} has 8. Leave it out."
            )
        if self.given is not None and not self.given[0] < self.given[1]:
            found.append(f"value_range={self.given!r}: expected low < high. Exchange the two.")
        if self.given is not None and self.per_image:
            found.append(
                f"value_range={self.given!r} is one range for all images, but each was to have its "
                "own. Leave one of the two out."
            )
        return found

    def rule(self, counts: "ValueCounts") -> RangeRule:
        """Give the range, or the percentiles that give each image its own."""
        if self.given is not None:
            return self.given
        return self.percentiles if self.per_image else counts.between(self.percentiles)


MEASURED: Final = RangeChoice()
"""One range for all images, between the percentiles."""


class ValueCounts:
    """How often each 16-bit value occurs, over many images; 512 kB whatever their number."""

    def __init__(self) -> None:
        self._counts: npt.NDArray[np.int64] = np.zeros(_VALUES, np.int64)

    def add(self, values: npt.NDArray[np.uint16]) -> None:
        """Count the values of an image of any shape."""
        self._counts += np.bincount(values.ravel(), minlength=_VALUES)

    @property
    def extremes(self) -> tuple[int, int]:
        """Smallest and largest value; (0, 0) before any was added."""
        found = np.flatnonzero(self._counts)
        return (int(found[0]), int(found[-1])) if found.size else (0, 0)

    def between(self, percentiles: Percentiles) -> ValueRange:
        """Values at two percentiles; the extremes where those are one value.

        An image of two values, one of them rare, keeps both.
        """
        sums = np.cumsum(self._counts)
        wanted = np.array([percentiles.low, percentiles.high]) / 100 * sums[-1]
        low, high = np.searchsorted(sums, np.maximum(wanted, 1)).tolist()
        if low >= high:
            low, high = self.extremes
        return float(low), float(high)

    def outside(self, value_range: ValueRange) -> float:
        """Share of the values that lie outside a range, in [0, 1]."""
        places = np.arange(_VALUES)
        is_outside = (places < value_range[0]) | (places > value_range[1])
        return float(self._counts[is_outside].sum() / max(self._counts.sum(), 1))


def scaled_to_bytes(values: npt.NDArray[np.uint16], rule: RangeRule) -> npt.NDArray[np.uint8]:
    """Map 16-bit values linearly to 8 bits; what is outside the range saturates.

    Parameters
    ----------
    values : uint16 array of any shape
    rule : (low, high) or Percentiles
        What becomes 0 and 255; percentiles are those of `values`.
    """
    low, high = _own_range(values, rule) if isinstance(rule, Percentiles) else rule
    scaled = (values.astype(np.float32) - low) * np.float32(255 / max(high - low, 1e-9))
    shades: npt.NDArray[np.uint8] = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    return shades


def _own_range(values: npt.NDArray[np.uint16], percentiles: Percentiles) -> ValueRange:
    counts = ValueCounts()
    counts.add(values)
    return counts.between(percentiles)
