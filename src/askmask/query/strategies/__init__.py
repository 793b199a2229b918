"""Strategies: what to ask, by name; ``docs/explanation/strategies.md`` tells how to add one."""

from askmask.query.strategies.by_name import (
    STRATEGIES,
    find_strategy,
    register,
    strategy_names,
    strategy_turn,
)
from askmask.query.strategies.strategy import ScoredImage, Strategy, Turn

__all__ = [
    "STRATEGIES",
    "ScoredImage",
    "Strategy",
    "Turn",
    "find_strategy",
    "register",
    "strategy_names",
    "strategy_turn",
]
