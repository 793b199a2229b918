"""The rows of a results table, found by what they measure instead of by looking at all of them."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, TypeVar, overload

from askmask.experiments.run.results import ResultRow

Key = tuple[str, str, str, str]
"""Metric, split, group and class."""

T = TypeVar("T")

_KEY: Final = attrgetter("metric", "split", "group", "class_name")
_HEAD: Final = attrgetter("trial", "round", "status")


class IndexedRows(Sequence[ResultRow]):
    """A results table that knows where each metric stands; as a sequence it is the table itself.

    A long run has a million rows and a report asks for some hundred metrics of it.

    Parameters
    ----------
    rows : sequence of ResultRow
        The table. Not modified; later changes to it are not seen.
    """

    def __init__(self, rows: Sequence[ResultRow]) -> None:
        self._rows = tuple(rows)
        self._made: dict[Hashable, Any] = {}  # Any: whatever `once` is asked to make
        by_key: defaultdict[Key, list[ResultRow]] = defaultdict(list)
        for row in self._rows:
            by_key[_KEY(row)].append(row)
        self._by_key = {key: tuple(own) for key, own in by_key.items()}
        self._heads: dict[tuple[str, int, str], ResultRow] = {}
        for place, own in groupby(self._rows, _HEAD):  # rows of one round stand together
            self._heads.setdefault(place, next(own))

    @property
    def heads(self) -> tuple[ResultRow, ...]:
        """The first row of every trial, round and status: enough where a metric does not matter."""
        return tuple(self._heads.values())

    @property
    def keys(self) -> tuple[Key, ...]:
        """What was measured: every metric, split, group and class, in order."""
        return tuple(key for key in self._by_key if key[0])

    def of(self, metric: str, split: str, group: str, class_name: str) -> Sequence[ResultRow]:
        """Rows of one metric, split, group and class, all rounds, trials and bins."""
        return self._by_key.get((metric, split, group, class_name), ())

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` makes of this table; made at the first call for a key, then remembered.

        Callers share it: it must not be modified.
        """
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    @overload
    def __getitem__(self, place: int) -> ResultRow: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ResultRow]: ...
    def __getitem__(self, place: int | slice) -> ResultRow | Sequence[ResultRow]:
        """Row at a place, or the rows of a slice."""
        return self._rows[place]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __iter__(self) -> Iterator[ResultRow]:
        """Go through all rows."""
        return iter(self._rows)


def indexed(rows: Sequence[ResultRow]) -> IndexedRows:
    """The table with its index; itself if it has one."""
    return rows if isinstance(rows, IndexedRows) else IndexedRows(rows)
