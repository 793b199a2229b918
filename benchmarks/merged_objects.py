"""Do predicted objects merge, and is it the contour or the foreground? Models of a finished run.

``python benchmarks/merged_objects.py RUN`` looks at the newest model of every finished trial on its
test images. True objects count as merged where one found object covers more than half of each of
two or more of them. Beside that, the mean predicted probabilities in the gaps: background within
`GAP` pixels of two objects. Needs background and objects of one class, and a network with contours.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from askmask.loop.project import Project
from askmask.metrics.objects import find_objects

GAP = 8
"""Pixels."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the newest model of a trial makes of its test images."""

    trial: str
    round: int
    n_true: int
    n_found: int
    n_merged: int
    n_merged_without_contours: int
    contour_in_gaps: float
    foreground_in_gaps: float


def main() -> None:
    """Print a table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    options = parser.parse_args()
    print(
        "| trial | round | true objects | found | merged | merged, unsplit by contours "
        "| contour probability in gaps | foreground probability in gaps |\n" + "|---" * 8 + "|"
    )
    for row in rows(options.run):
        counts = (row.round, row.n_true, row.n_found, row.n_merged, row.n_merged_without_contours)
        shares = (f"{row.contour_in_gaps:.3f}", f"{row.foreground_in_gaps:.3f}")
        print(f"| {' | '.join(map(str, (row.trial, *counts, *shares)))} |", flush=True)


def rows(run: Path) -> Iterator[Row]:
    """A row for each finished trial."""
    for folder in sorted((run / "trials").iterdir()):
        if json.loads((folder / "progress.json").read_text())["phase"] == "finished":
            with Project.open(folder) as project:
                yield measure(project)


def measure(project: Project) -> Row:
    """Predict the test images of a trial with its newest model."""
    if len(project.source.classes) != 2:
        raise SystemExit(f"expected two classes, got {project.source.classes.names}.")
    model, config = project.model(), project.config.evaluation
    counts = np.zeros(4, int)
    contours, foregrounds = [], []
    for image_id in project.roles.test:
        mask = project.source.read_mask(image_id)
        if mask is None or mask.instances is None:
            raise SystemExit(f"expected a mask with instances of test image {image_id!r}.")
        image = project.source.read_image(image_id)
        prediction = model.sums(model.plain_judge, image, name=image_id, boundary=True)
        if prediction.boundary_probs is None:
            raise SystemExit("expected a network that predicts contours.")
        foreground = prediction.sums.mean_probs[1].float().cpu().numpy()
        contour = prediction.boundary_probs.float().cpu().numpy()
        inside, smallest = foreground > 0.5, config.min_object_pixels
        found = find_objects(inside, contour >= config.boundary_threshold, smallest)
        true = mask.instances.astype(int)
        unsplit = find_objects(inside, None, smallest)
        n_true = np.count_nonzero(np.unique(true))
        counts += (n_true, found.max(), merged(true, found), merged(true, unsplit))
        between = gaps(true)
        contours.append(contour[between])
        foregrounds.append(foreground[between])
    means = (float(np.concatenate(parts).mean()) for parts in (contours, foregrounds))
    return Row(project.root.name, model.round, *counts.tolist(), *means)


def merged(true: np.ndarray, found: np.ndarray) -> int:
    """True objects that share the found object which covers more than half of them."""
    if not found.any():
        return 0
    overlap = np.zeros((true.max() + 1, found.max() + 1), int)
    np.add.at(overlap, (true.ravel(), found.ravel()), 1)
    areas, covered = overlap[1:].sum(1), overlap[1:, 1:]
    owners = covered.argmax(1)[2 * covered.max(1) > areas]
    sizes = np.bincount(owners)
    return int(sizes[sizes > 1].sum())


def gaps(true: np.ndarray) -> np.ndarray:
    """Background within `GAP` pixels of two objects or more."""
    near = sum(
        ndimage.distance_transform_edt(true != own) <= GAP for own in np.unique(true[true > 0])
    )
    return (true == 0) & (near >= 2)


if __name__ == "__main__":
    main()
