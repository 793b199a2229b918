"""A scripted person who has all tools of the page in hand, and knows what each will do.

What the strokes cost is measured by `strokes.py`, which says what the person does and why.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from askmask.assist.correct import correct
from askmask.assist.prompted.prompt import Click, Prompt
from askmask.records import UNLABELLED
from hand import Labels, Mask, Path, Person, Place, depth_in, largest, path_over, swath

SPECKS = 20
"""Pixels below which the page removes specks, until somebody changes it."""
MOST_CLICKS = 2
MOSTLY_WRONG = 0.5
"""Share of an object that is wrong, from which a box around it is thought of."""
WORTH_A_CLICK = 0.1
"""Share of an object that a click must put right."""


@dataclass(frozen=True)
class Act:
    """Something that can be done: with which tool, in how many strokes, and what is expected."""

    tool: str
    strokes: int
    expected: Labels
    do: Callable[[], None]


class Expert(Person):
    """Somebody who takes the tool that puts most pixels right for each stroke.

    Paint misses by as much as the hand is off, which nobody knows before. The rest is as expected.
    """

    has_boxes = False

    def __init__(self, place: Place, seed: int, noise: float):
        super().__init__(place, seed, noise)
        self.used: Counter[str] = Counter()

    def best_tool(self, place: Mask, value: int) -> None:
        """Do what promises most for a wrong place."""
        best = max(self.acts(place, value), key=self.promise)
        self.used[best.tool] += 1
        best.do()
        if best.tool != "smart brush":
            self.keep_corrected()

    def promise(self, act: Act) -> float:
        """How many more pixels are right for each stroke."""
        right = np.count_nonzero((act.expected == self.truth)[self.known])
        return (right - np.count_nonzero((self.labels == self.truth)[self.known])) / act.strokes

    def acts(self, place: Mask, value: int) -> Iterator[Act]:
        """What can be done about a wrong place, and about the region as a whole."""
        yield self.painting("brush", path_over(place, np.inf), value)
        yield self.painting("brush within the object", self.path_within(place, value), value)
        yield self.at_once("fill", np.where(self.patch_under(place), np.int16(value), self.labels))
        for one in np.unique(self.truth[self.known]):
            yield self.at_once("grow", grown(self.labels, int(one)))
            yield self.at_once("shrink", shrunk(self.labels, int(one)))
        yield self.at_once("remove specks", without_specks(self.labels, SPECKS))
        yield self.smart_stroke(place, value)
        if self.has_boxes and self.place.propose is not None:
            yield from self.boxes(place, value, self.place.propose)

    def painting(self, tool: str, path: Path, value: int) -> Act:
        """Paint along a path."""
        painted, way = swath(*path)
        expected = np.where(painted, np.int16(value), self.labels)
        return Act(tool, self.lifts(way), expected, lambda: self.paint(*path, value))

    def at_once(self, tool: str, labels: Labels, strokes: int = 1) -> Act:
        """Have such labels, known before."""

        def do() -> None:
            self.labels = labels
            self.strokes += strokes

        return Act(tool, strokes, labels, do)

    def smart_stroke(self, place: Mask, value: int) -> Act:
        """A line of the smart brush, together with those since something else was done."""
        before, drawn = self.strokes, self.drawn
        self.drawn = drawn.copy()
        self.line(place, value)
        strokes, new = self.strokes - before, self.drawn
        self.strokes, self.drawn = before, drawn
        expected = correct(self.edges, self.before, new)

        def do() -> None:
            self.labels, self.drawn = expected, new
            self.strokes += strokes
            self.smart_strokes += strokes

        return Act("smart brush", strokes, expected, do)

    def boxes(self, place: Mask, value: int, propose: Callable[[Prompt], Mask]) -> Iterator[Act]:
        """A box around the object of a place that is mostly wrong, and clicks that correct it."""
        parts, _ = ndimage.label(self.truth == value)
        thing = np.asarray(parts == np.bincount(parts[place]).argmax())
        size = np.count_nonzero(thing)
        if np.count_nonzero(thing & (self.labels != value)) < MOSTLY_WRONG * size:
            return
        rows, cols = (np.flatnonzero(thing.any(axis)) for axis in (1, 0))
        off = self.random.normal(0, self.noise, 4)
        prompt = Prompt(
            rows[0] + off[0], cols[0] + off[1], rows[-1] + 1 + off[2], cols[-1] + 1 + off[3]
        )
        for clicks in range(MOST_CLICKS + 1):
            mask = propose(prompt)
            labels = np.where(mask, np.int16(value), self.labels)
            yield self.at_once("box", labels, 1 + clicks)
            wrong, pixels = largest(self.known & (mask != thing))
            if pixels < WORTH_A_CLICK * size:
                return
            prompt = replace(prompt, clicks=(*prompt.clicks, self.click(wrong, thing)))

    def click(self, wrong: Mask, thing: Mask) -> Click:
        """A click at the deepest point of what is wrong."""
        row, col = np.unravel_index(int(depth_in(wrong).argmax()), wrong.shape)
        at = np.array([row, col]) + 0.5 + self.random.normal(0, self.noise, 2)
        at = np.clip(at, 0, len(wrong))
        return Click(float(at[0]), float(at[1]), is_inside=bool(thing[row, col]))


def grown(labels: Labels, value: int) -> Labels:
    """Give the class every pixel that touches it, as the page does."""
    return np.where(ndimage.binary_dilation(labels == value), np.int16(value), labels)


def shrunk(labels: Labels, value: int) -> Labels:
    """Take from the class every pixel that touches another, as the page does."""
    found = labels.copy()
    left = labels == value
    for neighbours in around(labels):
        takes = left & (neighbours != value)
        found[takes] = neighbours[takes]
        left &= ~takes
    return found


def around(labels: Labels) -> Iterator[Labels]:
    """The neighbours above, to the left, to the right and below; the pixel itself at an edge."""
    padded = np.pad(labels, 1, mode="edge")
    yield padded[:-2, 1:-1]
    yield padded[1:-1, :-2]
    yield padded[1:-1, 2:]
    yield padded[2:, 1:-1]


def without_specks(labels: Labels, smallest: int) -> Labels:
    """Give patches of fewer pixels the class that surrounds most of each, as the page does.

    Where two surround it equally, the lower one; the page takes the one that it meets first.
    """
    found = labels.copy()
    beside = np.stack(list(around(labels)))
    for value in np.unique(labels[labels != UNLABELLED]):
        parts, _ = ndimage.label(labels == value)
        sizes = np.bincount(parts.ravel())
        for number, box in enumerate(ndimage.find_objects(parts), start=1):
            if sizes[number] >= smallest:
                continue
            inside = parts[box] == number
            others = beside[:, *box][:, inside]
            others = others[others != value]
            if len(others) > 0:
                found[box][inside] = np.bincount(others - UNLABELLED).argmax() + UNLABELLED
    return found
