"""Does recalibration change what is asked? The same model and masks, asked with and without it."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from askmask.config import with_overrides
from askmask.errors import ProjectError
from askmask.loop.ask import propose
from askmask.loop.calibration_file import load_recalibration
from askmask.loop.project import Project
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


def compare_queries(
    project: Project, round: int, device: torch.device, *, report: Listener = silent
) -> QueryComparison:
    """Ask with the model of a round, with and without its recalibration; nothing is kept.

    Parameters
    ----------
    project : Project
        Its config names the strategy.
    round : int
        Whose model asks, and so whose recalibration counts.
    device : torch.device
        Where the model runs.
    report : callable
        Called with a `Progress` after each image, three times over.

    Raises
    ------
    ProjectError
        If the round is not recalibrated, the strategy asks without a model, or nothing is left to
        ask.
    """
    acquisition = project.config.query.acquisition
    strategy, _ = strategy_turn(project.config, round + 1)
    if strategy.maps is None:
        raise ProjectError(
            f"expected a strategy that asks by probabilities, got {acquisition!r}, which no "
            "recalibration changes. Set query.acquisition."
        )
    if load_recalibration(project, round) is None:
        raise ProjectError(
            f"expected a recalibration of round {round}, found none. "
            "Fit one with `askmask calibrate`."
        )
    seed = project.config.seed
    asked = [
        _asked(_with(project, changes), round + 1, device, report)
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


def _with(project: Project, changes: Mapping[str, object]) -> Project:
    """Return the same open project under other settings; its roles stay."""
    changed = copy.copy(project)
    changed.config = with_overrides(project.config, dict(changes))
    return changed


def _asked(
    project: Project, round: int, device: torch.device, report: Listener
) -> tuple[Region, ...]:
    items = propose(project, round, device, report=report).items
    return tuple(item.region for item in items)


def _masks(project: Project, regions: Sequence[Region]) -> dict[str, npt.NDArray[np.bool_]]:
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    for region in regions:
        info = project.images[region.image_id]
        mask = masks.setdefault(region.image_id, np.zeros((info.height, info.width), np.bool_))
        mask[region.slices] = True
    return masks
