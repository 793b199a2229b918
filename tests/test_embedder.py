"""The worker makes pictures ready for the box and click assistant, before somebody needs them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.assist.prompted.assistant import FOLDER, open_assistant
from askmask.assist.prompted.embeddings import KeptEmbeddings
from askmask.assist.prompted.weights import open_encoder
from askmask.config import AssistConfig
from askmask.loop.project import Project
from askmask.serve import embedder as embedder_module
from askmask.serve.embedder import FACT, Embedder
from bright_project import bright_files, bright_pixels, bright_project, embed_all
from onnx_pair import write_pair


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with bright_project(tmp_path) as project:
        yield project


def test_region_in_hand_is_embedded_first(project: Project) -> None:
    project.store.worklist.lease(1, 3, "Ada")
    embedder = Embedder(project)
    assert embedder.serve_hands()
    assistant = open_assistant(project.config.assist, project.root)
    assert assistant is not None
    assert assistant.kept.has(assistant.kept.name(bright_pixels(3)))
    assert not embedder.serve_hands()
    assert len(list((project.root / FOLDER).iterdir())) == 1


def test_regions_after_the_one_in_hand_are_embedded_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder_module, "AHEAD", 2)
    with bright_project(tmp_path, count=9) as project:
        project.store.worklist.lease(1, 5, "Ada")
        assert embed_all(project) == 3
        kept = open_assistant(project.config.assist, project.root).kept
        made = [n for n in range(9) if kept.has(kept.name(bright_pixels(n)))]
        assert made == [5, 6, 7]
        assert embed_all(project) == 0  # another worker finds them


def test_no_more_is_embedded_ahead_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeptEmbeddings, "room", lambda *_: 2)
    with bright_project(tmp_path, count=9) as project:
        assert embed_all(project) == 2


def test_failing_encoder_is_told_and_the_worker_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert project.config.assist.encoder is not None
    content = project.config.assist.encoder.read_bytes()
    project.config.assist.encoder.write_bytes(b"changed meanwhile")
    embedder = Embedder(project)
    assert embedder.look_ahead()
    assert not embedder.look_ahead()
    assert "expected" in project.store.control.fact(FACT)
    assert caplog.text.count("makes nothing ready") == 1
    project.config.assist.encoder.write_bytes(content)
    assert Embedder(project).look_ahead()  # another worker
    assert project.store.control.fact(FACT) == ""


def test_full_disk_is_told_and_tried_again_later(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / FOLDER).write_text("a file where the folder should be")
    embedder = Embedder(project)
    assert embedder.look_ahead()
    assert not embedder.look_ahead()
    assert project.store.control.fact(FACT) != ""
    (project.root / FOLDER).unlink()
    monkeypatch.setattr(embedder, "_rests_until", 0.0)
    assert embedder.look_ahead()
    assert project.store.control.fact(FACT) == ""


def test_picture_is_made_ready_again_after_its_file_was_changed(tmp_path: Path) -> None:
    source = bright_files(tmp_path / "data", 2)
    with bright_project(tmp_path / "project", count=2, source=source) as project:
        embedder = Embedder(project)
        while embedder.look_ahead():
            pass
        Image.fromarray(bright_pixels(30)).save(source.image_path("bright_1"))
        project.store.control.note("item", 1, 1)  # else it looks again after some seconds

        assert embedder.look_ahead()
        assert not embedder.look_ahead()

        kept = open_assistant(project.config.assist, project.root).kept
        assert [kept.has(kept.name(bright_pixels(n))) for n in (0, 1, 30)] == [True, True, True]


EMBED_FOR_EVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from askmask.assist.prompted.assistant import FOLDER
from askmask.serve.embedder import Embedder
from bright_project import bright_project

project = bright_project(Path(sys.argv[1]), count=int(sys.argv[3]))
embedder = Embedder(project)
while True:
    embedder._found_nothing.clear()
    if embedder.look_ahead():
        print("embedded", flush=True)
    else:
        for path in (project.root / FOLDER).iterdir():
            path.unlink()
"""


def test_killed_worker_leaves_whole_embeddings_only(tmp_path: Path) -> None:
    folder = Path(__file__).parent
    arguments = [str(tmp_path), str(folder), "3"]
    worker = subprocess.Popen(
        [sys.executable, "-c", EMBED_FOR_EVER, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    for _ in range(20):
        assert worker.stdout.readline() == "embedded\n"
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()

    settings = AssistConfig(**write_pair(tmp_path / "pair"))
    assistant, encoder = open_assistant(settings, tmp_path), open_encoder(settings, 1)
    assert assistant is not None
    for number in range(3):
        found = assistant.kept.read(assistant.kept.name(bright_pixels(number)))
        assert found is None or np.array_equal(found, encoder.embed(bright_pixels(number)))
