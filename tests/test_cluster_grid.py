"""A grid of trials on a cluster: the same table, whatever is killed meanwhile."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from distributed import get_worker

from askmask.config import Config, dump_config
from askmask.experiments.run.grid import trials
from askmask.experiments.run.runner import read_progress, simulate
from askmask.runtime.cluster.connection import connect
from askmask.runtime.cluster.crew import Needs
from askmask.runtime.cluster.executor import Dask
from cluster_processes import free_port, is_running, scheduler, spawned_by, wait_until, workers

pytestmark = pytest.mark.slow  # every worker imports torch

Build = Callable[..., Config]
TIMES = {"training_seconds", "scoring_seconds", "evaluation_seconds"}
START = "from askmask.cli.main import main; main()"


def without_times(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


def grid(build: Build, **changes: object) -> Config:
    sections: dict[str, object] = {
        "grid": {"acquisitions": ["mutual_information"], "units": ["region"], "seeds": [0, 1]}
    }
    return build(**{**sections, **changes})


def command(path: Path, out: Path, cluster: str) -> list[str]:
    arguments = ["simulate", str(path), "--out", str(out), "--json", "--cluster", cluster]
    return [sys.executable, "-c", START, *arguments]


def config_file(folder: Path, config: Config) -> Path:
    path = folder / "config.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    return path


def test_one_process_many_processes_and_a_cluster_give_the_same_table(
    tmp_path: Path, disc_config: Build
) -> None:
    config = grid(disc_config)
    simulate(config, tmp_path / "serial")
    simulate(grid(disc_config, grid={**config.grid.model_dump(), "workers": 2}), tmp_path / "two")
    simulate(config, tmp_path / "dask", cluster="local:2")
    serial, two, dask = (
        without_times(tmp_path / name / "results.csv") for name in ("serial", "two", "dask")
    )
    assert len(serial) > 100
    assert serial == two
    assert serial == dask


def test_trials_of_one_seed_train_their_first_model_once(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config(grid={"rounds": 0})
    simulate(config, tmp_path / "run", cluster="local:2")
    assert len(trials(config)) == 4
    assert len(list((tmp_path / "run" / "cache").glob("*.safetensors"))) == 1


def test_a_failed_trial_is_a_row_with_its_reason(tmp_path: Path, disc_config: Build) -> None:
    config = grid(disc_config, training={"learning_rate": 1e30, "steps": 30})
    rows = simulate(config, tmp_path / "run", cluster="local:2")
    failed = [row for row in rows if row.is_failure]
    assert {row.seed for row in failed} == {0, 1}
    assert any("within 1 attempt(s)" in row.reason for row in failed)


def test_the_table_is_the_same_after_thirty_killed_workers(
    tmp_path: Path, disc_config: Build
) -> None:
    many = {"acquisitions": ["mutual_information", "random"], "units": ["region"]}
    config = grid(disc_config, grid={**many, "seeds": [0, 1]}, training={"steps": 60})
    simulate(config, tmp_path / "calm")
    expected = without_times(tmp_path / "calm" / "results.csv")
    path, chooser, killed, run = config_file(tmp_path, config), random.Random(0), 0, 0
    while killed < 30:  # on a fast machine a grid ends before
        out, run = tmp_path / f"run{run}", run + 1
        killed += run_and_kill(command(path, out, "local:2"), tmp_path, chooser, 30 - killed)
        assert without_times(out / "results.csv") == expected


def run_and_kill(words: list[str], folder: Path, chooser: random.Random, most: int) -> int:
    """Run a command to its end, killing workers of its every few seconds; return how many."""
    killed = 0
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                time.sleep(chooser.uniform(2.0, 4.0))
                pids = spawned_by(process.pid)
                if pids and killed < most:
                    os.kill(chooser.choice(pids), signal.SIGKILL)
                    killed += 1
        finally:
            process.kill()
    assert process.returncode == 0, (folder / "log").read_text("utf-8")
    return killed


@pytest.mark.parametrize("victim", ["scheduler", "driver"])
def test_a_grid_that_lost_its_cluster_or_its_driver_goes_on_with_resume(
    tmp_path: Path, disc_config: Build, victim: str
) -> None:
    config = grid(disc_config, training={"steps": 150})
    simulate(config, tmp_path / "calm")
    out, path, port = tmp_path / "run", config_file(tmp_path, config), free_port()
    full_command = command(path, out, f"tcp://127.0.0.1:{port}")
    with scheduler(tmp_path, port) as hub, workers(tmp_path, port) as crew:
        driver = subprocess.Popen(full_command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = trials(config)[0]
        wait_until(lambda: read_progress(out, first).get("round") == 1)
        busy = spawned_by(crew.pid)
        (hub if victim == "scheduler" else driver).kill()
        said = driver.communicate(timeout=60)[1].decode()
        wait_until(lambda: not any(is_running(pid) for pid in busy), patience=20)
    if victim == "scheduler":
        assert driver.returncode == 2
        assert said.count("ClusterError:") == 1
        assert "Traceback" not in said
        assert "repeat the command (`simulate` with --resume)" in " ".join(said.split())
    port = free_port()
    with scheduler(tmp_path, port), workers(tmp_path, port):
        resumed = [*command(path, out, f"tcp://127.0.0.1:{port}"), "--resume"]
        subprocess.run(resumed, check=True, stdout=subprocess.DEVNULL, timeout=240)
    assert without_times(out / "results.csv") == without_times(tmp_path / "calm" / "results.csv")


def test_a_worker_with_a_gpu_gets_the_jobs_that_need_one(tmp_path: Path) -> None:
    port = free_port()
    with (
        scheduler(tmp_path, port),
        workers(tmp_path, port),
        workers(tmp_path, port, "--resources", "GPU=1", "--name", "with_gpu"),
        connect(f"tcp://127.0.0.1:{port}") as connection,
    ):
        wait_until(lambda: len(connection.client.nthreads()) == 4)
        executor = Dask(connection, needs=Needs(device="cuda"))
        names = {outcome.value for outcome in executor.map(own_name, range(6))}
    assert names
    assert all(str(name).startswith("with_gpu") for name in names)


def own_name(_item: object) -> str:
    return str(get_worker().name)
