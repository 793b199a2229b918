"""Which trials a benchmark has, and where each lies on disk."""

from dataclasses import dataclass

from askmask.acquisition import check_acquisition
from askmask.config import Config, with_overrides
from askmask.records import Unit


@dataclass(frozen=True, slots=True)
class Trial:
    """One strategy x seed: an acquisition function, what it asks for, and a seed.

    Trials are paired: the same seed means the same start set, the same first weights and so the
    same model of round 0.
    """

    acquisition: str
    unit: Unit
    seed: int

    @property
    def name(self) -> str:
        """Name of the trial and of its folder."""
        return f"{self.acquisition}-{self.unit}-seed{self.seed}"

    def config(self, grid: Config) -> Config:
        """Settings of this trial within a grid."""
        overrides = {
            "query.acquisition": self.acquisition,
            "query.unit": str(self.unit),
            "seed": self.seed,
        }
        return with_overrides(grid, overrides)


def trials(config: Config) -> tuple[Trial, ...]:
    """Every trial of a grid, seed by seed, so that an unfinished grid holds whole comparisons.

    Raises
    ------
    UnknownName
        If an acquisition function is not registered.
    """
    grid = config.grid
    for acquisition in grid.acquisitions:
        check_acquisition(acquisition)
    return tuple(
        Trial(acquisition, unit, seed)
        for seed in grid.seeds
        for acquisition in grid.acquisitions
        for unit in grid.units
    )
