"""A real Slurm runs the trials of a grid, where there is one; `docs/scale.md` says how."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from askmask.config import Config
from askmask.errors import ConfigError
from askmask.experiments.run.runner import simulate
from askmask.runtime.cluster.connection import connect
from test_cluster_grid import grid, without_times

Build = Callable[..., Config]


def slurm_answers() -> bool:
    if shutil.which("sinfo") is None:
        return False
    found = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, check=False)
    return found.returncode == 0 and bool(found.stdout)


def recipe(folder: Path, **options: object) -> Path:
    """YAML file for a Slurm whose machines are this one."""
    own = {
        "cores": 1,
        "memory": "2 GB",
        "interface": "lo",
        "walltime": "00:10:00",
        "log_directory": str(folder),
        "job_script_prologue": [f"export PYTHONPATH={os.environ.get('PYTHONPATH', '')}"],
    }
    path = folder / "slurm.yaml"
    tree = {"system": "slurm", "workers": 2, "options": {**own, **options}}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.skipif(not slurm_answers(), reason="needs a running Slurm")
def test_a_grid_on_slurm_gives_the_same_table(tmp_path: Path, disc_config: Build) -> None:
    config = grid(disc_config)
    simulate(config, tmp_path / "calm")
    simulate(config, tmp_path / "run", cluster=str(recipe(tmp_path)))
    expected = without_times(tmp_path / "calm" / "results.csv")
    assert without_times(tmp_path / "run" / "results.csv") == expected
    queue = subprocess.run(["squeue", "-h"], capture_output=True, check=True, text=True)
    assert queue.stdout == ""  # the workers' jobs ended with the command


def test_options_that_jobqueue_does_not_take_are_refused(tmp_path: Path) -> None:
    path = recipe(tmp_path, colour="blue")
    with pytest.raises(ConfigError, match="expected options that dask-jobqueue takes"):  # noqa: SIM117
        with connect(str(path)):
            pass
