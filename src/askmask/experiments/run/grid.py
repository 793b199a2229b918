"""The trials of a benchmark, and the folder of each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from askmask.config import Config, with_overrides
from askmask.errors import ConfigError
from askmask.experiments.stats.curves import ALL_DATA, REFERENCES
from askmask.query.strategies import strategy_turn
from askmask.records import Unit

_NAME: Final = re.compile(r"[A-Za-z0-9._+-]+")  # safe in file names
_OF_TRIALS: Final = ("seed", "grid", "name", "query.acquisition", "query.options", "query.unit")


@dataclass(frozen=True, slots=True)
class Trial:
    """One strategy x seed: an acquisition function, what it asks for, and a seed.

    Trials are paired: the same seed means the same start set, the same first weights and so the
    same model of round 0. `model` and `budget` name variants of the grid; empty without such.
    """

    acquisition: str
    unit: Unit
    seed: int
    model: str = ""
    budget: str = ""

    @property
    def name(self) -> str:
        """Name of the trial and of its folder."""
        acquisition = self.acquisition.replace(":", ".")  # Windows has no colon in file names
        parts = [acquisition, str(self.unit), self.model, self.budget, f"seed{self.seed}"]
        return "-".join(part for part in parts if part)

    def rounds(self, grid: Config) -> int:
        """Queries of this trial: none for a bound."""
        return 0 if self.acquisition in REFERENCES else grid.grid.rounds

    def config(self, grid: Config) -> Config:
        """Settings of this trial within a grid."""
        overrides: dict[str, Any] = {  # Any: settings of all kinds
            **grid.grid.models.get(self.model, {}),
            **grid.grid.budgets.get(self.budget, {}),
            "query.unit": str(self.unit),
            "seed": self.seed,
        }
        if self.acquisition in REFERENCES:
            overrides |= {"query.acquisition": "random", "query.options": {}}
        else:
            overrides |= {
                "query.acquisition": self.acquisition,
                "query.options": self._options(grid),
            }
        if self.acquisition == ALL_DATA:
            overrides["data.start"] = "all"
        return with_overrides(grid, overrides)

    def _options(self, grid: Config) -> dict[str, Any]:
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
        If a strategy does not take its options, samples or budget, options are given for one that
        the grid does not have, or a variant has a bad name or sets what trials set.
    """
    grid = config.grid
    strangers = sorted(set(grid.options) - set(grid.acquisitions))
    if strangers:
        raise ConfigError(
            f"expected options for {list(grid.acquisitions)!r} in grid.options, got some for "
            f"{strangers!r}. Add these to grid.acquisitions, or remove their options."
        )
    for kind, variants in (("models", grid.models), ("budgets", grid.budgets)):
        _check_variants(kind, variants)
    planned = tuple(trial for seed in grid.seeds for trial in _of_seed(config, seed))
    for trial in planned[: len(planned) // max(len(grid.seeds), 1)]:  # seeds change no rule
        strategy_turn(trial.config(config), 1)
    return planned


def _of_seed(config: Config, seed: int) -> Iterator[Trial]:
    grid = config.grid
    for model in grid.models or ("",):
        if grid.bounds:
            for bound in REFERENCES:
                yield Trial(bound, Unit.IMAGE, seed, model)
        for budget in grid.budgets or ("",):
            for acquisition in grid.acquisitions:
                for unit in grid.units:
                    yield Trial(acquisition, unit, seed, model, budget)


def _check_variants(kind: str, variants: Mapping[str, Mapping[str, Any]]) -> None:
    for name, settings in variants.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"expected letters, digits, '.', '_', '+' or '-' in a name of grid.{kind}, got "
                f"{name!r}. Rename it: it becomes part of folder names."
            )
        taken = [key for key in settings if key in _OF_TRIALS or key.startswith("grid.")]
        if taken:
            raise ConfigError(
                f"expected settings that the grid does not make itself in grid.{kind}.{name}, got "
                f"{taken!r}. Remove them, or use grid.acquisitions, grid.units or grid.seeds."
            )
