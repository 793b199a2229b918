"""The command line: every command parses, calls one function, and prints.

Commands import what computes when they run, so that ``askmask --help`` loads no torch.
"""

import logging
import sys
from typing import Annotated, Final, NoReturn

import typer
from rich.logging import RichHandler

from askmask import __version__
from askmask.cli import benchmark, check, exchange, machine, model, people, prepare, project, start
from askmask.cli.arguments import console, errors
from askmask.cli.screen import VisibleFormatter, show_any_name
from askmask.errors import AskmaskError, disk_problem
from askmask.runtime.memory import memory_problem

_LESS: Final = (
    "End other programs, prepare the images at a smaller --scale, or lower sampling.samples and "
    "training.batch_size."
)

app = typer.Typer(
    name="askmask",
    help="Asks for the masks that teach a segmentation model the most.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(prepare.app, name="prepare")
for command in (
    check.check,
    project.init,
    project.train,
    project.ask,
    project.tell,
    project.status,
    model.evaluate,
    model.calibrate,
    model.predict,
    model.samples,
    people.serve,
    people.work,
    people.token,
    benchmark.simulate,
    benchmark.report,
    benchmark.figures,
    benchmark.compare,
    machine.doctor,
):
    app.command()(command)
app.command("start")(start.start)
app.command("try")(start.try_example)
app.command("export")(exchange.export_command)
app.command("import")(exchange.import_command)
app.command("build-kernel")(machine.build_kernel_command)


def main() -> None:
    """Run the command line; a problem that askmask foresees ends with one message and code 2."""
    show_any_name()
    try:
        app(sys.argv[1:] or ["start"])  # nothing said: the page is the way in
    except AskmaskError as error:
        _end_with(error)
    except Exception as error:
        full = disk_problem(error) if isinstance(error, OSError) else None
        problem = full or memory_problem(error, "this command", _LESS)
        if problem is None:
            raise
        _end_with(problem)


def _end_with(error: AskmaskError) -> NoReturn:
    errors.print(f"{type(error).__name__}:", style="bold red", end=" ")
    errors.say(str(error))
    sys.exit(2)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell more on stderr.")] = False,
) -> None:
    """Asks for the masks that teach a segmentation model the most.

    Without anything after it, ``askmask`` means ``askmask start``.
    """
    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=errors, show_path=False)
    handler.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    if not verbose:  # what it says of a damaged file, the message about the file says better
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    if version:
        console.print(__version__)
        raise typer.Exit
