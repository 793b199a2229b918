"""How many strokes a region costs, from nothing and from a model's prediction, with each tool.

    python benchmarks/strokes.py DATASET:TESTS:IMAGES ... [--noise 0.5] [--frozen] [--out table.csv]

A scripted person (`hand.py`) labels regions of images that the model has not seen until 95 % of the
pixels are right, and looks for the largest wrong place before every stroke. The hand misses by a
part of a pixel (`--noise`, normal, the same for a whole stroke: half a pixel is some three on the
screen, as the page shows a region of 128), and lifts after 40 pixels of way: a longer way counts as
more strokes. A person does not plan so well with any tool.

From nothing, the person first fills the region with its commonest class (one stroke). With the
smart brush every class that covers 2 % of the region gets one short line instead, then the largest
wrong place does, as long as a line brings 1 % of the pixels; then the brush does the rest. From the
prediction, the person begins with what the page shows when it opens the region: the labels of the
default network, as `askmask init` sets it, trained on IMAGES whole images for 60 processor seconds.

The brush goes over the wrong place with the widest size that fits into it, or ("within the object")
that fits into the object it belongs to: then it may cover what is right already, as people do. The
page's brush has 12 pixels until somebody changes it, so that is measured, too. The smart brush is
taken for a patch that is wrong as a whole, if the brush would take several strokes; beside a brush
of 12 pixels for any such patch, and wherever that brush would take several. Which of these a person
should do was settled on other regions of other images. "All tools" is the smart brush and the brush
within the object, after filling the region where the prediction is worse than one class everywhere.

`--frozen` adds a smart brush from nothing whose patches know the frozen features of the default
network: the maps of its encoder at strides 4 and 8, as a worker keeps them on disk, each as its
first eight principal components within the region.
"""

import argparse
import csv
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from askmask.records import UNLABELLED
from hand import ENOUGH, NARROW, NEARLY, Person, Place, path_over
from proposals import Seen, components, seen_images

NEVER = 1000
WIDE_LEAST = (2, NEVER)
"""Strokes of the brush from which the smart brush is taken: for a whole patch, and for others."""
NARROW_LEAST = (1, 2)

Row = dict[str, object]


def brush(person: Person) -> None:
    """From nothing, over each wrong place."""
    person.begin_filled()
    person.label(person.brush)


def narrow_brush(person: Person) -> None:
    """The same with a brush as it comes."""
    person.begin_filled()
    person.label(lambda place, value: person.brush(place, value, NARROW))


def brush_within(person: Person) -> None:
    """From nothing, over each wrong place and around it within its object."""
    person.begin_filled()
    person.label(person.brush_within)


def patches(person: Person) -> None:
    """From nothing, by patches."""
    person.begin_filled()
    person.label(person.paint_patches)


def smart(person: Person) -> None:
    """From nothing, by lines that are spread, then by the brush."""
    person.begin_spread()
    person.label(person.spread_or_brush)


def smart_frozen(person: Person) -> None:
    """The same with frozen features."""
    assert person.place.features is not None, "asked for"
    person.begin_spread(components(person.place.features))
    person.label(person.spread_or_brush)


def predicted_brush(person: Person) -> None:
    """From the prediction, over each wrong place."""
    person.begin_predicted()
    person.label(person.brush)


def predicted_brush_within(person: Person) -> None:
    """From the prediction, over each wrong place and around it within its object."""
    person.begin_predicted()
    person.label(person.brush_within)


def predicted_patches(person: Person) -> None:
    """From the prediction, by patches."""
    person.begin_predicted()
    person.label(person.paint_patches)


def predicted_narrow_brush(person: Person) -> None:
    """From the prediction, over each wrong place with a brush as it comes."""
    person.begin_predicted()
    person.label(lambda place, value: person.brush(place, value, NARROW))


def predicted_all_tools(person: Person) -> None:
    """From the prediction, by the smart brush or the brush within the object.

    Where the prediction is worse than one class everywhere, the region is filled first.
    """
    person.begin_predicted()
    if person.share < person.share_filled:
        person.begin_filled()
    person.label(
        lambda place, value: person.correct_or_paint(
            place, value, person.path_within(place, value), WIDE_LEAST
        )
    )


def predicted_narrow_smart(person: Person) -> None:
    """From the prediction, by the smart brush or a brush as it comes."""
    person.begin_predicted()
    person.label(
        lambda place, value: person.correct_or_paint(
            place, value, path_over(place, NARROW), NARROW_LEAST
        )
    )


FROM_NOTHING: dict[str, Callable[[Person], None]] = {
    "brush": brush,
    "brush of 12 px": narrow_brush,
    "brush within the object": brush_within,
    "patches": patches,
    "smart, then brush": smart,
}
FROM_PREDICTION: dict[str, Callable[[Person], None]] = {
    "brush": predicted_brush,
    "brush of 12 px": predicted_narrow_brush,
    "brush within the object": predicted_brush_within,
    "patches": predicted_patches,
    "smart or brush of 12 px": predicted_narrow_smart,
    "all tools": predicted_all_tools,
}


def regions(images: Sequence[Seen], options: argparse.Namespace) -> list[Place]:
    """Regions of the images in which at least two classes have 5 % each."""
    random, side = np.random.default_rng(options.seed), options.side
    found: list[Place] = []
    for _ in range(50 * options.regions):
        image = images[random.integers(len(images))]
        row, col = (int(random.integers(n - side + 1)) for n in image.labels.shape)
        truth = image.labels[row : row + side, col : col + side].astype(np.int16)
        known = truth[truth != UNLABELLED]
        if known.size < truth.size / 2 or (np.bincount(known) >= 0.05 * known.size).sum() < 2:
            continue
        found.append(image.place(row, col, side))
        if len(found) == options.regions:
            break
    return found


def measure(data: str, options: argparse.Namespace) -> list[Row]:
    """One row for each tool."""
    path, tests, count = data.rsplit(":", 2)
    images = seen_images(Path(path), tests.split("+"), int(count), options)
    found = regions(images, options)
    nothing = FROM_NOTHING | ({"smart, frozen features": smart_frozen} if options.frozen else {})
    rows = []
    for begins, tools in (("nothing", nothing), ("prediction", FROM_PREDICTION)):
        for tool, use in tools.items():
            people = [Person(place, seed, options.noise) for seed, place in enumerate(found)]
            for person in people:
                use(person)
            names = {"data": Path(path).name, "noise": options.noise}
            rows.append({**names, "begins": begins, "tool": tool, **summary(people)})
            print(" ".join(f"{name}={value}" for name, value in rows[-1].items()), flush=True)
    return rows


def summary(people: Sequence[Person]) -> Row:
    """What the people of one tool needed."""
    seconds = sorted(s for person in people for s in person.seconds)
    late = 1000 * seconds[int(0.95 * (len(seconds) - 1))] if seconds else float("nan")
    cut = [1000 * person.cut_seconds for person in people if person.cut_seconds]
    return {
        "regions": len(people),
        "share_begun_mean": mean((person.share_begun for person in people), 3),
        "reached": sum(person.share >= ENOUGH for person in people),
        "strokes_median": statistics.median(person.strokes for person in people),
        "strokes_mean": mean(person.strokes for person in people),
        f"to_{NEARLY:.0%}_median": statistics.median(person.nearly for person in people),
        f"to_{NEARLY:.0%}_mean": mean(person.nearly for person in people),
        "smart_strokes_mean": mean(person.smart_strokes for person in people),
        "taken_back_mean": mean(person.undone for person in people),
        "cut_ms_median": round(statistics.median(cut), 1) if cut else float("nan"),
        "stroke_ms_p95": round(late, 1),
    }


def mean(values: Iterable[float], digits: int = 1) -> float:
    """Mean, rounded."""
    return round(statistics.mean(values), digits)


def main() -> None:
    """Measure, print, and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", metavar="DATASET:TESTS:IMAGES")
    parser.add_argument("--regions", type=int, default=40)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--noise", type=float, default=0.5, help="Pixels a stroke is off.")
    parser.add_argument("--seconds", type=float, default=60.0, help="Of training.")
    parser.add_argument("--seed", type=int, default=0, help="Of the training and the regions.")
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--kept", type=Path, help="Folder that keeps predictions for another run.")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for data in options.data for row in measure(data, options)]
    if options.out is not None:
        with options.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
