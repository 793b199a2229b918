"""Commands that make a prepared data set."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn

from askmask.data.prepare import glas
from askmask.data.prepare.download import ProgressCallback
from askmask.data.prepare.folder import PrepareOptions
from askmask.data.prepare.folder import prepare_folder as prepare
from askmask.data.prepare.writing import PrepareSummary
from askmask.errors import ConfigError


@contextmanager
def counting(console: Console, label: str, *, in_bytes: bool = False) -> Iterator[ProgressCallback]:
    """Bar for one long step, drawn while the block runs."""
    amount = DownloadColumn() if in_bytes else TaskProgressColumn()
    with Progress(TextColumn(label), BarColumn(), amount, console=console, transient=True) as bars:
        task = bars.add_task(label, total=None)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None)  # 0: the server does not say

        yield show


def prepare_glas(
    console: Console,
    out: Path,
    source: Path | None,
    *,
    scale: float,
    download: bool,
    url: str | None,
) -> None:
    """Fetch GlaS if asked, check it and write it.

    Raises
    ------
    ConfigError
        If neither a source nor a download was asked for.
    """
    if download:
        folder = source or Path.cwd()
        with counting(console, "downloading GlaS", in_bytes=True) as show:
            source = glas.fetch_glas(folder, url=url or glas.ARCHIVE_URL, progress=show)
    if source is None:
        raise ConfigError(
            "expected --from FOLDER_OR_ZIP or --download, got neither. GlaS is at "
            f"{glas.ARCHIVE_URL} (research use only)."
        )
    with counting(console, "preparing GlaS") as show:
        summary = glas.prepare_glas(source, out, scale=scale, progress=show)
    print_summary(console, summary)


def prepare_folder(
    console: Console,
    out: Path,
    images: Path,
    masks: Path | None,
    *,
    options: PrepareOptions,
) -> None:
    """Check a folder pair and write it."""
    with counting(console, "preparing images") as show:
        summary = prepare(images, masks, out, options=options, progress=show)
    print_summary(console, summary)


def folder_options(
    *,
    kind: str,
    classes: str | None,
    allow_missing_masks: bool,
    groups: Path | None,
    scale: float,
    mask_suffix: str,
    ignore_value: int | None,
) -> PrepareOptions:
    """Options of a folder; `classes` is names by commas or the path of a ``classes.json``."""
    is_file = classes is not None and classes.endswith(".json")
    names = None if classes is None or is_file else tuple(n.strip() for n in classes.split(","))
    return PrepareOptions(
        kind=kind,
        classes=names,
        classes_file=Path(classes) if classes is not None and is_file else None,
        mask_suffix=mask_suffix,
        ignore_value=ignore_value,
        allow_missing_masks=allow_missing_masks,
        groups=groups,
        scale=scale,
    )


def print_summary(console: Console, summary: PrepareSummary) -> None:
    """Print what was prepared."""
    console.print(f"{summary.out}: {summary.images} images, {summary.masks} masks")
    for heading, counts in (("groups", summary.groups), ("splits", summary.splits)):
        if counts:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            console.print(f"  {heading}: {listed}")
    shares = summary.class_shares.items() if summary.masks else ()
    if shares:
        listed = ", ".join(f"{name} {share:.1%}" for name, share in shares)
        console.print(f"  classes: {listed}")
