"""What every executor must do, and jobs for it: at the top level, so that processes find them."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest


def square(number):
    return number * number


def invert(number):
    return 1 / number


def leave(code):
    sys.exit(code)


def kill_if_negative(number):
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait_for(path):
    """Return the path once it exists."""
    while not Path(path).exists():
        time.sleep(0.01)
    return path


def say_pid_and_wait(folder):
    """Leave a file named for this process, then wait for what never comes."""
    (Path(folder) / f"pid_{os.getpid()}").touch()
    wait_for(Path(folder) / "never")


def threads_of_torch(_item):
    import torch

    return torch.get_num_threads()


def process_id(_item):
    return os.getpid()


def by_index(outcomes):
    return sorted(outcomes, key=lambda outcome: outcome.index)


class ExecutorContract:
    """Subclass it with a fixture `executor`."""

    @pytest.fixture
    def executor(self):
        raise NotImplementedError

    def test_every_item_has_exactly_one_outcome_with_its_index_and_value(self, executor):
        outcomes = by_index(executor.map(square, [3, 1, 2]))
        assert [(o.index, o.value, o.error, o.details) for o in outcomes] == [
            (0, 9, None, None),
            (1, 1, None, None),
            (2, 4, None, None),
        ]

    def test_no_items_give_no_outcomes(self, executor):
        assert list(executor.map(square, [])) == []

    def test_a_job_that_raises_is_an_outcome_and_the_others_go_on(self, executor):
        outcomes = by_index(executor.map(invert, [2, 0, 4]))
        assert [outcome.value for outcome in outcomes] == [0.5, None, 0.25]
        assert outcomes[1].error == "ZeroDivisionError: division by zero"
        assert "in invert" in outcomes[1].details

    def test_a_job_that_exits_is_an_outcome_too(self, executor):
        outcomes = by_index(executor.map(leave, [0, 3]))
        assert [outcome.error for outcome in outcomes] == ["SystemExit: 0", "SystemExit: 3"]

    def test_nothing_starts_before_the_first_outcome_is_asked_for(self, executor):
        taken = []
        outcomes = executor.map(square, (taken.append(n) or n for n in range(50)))
        assert taken == []
        next(outcomes)
        outcomes.close()
        assert 1 <= len(taken) < 50

    def test_a_closed_iterator_yields_no_more(self, executor):
        outcomes = executor.map(square, range(50))
        next(outcomes)
        outcomes.close()
        assert list(outcomes) == []

    def test_an_executor_can_be_used_again(self, executor):
        first = by_index(executor.map(square, [2]))
        assert by_index(executor.map(square, [2])) == first
