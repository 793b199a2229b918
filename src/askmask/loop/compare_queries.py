"""Does recalibration change what is asked? The same model and masks, asked with and without it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from askmask.config import with_overrides
from askmask.errors import ProjectError
from askmask.loop.ask import propose
from askmask.loop.project import Project
from askmask.loop.round_model import RoundModel
from askmask.progress import Listener, silent
from askmask.query.strategies import strategy_turn
from askmask.records import Region


@dataclass(frozen=True, slots=True)
class QueryComparison:
    """How much of a query stays the same.

    Attributes
    ----------
    acquisition : str
        The strategy.
    regions, pixels : int
        Of the query without recalibration.
    same_regions : int
        Regions that the query with recalibration holds as well, to the pixel.
    shared : float
        Share of the pixels asked without recalibration that are asked with it, too; in [0, 1].
    shared_by_chance : float
        The same between two queries without recalibration that differ only in their seed, in the
        Monte Carlo samples above all. A `shared` no smaller than this is no more than noise.
    """

    acquisition: str
    regions: int
    pixels: int
    same_regions: int
    shared: float
    shared_by_chance: float

    def words(self) -> str:
        """Say how much stays the same, in one sentence and its yardstick."""
        return (
            f"Asked by {self.acquisition} with and without: {self.same_regions} of "
            f"{self.regions} regions are the same, {self.shared:.1%} of {self.pixels:,} "
            "pixels. Another seed alone, without recalibration, shares "
            f"{self.shared_by_chance:.1%}."
        )


def compare_queries(model: RoundModel, *, report: Listener = silent) -> QueryComparison:
    """Ask with the model of a round, with and without its recalibration; nothing is kept.

    Parameters
    ----------
    model : RoundModel
        Whose model asks, and whose recalibration counts; its config names the strategy.
    report : callable
        Called with a `Progress` after each image, three times over.

    Raises
    ------
    ProjectError
        If the round is not recalibrated, the strategy asks without a model, or nothing is left to
        ask.
    """
    project, round = model.project, model.round
    acquisition = project.config.query.acquisition
    strategy, _ = strategy_turn(project.config, round + 1)
    if strategy.maps is None:
        raise ProjectError(
            f"expected a strategy that asks by probabilities, got {acquisition!r}, which no "
            "recalibration changes. Set query.acquisition."
        )
    if model.recalibration is None:
        raise ProjectError(
            f"expected a recalibration of round {round}, found none. "
            "Fit one with `askmask calibrate`."
        )
    seed = project.config.seed
    asked = [
        _asked(project.with_config(with_overrides(project.config, changes)), round + 1, report)
        for changes in (
            {"calibration.asking": False},
            {"calibration.asking": True},
            {"calibration.asking": False, "seed": seed + 1},
        )
    ]
    before, after, redrawn = asked
    if not before:
        raise ProjectError("expected unlabelled pixels in the pool, found none: nothing to ask.")
    return QueryComparison(
        acquisition=acquisition,
        regions=len(before),
        pixels=sum(int(mask.sum()) for mask in _masks(project, before).values()),
        same_regions=len(set(before) & set(after)),
        shared=shared_pixels(project, before, after),
        shared_by_chance=shared_pixels(project, before, redrawn),
    )


def shared_pixels(project: Project, first: Sequence[Region], other: Sequence[Region]) -> float:
    """Share of the pixels of the first regions that the others cover, too; each pixel once."""
    masks, others = _masks(project, first), _masks(project, other)
    shared = sum(int((masks[name] & others[name]).sum()) for name in masks.keys() & others.keys())
    return shared / sum(int(mask.sum()) for mask in masks.values())


def _asked(project: Project, round: int, report: Listener) -> tuple[Region, ...]:
    items = propose(project, round, report=report).items
    return tuple(item.region for item in items)


def _masks(project: Project, regions: Sequence[Region]) -> dict[str, npt.NDArray[np.bool_]]:
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    for region in regions:
        info = project.images[region.image_id]
        mask = masks.setdefault(region.image_id, np.zeros((info.height, info.width), np.bool_))
        mask[region.slices] = True
    return masks
