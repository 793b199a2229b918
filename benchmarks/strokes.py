"""How many strokes a region costs, from nothing and from a model's prediction, with each tool.

    python benchmarks/strokes.py DATASET:TESTS:IMAGES:SECONDS ... [--out table.csv]
        [--pair encoder.onnx decoder.onnx] [--noise 0.5] [--side 128] [--frozen] [--kept FOLDER]

A scripted person (`hand.py`) labels regions of images that the model has not seen until 95 % of the
pixels are right, and looks for the largest wrong place before every stroke. Regions are as large
as `askmask init` sets them for the images, unless `--side` says otherwise. The page shows a region
as large as the screen allows. So the hand is off by a part of its side (`--noise` of 128, normal,
the same for a whole stroke: some three pixels on the screen), and lifts after a way of 40 of 128: a
longer way counts as more strokes. A person does not plan so well with any tool.

From nothing, the person first fills the region with its commonest class (one stroke). With the
smart brush every class that covers 2 % of the region gets one short line instead, then the largest
wrong place does, as long as a line brings 1 % of the pixels; then the brush does the rest. From the
prediction, the person begins with what the page shows when it opens the region: the labels of the
default network, as `askmask init` sets it, trained on IMAGES whole images for SECONDS of the
processor.

The brush goes over the wrong place with the widest size that fits into it, or ("within the object")
that fits into the object it belongs to: then it may cover what is right already, as people do. The
page's brush is a tenth of the region wide until somebody changes it, so that is measured, too.
Beside such a brush the smart brush is taken for a patch that is wrong as a whole, and for any other
place where the brush would take several strokes.

"All tools" is somebody who knows what each tool of the page will do (`expert.py`) and takes the one
that puts most pixels right for each stroke: either brush, the smart brush, filling a patch, growing
or shrinking a class by a pixel, removing specks. Where the prediction is worse than one class
everywhere, the region is filled first. With a pair of the SAM family (`--pair`), "and boxes" has
the box and click assistant, too: a box is a stroke, and so is a click.

`--frozen` adds a smart brush from nothing whose patches know the frozen features of the default
network: the maps of its encoder at strides 4 and 8, as a worker keeps them on disk, each as its
first eight principal components within the region.
"""

import argparse
import csv
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from askmask.records import UNLABELLED
from expert import Expert
from hand import AS_IT_COMES, ENOUGH, NEARLY, SIDE, Place, path_over
from proposals import Few, Seen, components

LEAST = (1, 2)
"""Strokes of the brush from which the smart brush is taken: for a whole patch, and for others."""

Row = dict[str, object]


def brush(person: Expert) -> None:
    """From nothing, over each wrong place."""
    person.begin_filled()
    person.label(person.brush)


def brush_as_it_comes(person: Expert) -> None:
    """The same with a brush as it comes."""
    person.begin_filled()
    widest = AS_IT_COMES * len(person.truth)
    person.label(lambda place, value: person.brush(place, value, widest))


def brush_within(person: Expert) -> None:
    """From nothing, over each wrong place and around it within its object."""
    person.begin_filled()
    person.label(person.brush_within)


def patches(person: Expert) -> None:
    """From nothing, by patches."""
    person.begin_filled()
    person.label(person.paint_patches)


def smart(person: Expert) -> None:
    """From nothing, by lines that are spread, then by the brush."""
    person.begin_spread()
    person.label(person.spread_or_brush)


def smart_frozen(person: Expert) -> None:
    """The same with frozen features."""
    assert person.place.features is not None, "asked for"
    person.begin_spread(components(person.place.features))
    person.label(person.spread_or_brush)


def predicted_brush(person: Expert) -> None:
    """From the prediction, over each wrong place."""
    person.begin_predicted()
    person.label(person.brush)


def predicted_brush_within(person: Expert) -> None:
    """From the prediction, over each wrong place and around it within its object."""
    person.begin_predicted()
    person.label(person.brush_within)


def predicted_patches(person: Expert) -> None:
    """From the prediction, by patches."""
    person.begin_predicted()
    person.label(person.paint_patches)


def predicted_brush_as_it_comes(person: Expert) -> None:
    """From the prediction, over each wrong place with a brush as it comes."""
    person.begin_predicted()
    widest = AS_IT_COMES * len(person.truth)
    person.label(lambda place, value: person.brush(place, value, widest))


def all_tools(person: Expert) -> None:
    """From nothing, by the tool that puts most right."""
    person.begin_filled()
    person.label(person.best_tool)


def predicted_all_tools(person: Expert) -> None:
    """The same from the prediction, or filled where the prediction is worse."""
    person.begin_predicted()
    if person.share < person.share_filled:
        person.begin_filled()
    person.label(person.best_tool)


def all_and_boxes(person: Expert) -> None:
    """From nothing, with boxes, too."""
    person.has_boxes = True
    all_tools(person)


def predicted_all_and_boxes(person: Expert) -> None:
    """The same from the prediction."""
    person.has_boxes = True
    predicted_all_tools(person)


def predicted_smart(person: Expert) -> None:
    """From the prediction, by the smart brush or a brush as it comes."""
    widest = AS_IT_COMES * len(person.truth)
    person.begin_predicted()
    person.label(
        lambda place, value: person.correct_or_paint(place, value, path_over(place, widest), LEAST)
    )


FROM_NOTHING: dict[str, Callable[[Expert], None]] = {
    "brush": brush,
    "brush as it comes": brush_as_it_comes,
    "brush within the object": brush_within,
    "patches": patches,
    "smart, then brush": smart,
    "all tools": all_tools,
}
FROM_PREDICTION: dict[str, Callable[[Expert], None]] = {
    "brush": predicted_brush,
    "brush as it comes": predicted_brush_as_it_comes,
    "brush within the object": predicted_brush_within,
    "patches": predicted_patches,
    "smart or brush as it comes": predicted_smart,
    "all tools": predicted_all_tools,
}


def regions(images: Sequence[Seen], side: int, options: argparse.Namespace) -> list[Place]:
    """Regions of the images in which at least two classes have 5 % each."""
    random = np.random.default_rng(options.seed)
    images = [image for image in images if min(image.labels.shape) >= side]
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
    path, tests, count, seconds = data.rsplit(":", 3)
    model = Few(Path(path), tests.split("+"), int(count), float(seconds), options.seed)
    side = options.side or model.region_side()
    found = regions(model.seen_images(options), side, options)
    nothing, prediction = dict(FROM_NOTHING), dict(FROM_PREDICTION)
    if options.frozen:
        nothing["smart, frozen features"] = smart_frozen
    if options.pair is not None:
        nothing["all tools and boxes"] = all_and_boxes
        prediction["all tools and boxes"] = predicted_all_and_boxes
    rows = []
    for begins, tools in (("nothing", nothing), ("prediction", prediction)):
        for tool, use in tools.items():
            noise = options.noise / SIDE
            people = [Expert(place, seed, noise) for seed, place in enumerate(found)]
            for person in people:
                use(person)
            names = {"data": Path(path).name, "images": count, "seconds": seconds, "side": side}
            rows.append({**names, "begins": begins, "tool": tool, **summary(people)})
            print(" ".join(f"{name}={value}" for name, value in rows[-1].items()), flush=True)
    return rows


def summary(people: Sequence[Expert]) -> Row:
    """What the people of one tool needed."""
    seconds = sorted(s for person in people for s in person.seconds)
    late = 1000 * seconds[int(0.95 * (len(seconds) - 1))] if seconds else float("nan")
    used = sum((person.used for person in people), Counter())
    cut = [1000 * person.cut_seconds for person in people if person.cut_seconds]
    return {
        "regions": len(people),
        "share_begun_mean": mean((person.share_begun for person in people), 3),
        "reached": sum(person.share >= ENOUGH for person in people),
        "strokes_median": statistics.median(person.strokes for person in people),
        "strokes_mean": mean(person.strokes for person in people),
        f"to_{NEARLY:.0%}_median": statistics.median(person.nearly for person in people),
        f"to_{NEARLY:.0%}_mean": mean(person.nearly for person in people),
        "used": "; ".join(f"{tool} {n}" for tool, n in used.most_common()),
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
    parser.add_argument("data", nargs="+", metavar="DATASET:TESTS:IMAGES:SECONDS")
    parser.add_argument("--regions", type=int, default=40)
    parser.add_argument("--side", type=int, help="Of the regions; as `askmask init` without it.")
    parser.add_argument("--noise", type=float, default=0.5, help="128ths that a stroke is off.")
    parser.add_argument("--seed", type=int, default=0, help="Of the training and the regions.")
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--pair", type=Path, nargs=2, metavar=("ENCODER", "DECODER"))
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
