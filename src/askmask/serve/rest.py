"""When a worker with nothing to do looks again: as soon as something came, else seldom."""

import time
from typing import Final

from askmask.store.mailbox import Control

LONGEST_SECONDS: Final = 10.0
"""What depends on the time alone, such as a lease that ran out, is noticed so late."""


class Rest:
    """Tells whether anything may be due, at the cost of one small look into the store.

    Parameters
    ----------
    control : Control
        Of an open store.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._seen: tuple[int, ...] = ()
        self._found_nothing: tuple[int, ...] | None = None
        self._until = 0.0

    def is_over(self) -> bool:
        """Whether something came since nothing was due, or a while has passed."""
        self._seen = self._control.version()  # before the turn: what comes in it is seen after
        return self._seen != self._found_nothing or time.monotonic() >= self._until

    def begin(self) -> None:
        """Note that the turn after the last look found nothing to do."""
        self._found_nothing = self._seen
        self._until = time.monotonic() + LONGEST_SECONDS
