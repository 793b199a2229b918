"""How far people agree who labelled the same regions without copying from each other."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from askmask.records import UNLABELLED, Answer, Labels
from askmask.store.store import Store

MOST_REGIONS: Final = 300
"""Regions with two answers that are compared at most: those answered last."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Dice of a person's labels with each other person's, over `regions` shared regions.

    `dice` is by class; None where neither side used the class.
    """

    person: str
    regions: int
    dice: tuple[float | None, ...]


@dataclass(slots=True)
class _Counts:
    """Pixels by class: with it in both answers, and in either, each counted; and the regions."""

    both: np.ndarray
    either: np.ndarray
    places: set[tuple[int, int]] = field(default_factory=set)


def agreement_of_people(store: Store, n_classes: int) -> tuple[list[Agreement], int]:
    """Agreement of each person with the others, by name, and how many regions were compared.

    Dice of a class is 2 x (pixels that both gave it) / (pixels of one + pixels of the other), over
    the pixels that both labelled, of all shared regions and other people together.
    """
    shared = store.review.answered_twice(MOST_REGIONS)
    counts: dict[str, _Counts] = {}
    for place, numbers in shared.items():
        given = [answer for answer in map(store.worklist.answer, numbers) if answer is not None]
        for one, other in _pairs(given):
            for person in (one.author, other.author):
                empty = _Counts(np.zeros(n_classes), np.zeros(n_classes))
                known = counts.setdefault(person, empty)
                _count(known, one.mask.labels, other.mask.labels)
                known.places.add(place)
    found = [Agreement(person, len(known.places), _dice(known)) for person, known in counts.items()]
    return sorted(found, key=lambda one: one.person), len(shared)


def _pairs(given: list[Answer]) -> Iterable[tuple[Answer, Answer]]:
    return ((given[i], given[j]) for i in range(len(given)) for j in range(i + 1, len(given)))


def _count(counts: _Counts, one: Labels, other: Labels) -> None:
    known = (one != UNLABELLED) & (other != UNLABELLED)
    size = len(counts.both)
    counts.both += np.bincount(one[known & (one == other)], minlength=size)[:size]
    for labels in (one, other):
        counts.either += np.bincount(labels[known], minlength=size)[:size]


def _dice(counts: _Counts) -> tuple[float | None, ...]:
    return tuple(
        None if either == 0 else float(2 * both / either)
        for both, either in zip(counts.both, counts.either, strict=True)
    )
