"""Projects, data sets and runs that were written before the package moved into folders still open.

The files in ``assets/before_the_house`` were written by that version and are never edited, but for
the path in the config of the run. The weights are left out: their bytes follow from the header that
is kept and a seed, and the recalibration and all scores were computed from exactly those bytes.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.config import load_config
from askmask.data.prepared import PreparedSource
from askmask.data.rasters import decode_mask
from askmask.experiments.run.results import read_results
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import UNLABELLED

ASSETS = Path(__file__).parent / "assets" / "before_the_house"


def weights_of(header: str) -> bytes:
    """File of weights with a header, its values drawn from seed 0."""
    generator, tree = np.random.default_rng(0), json.loads(header)
    tree.pop("__metadata__")
    parts = []
    for name, entry in sorted(tree.items(), key=lambda item: item[1]["data_offsets"]):
        values = generator.normal(0, 0.3, entry["shape"])
        values = np.abs(values) + 0.5 if name.endswith("running_var") else values
        parts.append(values.astype({"F32": "<f4", "I64": "<i8"}[entry["dtype"]]).tobytes())
    text = header.encode()
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folder of the old project, as it lay beside its data set."""
    shutil.copytree(ASSETS / "dataset", tmp_path / "dataset")
    root = tmp_path / "project"
    shutil.copytree(ASSETS / "project", root)
    with sqlite3.connect(root / "askmask.db", isolation_level=None) as connection:
        connection.executescript((root / "askmask.sql").read_text(encoding="utf-8"))
    connection.close()
    models = root / "models"
    models.mkdir()
    header = (root / "round_000.header.json").read_text(encoding="utf-8")
    (models / "round_000.safetensors").write_bytes(weights_of(header))
    (root / "round_000.calibration.json").rename(models / "round_000.calibration.json")
    return root


@pytest.fixture
def project(root: Path) -> Iterator[Project]:
    with Project.open(root) as project:
        yield project


def test_old_data_set_tells_its_scale_in_words() -> None:
    assert PreparedSource(ASSETS / "dataset").scale == 0.5


def test_old_project_tells_where_it_stands(root: Path) -> None:
    told = CliRunner().invoke(app, ["status", str(root), "--json"], catch_exceptions=False)

    facts = json.loads(told.stdout)
    assert (facts["round"], facts["regions_asked"], facts["regions_open"]) == (1, 2, 1)
    assert facts["models"] == ["round_000.safetensors"]
    assert facts["test_recalibrated_ece"] > 0


def test_old_model_predicts_what_it_predicted(project: Project) -> None:
    model = project.model()

    assert (model.round, model.name) == (0, "round_000.safetensors")
    assert model.recalibration is not None
    assert model.recalibration.method == "temperature"
    labels = model.predict(project.source.read_image("i4"), name="i4").labels
    expected = decode_mask((project.root / "predicted_i4.png").read_bytes())
    assert np.array_equal(labels, expected)


def test_scores_of_an_old_model_are_taken_as_they_are(project: Project) -> None:
    kept = project.store.metrics(0)
    assert len(kept) == 425

    assert [repr(row) for row in Loop(project).evaluate(0)] == [repr(row) for row in kept]


def test_old_project_goes_on(project: Project) -> None:
    loop, oracle = Loop(project), MaskOracle(project.source)
    (still_open,) = project.store.unanswered(1)
    assert np.count_nonzero(project.store.labelled("i0").labels != UNLABELLED) > 0

    loop.tell([oracle.answer(still_open.region, 1)])
    loop.train()
    loop.evaluate()
    query = loop.ask()

    assert (query.round, query.model) == (2, "round_001.safetensors")
    assert project.model().round == 1


def test_old_run_is_read() -> None:
    config = load_config(ASSETS / "run" / "config.yaml")
    rows = read_results(ASSETS / "run" / "results.csv")

    assert (config.model.name, config.grid.acquisitions) == ("unet", ("random",))
    assert len(rows) == 39
    assert (rows[0].metric, rows[0].value) == ("dice", 0.49944008958566627)
