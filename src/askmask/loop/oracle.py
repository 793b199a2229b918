"""Oracles answer queries from known masks in a benchmark; a person answers through the store.

An oracle sees regions, never scores, so that no answer depends on how sure a model was.
"""

from typing import Protocol, runtime_checkable

from askmask.data.source import Source
from askmask.errors import ShapeError, SourceError
from askmask.records import Answer, Region


@runtime_checkable
class Oracle(Protocol):
    """Labels the regions that are asked: a person, or known masks.

    Guarantees, tested by `askmask.testing.OracleContract`: the answer covers exactly the region
    that was asked, carries the round, says who gave it, with what and when, and its arrays belong
    to the caller. The same question has the same labels, whatever was asked before. Pixels that
    nobody can tell are `UNLABELLED`.
    """

    def answer(self, region: Region, round: int) -> Answer:
        """Label a region.

        Parameters
        ----------
        region : Region
            What is asked.
        round : int
            The round that asks; 0 for the start set.

        Raises
        ------
        SourceError
            If it cannot label that image.
        """
        ...


class MaskOracle:
    """Simulated oracle: reads the answer off the image's known mask.

    Pixels that the mask leaves unlabelled stay so in the answer. Object ids are those of the mask:
    an object that two regions cut keeps one id. No time is modelled: `seconds` is None.

    Parameters
    ----------
    source : Source
        Where the masks come from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def answer(self, region: Region, round: int) -> Answer:
        """Labels of the mask inside a region, by author "simulated" with tool "mask".

        Raises
        ------
        SourceError
            If the image has no mask, or is not in the source.
        ShapeError
            If the region reaches beyond the mask.
        """
        mask = self._source.read_mask(region.image_id)
        if mask is None:
            raise SourceError(
                f"expected a mask of image {region.image_id!r} to answer from, found none. "
                "Add the mask to the data set, or let a person answer: `askmask ask`."
            )
        height, width = mask.labels.shape
        if region.row + region.height > height or region.col + region.width > width:
            raise ShapeError(
                f"expected a region inside image {region.image_id!r} of shape {(height, width)}, "
                f"got {region!r}. Ask only for pixels of the image."
            )
        return Answer(
            region=region,
            mask=mask.crop(region),
            round=round,
            author="simulated",
            tool="mask",
        )
