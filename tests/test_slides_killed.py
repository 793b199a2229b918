"""A process that predicts a slide is killed, and the next one comes to the same."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from askmask.config import Config
from slide_files import drawn, write_pages
from test_slides_in_the_loop import slide_project, trained

Build = Callable[..., Config]


def command(*words: object) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    typed = [sys.executable, "-m", "askmask", *(str(word) for word in words)]
    return subprocess.Popen(typed, env=environment, stdout=quiet, start_new_session=True)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    while not path.is_file():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_prediction_goes_on_and_comes_to_the_same(
    tmp_path: Path, disc_config: Build
) -> None:
    slide = write_pages(tmp_path / "one.tif", drawn(3600, 1100), mpp=1.0, levels=1)
    query = {"region": {"size": [48, 48], "stride": 48, "budget_regions": 4}}
    with slide_project(tmp_path, disc_config, [slide], tissue="none", query=query) as project:
        trained(project)
    words = ["predict", tmp_path / "project", slide]
    killed = command(*words, tmp_path / "killed")
    wait_for(tmp_path / "killed" / ".unfinished" / "00000" / "band_00001.npz", killed)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    for folder in ("killed", "whole"):
        assert command(*words, tmp_path / folder).wait() == 0

    for kind in ("labels", "confidence"):
        found = [
            tifffile.imread(tmp_path / folder / kind / "one.ome.tif")
            for folder in ("killed", "whole")
        ]
        assert found[0].shape == (3600, 1100)
        np.testing.assert_array_equal(*found)
    for name in ("objects/one.csv", "slides.csv"):
        texts = [(tmp_path / folder / name).read_text() for folder in ("killed", "whole")]
        assert texts[0] == texts[1]
