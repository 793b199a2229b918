"""The route that proposes masks: what it gives, what it refuses, and what a server checks first."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from askmask.assist.prompted.weights import MaskDecoder
from askmask.cli.main import main
from askmask.errors import WeightsError
from askmask.loop.project import Project
from askmask.serve.embedder import FACT, Embedder
from askmask.serve.web.labels import runs_to_labels
from askmask.store.mailbox import WorkerState
from bright_project import bright_in_region, bright_project
from onnx_pair import write_pair
from served import API, Build, client_of, make_project

AROUND = {"top": 0, "left": -3.5, "bottom": 48, "right": 200}
WAITING = "This picture is being prepared for the assistant, before all others."


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with bright_project(tmp_path) as project:
        yield project


@pytest.fixture
def ada(project: Project) -> TestClient:
    return client_of(project)


def ask(client: TestClient, body: object, place: str = "1/0") -> tuple[int, dict[str, object]]:
    reply = client.post(f"{API}/items/{place}/proposal", json=body)
    return reply.status_code, reply.json()


def show_worker(project: Project, state: str) -> None:
    project.store.control.show(WorkerState(state, 0, 0, 0, "", 1, "2026-01-01T00:00:00.000+00:00"))


def test_mask_comes_as_runs_of_the_region(project: Project, ada: TestClient) -> None:
    assert Embedder(project).look_ahead()
    clicks = [{"row": 24, "col": 48, "inside": False}]

    status, reply = ask(ada, {"box": AROUND})
    _, clicked = ask(ada, {"box": AROUND, "clicks": clicks})

    assert (status, reply["message"]) == (200, "")
    assert np.array_equal(runs_to_labels(reply["runs"], 48, 96, 2), bright_in_region())
    expected = bright_in_region()
    expected[20:28, 44:52] = False
    assert np.array_equal(runs_to_labels(clicked["runs"], 48, 96, 2), expected)


def test_picture_that_is_not_prepared_is_told_in_words(project: Project, ada: TestClient) -> None:
    told = []
    told.append(ask(ada, {"box": AROUND}))
    for state in ("idle", "paused"):
        show_worker(project, state)
        told.append(ask(ada, {}))
    show_worker(project, "training")
    project.store.control.tell_fact(FACT, "the disk is full")
    told.append(ask(ada, {"box": None, "clicks": []}))

    assert [(status, reply["runs"]) for status, reply in told] == [(200, None)] * 4
    assert [reply["message"] for _, reply in told] == [
        "No worker runs, so this picture is not prepared yet: start it under Status.",
        WAITING,
        "The worker is paused, so this picture is not prepared yet: see Status.",
        "This picture cannot be prepared: the disk is full",
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"clicks": [{"row": 1, "col": 1, "inside": True}]}, "expected a box with the clicks"),
        ({"box": {**AROUND, "top": 300, "bottom": 400}}, "expected a box with something of"),
        ({"box": {**AROUND, "top": "0"}}, "box.top"),
        ({"box": {**AROUND, "top": 1e300}}, "box.top"),
        ({"box": {"top": 0, "left": 0}}, "box.bottom: Field required"),
        ({"box": AROUND, "more": 1}, "more"),
        ({"box": AROUND, "clicks": [{"row": 900, "col": 1, "inside": True}]}, "expected clicks in"),
        ({"box": AROUND, "clicks": [{"row": 1, "col": 1, "inside": 1}]}, "inside"),
        ({"box": AROUND, "clicks": [{"row": 1, "col": 1, "inside": True}] * 33}, "at most 32"),
    ],
)
def test_prompt_that_cannot_be_used_is_refused(
    ada: TestClient, body: dict[str, object], told: str
) -> None:
    status, reply = ask(ada, body)
    assert status == 422
    assert told in reply["error"]["message"]


def test_unknown_region_and_stranger_are_refused(project: Project, ada: TestClient) -> None:
    assert ask(ada, {"box": AROUND}, "1/99")[0] == 404
    assert ask(client_of(project, None), {"box": AROUND})[0] == 401


def test_body_is_small(ada: TestClient) -> None:
    most = {"box": AROUND, "clicks": [{"row": 47.123456, "col": 95.123456, "inside": False}] * 32}
    assert ask(ada, most)[0] == 200
    status, reply = ask(ada, {"box": AROUND, "note": "x" * 5000})
    assert (status, reply["error"]["code"]) == (413, "too_large")


def test_failing_decoder_is_one_clear_error(
    project: Project, ada: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Embedder(project).look_ahead()

    def fail(*_: object) -> None:
        raise WeightsError("expected the assistant's decoder to run, but it did not.")

    monkeypatch.setattr(MaskDecoder, "logits", fail)
    status, reply = ask(ada, {"box": AROUND})
    assert (status, reply["error"]["code"]) == (409, "refused")
    assert "decoder to run" in reply["error"]["message"]


def test_image_that_changed_is_never_proposed_on(project: Project, ada: TestClient) -> None:
    assert Embedder(project).look_ahead()
    assert ask(ada, {"box": AROUND})[1]["runs"] is not None
    image = project.source._items["bright_0"][1]  # noqa: SLF001 - as if the file were replaced
    image[:8] = 99
    assert ask(client_of(project), {"box": AROUND})[1]["runs"] is None


def test_page_is_told_whether_there_is_an_assistant(
    ada: TestClient, tmp_path: Path, disc_config: Build
) -> None:
    assert ada.get(f"{API}/project").json()["assistant"] is True
    with make_project(tmp_path / "plain", disc_config()) as plain:
        client = client_of(plain)
        assert client.get(f"{API}/project").json()["assistant"] is False
        status, reply = ask(client, {"box": AROUND})
        assert (status, reply["error"]["code"]) == (404, "no_assistant")


def test_serve_ends_with_code_2_when_a_file_is_another_one(
    tmp_path: Path,
    disc_config: Build,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = write_pair(tmp_path / "pair")
    make_project(tmp_path / "p", disc_config(assist=pair)).close()
    (tmp_path / "pair" / "decoder.onnx").write_bytes(b"another")
    words = ["askmask", "serve", str(tmp_path / "p"), "--port", "1", "--no-worker"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert "assist.decoder_sha256: expected" in " ".join(told.split())
    assert "Traceback" not in told
