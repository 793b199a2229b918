"""Contracts as test classes, for authors of parts: subclass one, give it your part, run pytest.

::

    from askmask.testing import ModelContract

    class TestMyNetwork(ModelContract):
        def make_model(self, n_classes: int = 2) -> Model:
            return MyNetwork(n_classes)

Each class tests what the docstring of its part promises (`Model`, `Source`, `Strategy`, `Oracle`,
`Executor`, `Format`, `TiledImage`) and nothing else. Needs pytest:
``pip install askmask[testing]``.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if find_spec("pytest") is None:
    raise ImportError("askmask.testing needs pytest. Install it: pip install 'askmask[testing]'.")

import pytest

_HOMES = {
    "ExecutorContract": "executors",
    "FormatContract": "exchange",
    "ModelContract": "networks",
    "OracleContract": "oracles",
    "SourceContract": "sources",
    "StrategyContract": "strategies",
    "TiledImageContract": "tiled_images",
}
for _home in set(_HOMES.values()):  # before they are imported: failures then show the values
    pytest.register_assert_rewrite(f"askmask.testing.{_home}")

if TYPE_CHECKING:
    from askmask.testing.exchange import FormatContract
    from askmask.testing.executors import ExecutorContract
    from askmask.testing.networks import ModelContract
    from askmask.testing.oracles import OracleContract
    from askmask.testing.sources import SourceContract
    from askmask.testing.strategies import StrategyContract
    from askmask.testing.tiled_images import TiledImageContract

__all__ = [
    "ExecutorContract",
    "FormatContract",
    "ModelContract",
    "OracleContract",
    "SourceContract",
    "StrategyContract",
    "TiledImageContract",
]


def __getattr__(name: str) -> object:
    """Import a contract from its home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'askmask.testing' has no attribute {name!r}")
    return getattr(import_module(f"askmask.testing.{_HOMES[name]}"), name)
