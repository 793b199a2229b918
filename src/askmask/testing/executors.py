"""What every executor guarantees; see `askmask.runtime.executors.Executor`."""

import sys
from collections.abc import Iterable

import pytest

from askmask.runtime.executors import Executor, Outcome


def square(number: int) -> int:
    """Multiply a number by itself."""
    return number * number


def invert(number: int) -> float:
    """Divide 1 by a number."""
    return 1 / number


def leave(code: int) -> None:
    """End the process, as far as a job can."""
    sys.exit(code)


def by_index(outcomes: Iterable[Outcome[object]]) -> list[Outcome[object]]:
    """Outcomes in the order of their items."""
    return sorted(outcomes, key=lambda outcome: outcome.index)


class ExecutorContract:
    """Subclass it with a fixture `executor`."""

    @pytest.fixture
    def executor(self) -> Executor:
        """Return the executor under test."""
        raise NotImplementedError

    def test_every_item_has_exactly_one_outcome_with_its_index_and_value(
        self, executor: Executor
    ) -> None:
        outcomes = by_index(executor.map(square, [3, 1, 2]))
        assert [(o.index, o.value, o.error, o.details) for o in outcomes] == [
            (0, 9, None, None),
            (1, 1, None, None),
            (2, 4, None, None),
        ]

    def test_no_items_give_no_outcomes(self, executor: Executor) -> None:
        assert list(executor.map(square, [])) == []

    def test_a_job_that_raises_is_an_outcome_and_the_others_go_on(self, executor: Executor) -> None:
        outcomes = by_index(executor.map(invert, [2, 0, 4]))
        assert [outcome.value for outcome in outcomes] == [0.5, None, 0.25]
        assert outcomes[1].error == "ZeroDivisionError: division by zero"
        assert "in invert" in str(outcomes[1].details)

    def test_a_job_that_exits_is_an_outcome_too(self, executor: Executor) -> None:
        outcomes = by_index(executor.map(leave, [0, 3]))
        assert [outcome.error for outcome in outcomes] == ["SystemExit: 0", "SystemExit: 3"]

    def test_nothing_starts_before_the_first_outcome_is_asked_for(self, executor: Executor) -> None:
        numbers = iter(range(50))
        outcomes = executor.map(square, numbers)
        assert next(numbers) == 0
        next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]  # a generator
        assert 1 < next(numbers) < 50

    def test_a_closed_iterator_yields_no_more(self, executor: Executor) -> None:
        outcomes = executor.map(square, range(50))
        next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]  # a generator
        assert list(outcomes) == []

    def test_an_executor_can_be_used_again(self, executor: Executor) -> None:
        first = by_index(executor.map(square, [2]))
        assert by_index(executor.map(square, [2])) == first
