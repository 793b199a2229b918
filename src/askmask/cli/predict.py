"""The command that predicts images with a project's model."""

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from askmask.cli.calibrate import newest_round
from askmask.cli.output import print_json, progress_bars
from askmask.data.prepare.stored_files import StoredFile, list_folder
from askmask.data.prepared import check_out
from askmask.data.rasters import IMAGE_SUFFIXES
from askmask.errors import SourceError
from askmask.loop.predict import Predictions, predict_files
from askmask.loop.project import Project
from askmask.runtime.compute import configure

_LISTED = 20  # images that the table on screen shows


def predict_images(
    console: Console, root: Path, images: Path, out: Path, *, scale: float | None, as_json: bool
) -> None:
    """Predict a folder of images or one image by the newest model."""
    check_out(out)
    files, ignored = _image_files(images, out)
    messages = Console(stderr=True) if as_json else console
    with Project.open(root) as project, progress_bars(messages) as show:
        device = configure(project.config)
        round_ = newest_round(project)
        found = predict_files(project, round_, files, out, device, scale=scale, report=show)
        names = project.source.classes.names
    if as_json:
        lines = [asdict(line) for line in found.images]
        facts = {"round": round_, "classes": names, "ignored": ignored}
        print_json(facts | {"images": lines, "problems": found.problems})
    else:
        _show(console, found, names, out, ignored)
    found.check(out)


def _image_files(images: Path, out: Path) -> tuple[list[StoredFile], int]:
    """Image files, and the number of other ones."""
    if images.is_file():
        return [StoredFile(images.name, images.read_bytes)], 0
    files = list_folder(images, skip=out)
    found = [file for file in files if file.suffix in IMAGE_SUFFIXES]
    if not found:
        raise SourceError(
            f"expected images in {str(images)!r}, found {len(files)} files and none that ends in "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return found, len(files) - len(found)


def _show(
    console: Console, found: Predictions, names: tuple[str, ...], out: Path, ignored: int
) -> None:
    table = Table(title=f"{len(found.images)} images predicted")
    for heading in ("image", *names, "confidence", "expected accuracy", "objects"):
        table.add_column(heading)
    for line in found.images[:_LISTED]:
        shares = (f"{share:.1%}" for share in line.shares)
        expected = "–" if line.expected_accuracy is None else f"{line.expected_accuracy:.3f}"  # noqa: RUF001
        objects = "–" if line.objects is None else str(line.objects)  # noqa: RUF001
        table.add_row(line.image, *shares, f"{line.mean_confidence:.3f}", expected, objects)
    console.print(table)
    if len(found.images) > _LISTED:
        console.print(f"... and {len(found.images) - _LISTED} more, see predictions.csv")
    if ignored:
        console.print(f"{ignored} files that are no images were left out.")
    if any(line.expected_accuracy is None for line in found.images):
        console.print("Not recalibrated: `askmask calibrate` makes confidence mean accuracy.")
    console.print(f"Masks, confidence maps and predictions.csv: {out}")
