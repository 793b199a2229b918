"""Beginning a project: settings that fit its images, and the masks that are known taken in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from askmask.config import Config, load_config
from askmask.data.from_config import open_source
from askmask.loop.begin.create import Beginning
from askmask.loop.begin.machine_speed import Speed, measure_speed
from askmask.loop.begin.settings import fitting_settings
from askmask.loop.begin.survey import Survey
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.models.build import build_model
from askmask.progress import Lap, unheeded
from askmask.runtime.compute import configure

TEMPLATE: Final = Path(__file__).parent / "templates" / "askmask.yaml"
"""Settings for people: what `askmask init` starts from."""


def begin_project(root: Path, overrides: Sequence[str], *, lap: Lap = unheeded) -> Beginning:
    """Make a project with settings that follow its images and this machine.

    Parameters
    ----------
    root : Path
        The project's folder, without a project.
    overrides : sequence of str
        ``dotted.key=value``: these stay as given, whatever the images are like. They say where the
        images are: `data.path` or `data.source`.
    lap : callable, optional
        Told what was just done, as it is done.

    Raises
    ------
    ConfigError
        If an override is wrong, before anything is looked at.
    WeightsError
        If the network's weights cannot be had.
    ProjectError
        If there is a project in `root`.
    """
    config = load_config(TEMPLATE, overrides)
    source = open_source(config.data)
    n_classes = len(source.classes)
    build_model(config.model, n_classes, config.seed)  # weights that do not fit stop it here

    def measure(config: Config, seen: Survey) -> Speed:
        lap("looking at images")
        speed = measure_speed(config, seen, n_classes, configure(config))
        lap("measuring this machine")
        return speed

    given = [override.partition("=")[0] for override in overrides]
    fitting = fitting_settings(config, source, measure, given=given)
    config = fitting.applied_to(config)
    with Project.create(root, config, source, reasons=fitting.reasons) as project:
        lap("making the project")
        labelled = Loop(project).tell_start(MaskOracle(project.source))
        lap("taking masks in")
        roles = project.roles
        return Beginning(labelled, len(roles.validation), len(roles.pool), fitting.notes)
