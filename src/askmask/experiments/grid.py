"""Which trials a benchmark has, and where each lies on disk."""

from dataclasses import dataclass

from askmask.config import Config, with_overrides
from askmask.errors import ConfigError
from askmask.records import Unit
from askmask.strategies import strategy_turn


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
        acquisition = self.acquisition.replace(":", ".")  # Windows has no colon in file names
        return f"{acquisition}-{self.unit}-seed{self.seed}"

    def config(self, grid: Config) -> Config:
        """Settings of this trial within a grid."""
        overrides = {
            "query.acquisition": self.acquisition,
            "query.options": self._options(grid),
            "query.unit": str(self.unit),
            "seed": self.seed,
        }
        return with_overrides(grid, overrides)

    def _options(self, grid: Config) -> dict[str, object]:
        """Options of the trial's strategy: the grid's, else those of `query` if it is that one."""
        if self.acquisition in grid.grid.options:
            return grid.grid.options[self.acquisition]
        return grid.query.options if self.acquisition == grid.query.acquisition else {}


def trials(config: Config) -> tuple[Trial, ...]:
    """Every trial of a grid, seed by seed, so that an unfinished grid holds whole comparisons.

    Raises
    ------
    UnknownName
        If a strategy does not exist.
    ConfigError
        If a strategy does not take its options, samples or budget, or options are given for one
        that the grid does not have.
    """
    grid = config.grid
    strangers = sorted(set(grid.options) - set(grid.acquisitions))
    if strangers:
        raise ConfigError(
            f"expected options for {list(grid.acquisitions)!r} in grid.options, got some for "
            f"{strangers!r}. Add these to grid.acquisitions, or remove their options."
        )
    planned = tuple(
        Trial(acquisition, unit, seed)
        for seed in grid.seeds
        for acquisition in grid.acquisitions
        for unit in grid.units
    )
    for trial in planned[: len(grid.acquisitions) * len(grid.units)]:  # seeds change no rule
        strategy_turn(trial.config(config), 1)
    return planned
