"""The command line: every command parses, calls one function, and prints."""

import logging
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.logging import RichHandler

from askmask import __version__
from askmask.cli.serving_signatures import serve, token, work
from askmask.errors import AskmaskError, disk_problem

app = typer.Typer(
    name="askmask",
    help="Asks for the masks that teach a segmentation model the most.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
prepare_app = typer.Typer(
    help="Check a data set, report every problem at once, and write it in askmask's layout.",
    no_args_is_help=True,
)
app.add_typer(prepare_app, name="prepare")
for command in (serve, work, token):
    app.command()(command)

console = Console()
errors = Console(stderr=True)

ProjectPath = Annotated[Path, typer.Argument(help="The project's folder.", metavar="PROJECT")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Settings that win over the config: query.unit=image", metavar="key=value"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
Format = Annotated[
    str,
    typer.Option("--format", help="coco, label-studio, nnunet, png or qupath.", metavar="FORMAT"),
]
Scale = Annotated[
    float, typer.Option(help="Shrink images and masks by this factor, in (0, 1].", min=0.01, max=1)
]


def main() -> None:
    """Run the command line; a problem that askmask foresees ends with one message and code 2."""
    try:
        app()
    except AskmaskError as error:
        _end_with(error)
    except OSError as error:
        problem = disk_problem(error)
        if problem is None:
            raise
        _end_with(problem)


def _end_with(error: AskmaskError) -> NoReturn:
    errors.print(f"[bold red]{type(error).__name__}:[/] ", end="")
    errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell more on stderr.")] = False,
) -> None:
    """Asks for the masks that teach a segmentation model the most."""
    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=errors, show_path=False)
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler])
    if version:
        console.print(__version__)
        raise typer.Exit


@prepare_app.command("glas")
def prepare_glas_command(
    out: Annotated[Path, typer.Argument(help="Where to write; absent or empty.", metavar="OUT")],
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Folder or zip as the publisher ships it.", metavar="PATH"),
    ] = None,
    scale: Scale = 1.0,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the archive from the publisher first.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="Address of the archive.")] = None,
) -> None:
    """Prepare GlaS (Warwick-QU), the gland data set of the MICCAI 2015 challenge."""
    from askmask.cli.prepare import prepare_glas

    prepare_glas(console, out, source, scale=scale, download=download, url=url)


@prepare_app.command("folder")
def prepare_folder_command(  # noqa: PLR0913, PLR0917 - one per fact about the files
    out: Annotated[Path, typer.Argument(help="Where to write; absent or empty.", metavar="OUT")],
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    masks: Annotated[Path | None, typer.Option(help="Folder of masks with the same stems.")] = None,
    kind: Annotated[
        str, typer.Option(help="What masks hold: auto, index, palette, binary or instances.")
    ] = "auto",
    classes: Annotated[
        str | None, typer.Option(help="Class names in index order, by commas; or classes.json.")
    ] = None,
    allow_missing_masks: Annotated[
        bool, typer.Option("--allow-missing-masks", help="Images without a mask are the pool.")
    ] = False,
    groups: Annotated[
        Path | None, typer.Option(help="CSV with the column image and group, split or role.")
    ] = None,
    mask_suffix: Annotated[
        str, typer.Option(help="What masks' names have after the images' names: _mask")
    ] = "",
    ignore_value: Annotated[
        int | None, typer.Option(help="Value of pixels without a label; 255 in index masks.")
    ] = None,
    scale: Scale = 1.0,
) -> None:
    """Prepare any folder of images and its folder of masks."""
    from askmask.cli.prepare import folder_options, prepare_folder

    options = folder_options(
        kind=kind,
        classes=classes,
        allow_missing_masks=allow_missing_masks,
        groups=groups,
        scale=scale,
        mask_suffix=mask_suffix,
        ignore_value=ignore_value,
    )
    prepare_folder(console, out, images, masks, options=options)


@prepare_app.command("demo")
def prepare_demo_command(
    out: Annotated[Path, typer.Argument(help="Where to write; absent or empty.", metavar="OUT")],
    seed: Annotated[int, typer.Option(help="Another seed draws other tissue.")] = 0,
) -> None:
    """Draw a small, hard data set: tissue with touching glands, blur and artefacts."""
    from askmask.data.drawn.demo import write_demo

    write_demo(out, seed=seed)
    console.print(f"Drawn data set: {out}")


@app.command()
def init(
    project: ProjectPath,
    overrides: Overrides = None,
    dataset: Annotated[Path | None, typer.Option("--data", help="A prepared data set.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of images, in its place.")] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder of masks with the same stems.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Class names in index order, by commas: background,gland")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="What masks hold: auto, index, palette, binary or instances.")
    ] = "auto",
) -> None:
    """Make a project from images or a prepared data set, and take in the masks that are known."""
    from askmask.cli.folders import ImageFolders
    from askmask.cli.project import init_project

    folders = None if images is None else ImageFolders(images, masks, classes, kind)
    init_project(console, project, dataset, overrides or [], folders=folders)


@app.command()
def train(project: ProjectPath) -> None:
    """Fit this round's model to everything labelled so far."""
    from askmask.cli.project import train_project

    train_project(console, project)


@app.command()
def ask(project: ProjectPath, as_json: AsJson = False) -> None:
    """Choose what to label next, and write it as files to be painted."""
    from askmask.cli.project import ask_project

    ask_project(console, project, as_json=as_json)


@app.command()
def tell(
    project: ProjectPath,
    author: Annotated[str, typer.Option(help="Who painted the masks.")] = "unknown",
    folder: Annotated[
        Path | None, typer.Option(help="Where the masks are, if not in the query's folder.")
    ] = None,
) -> None:
    """Read the painted masks of the present query back as answers."""
    from askmask.cli.project import tell_project

    tell_project(console, project, author, folder)


@app.command()
def status(project: ProjectPath, as_json: AsJson = False) -> None:
    """Tell where the loop stands: round, labelled, pending, models, newest scores."""
    from askmask.cli.project import show_status

    show_status(console, project, as_json=as_json)


@app.command()
def evaluate(project: ProjectPath, as_json: AsJson = False) -> None:
    """Judge this round's model on the validation and test images."""
    from askmask.cli.project import evaluate_project

    evaluate_project(console, project, as_json=as_json)


@app.command("export")
def export_command(
    project: ProjectPath,
    out: Annotated[Path, typer.Argument(help="Where to write; absent or empty.", metavar="OUT")],
    format_name: Format,
    what: Annotated[
        str, typer.Option(help="What to write: queries, answers or predictions.")
    ] = "queries",
    tolerance: Annotated[
        float | None,
        typer.Option(help="Pixels by which polygons may stray (coco, qupath); coco: RLE if unset."),
    ] = None,
    image_prefix: Annotated[
        str | None,
        typer.Option(help="label-studio: link pictures by this prefix instead of embedding them."),
    ] = None,
) -> None:
    """Write what was asked, answered or predicted for another program."""
    from askmask.cli.exchange import export_project

    export_project(
        console,
        project,
        out,
        what=what,
        format_name=format_name,
        tolerance=tolerance,
        image_prefix=image_prefix,
    )


@app.command("import")
def import_command(
    project: ProjectPath,
    path: Annotated[Path, typer.Argument(help="File or folder to read.", metavar="PATH")],
    format_name: Format,
    author: Annotated[str, typer.Option(help="Who labelled.")] = "unknown",
    as_json: AsJson = False,
) -> None:
    """Take labels that were made in another program in as answers."""
    from askmask.cli.exchange import import_project

    import_project(console, project, path, format_name=format_name, author=author, as_json=as_json)


@app.command()
def calibrate(
    project: ProjectPath,
    method: Annotated[
        str | None,
        typer.Option(help="temperature, vector, histogram, isotonic, or none to take it back."),
    ] = None,
    compare_query: Annotated[
        bool,
        typer.Option("--compare-query", help="Also tell whether other regions would be asked."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the newest model's confidence mean what it says, and show before and after."""
    from askmask.cli.calibrate import calibrate_project

    calibrate_project(console, project, method, compare_query=compare_query, as_json=as_json)


@app.command()
def predict(
    project: ProjectPath,
    images: Annotated[Path, typer.Argument(help="A folder of images, or one.", metavar="IMAGES")],
    out: Annotated[Path, typer.Argument(help="Where to write; absent or empty.", metavar="OUT")],
    scale: Annotated[
        float | None,
        typer.Option(help="Shrink images first; by default as the data set was.", min=0.01, max=1),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write masks, confidence maps and a table for any images, by the newest model."""
    from askmask.cli.predict import predict_images

    predict_images(console, project, images, out, scale=scale, as_json=as_json)


@app.command()
def report(path: Annotated[Path, typer.Argument(help="A project or a run.")]) -> None:
    """Write one self-contained HTML report of a project or of a run of `simulate`."""
    from askmask.cli.grid import report_path

    report_path(console, path)


@app.command()
def simulate(
    config: Annotated[Path, typer.Argument(help="The grid's settings.", metavar="CONFIG.yaml")],
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="Where to keep the run.")] = Path("run"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    as_json: AsJson = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the trials and stop.")] = False,
) -> None:
    """Compare strategies: the same loop, answered from known masks."""
    from askmask.cli.grid import run_simulation

    run_simulation(
        console, config, overrides or [], out, resume=resume, as_json=as_json, dry_run=dry_run
    )


@app.command()
def figures(
    run: Annotated[Path, typer.Argument(help="A run of `simulate`.", metavar="RUN")],
    paper: Annotated[
        bool, typer.Option("--paper", help="Figures 1, 4, 5, E1 and E2 of Li & Alstrøm 2020.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; by default RUN/figures.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw a run's figures as SVG and PNG files."""
    from askmask.cli.figures import draw_figures

    draw_figures(console, run, out, paper=paper, as_json=as_json)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Runs of `simulate`.", metavar="RUN...")],
    out: Annotated[Path, typer.Option(help="Where to write; absent or empty.")],
    as_json: AsJson = False,
) -> None:
    """Merge runs of one benchmark into one table and one report."""
    from askmask.cli.compare import compare_runs

    compare_runs(console, runs, out, as_json=as_json)


@app.command()
def samples(
    project: ProjectPath,
    counts: Annotated[
        str, typer.Option(help="Numbers of Monte Carlo samples, by commas.")
    ] = "1,5,10,20,30,50",
    as_json: AsJson = False,
) -> None:
    """Study how many Monte Carlo samples are worth their time."""
    from askmask.cli.grid import study_samples

    study_samples(console, project, counts, as_json=as_json)


@app.command()
def doctor(
    weights: Annotated[Path | None, typer.Option(help="Weights file to look for.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what this machine can do, which versions are installed, and what is missing."""
    from askmask.cli.project import show_doctor

    show_doctor(console, weights, as_json=as_json)


@app.command("build-kernel")
def build_kernel_command() -> None:
    """Compile the optional kernel that makes sampling faster; needs a C++ compiler."""
    from askmask.runtime.kernel import build_kernel

    console.print(f"Built {build_kernel()}. Scoring and metrics use it from now on.")


if __name__ == "__main__":
    main()
