"""The page in a real Jupyter: its proxy may take the prefix off, or leave it on."""

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from askmask.loop.project import Project
from askmask.store.tokens import Role
from people import API
from proxies import running
from served import Build, make_project
from server_processes import free_port, wait_for

JUPYTER = shutil.which("jupyter-server")
KEY = "jupyters-own-token"


def _has_proxy() -> bool:
    listing = [str(JUPYTER), "extension", "list"]
    told = subprocess.run(listing, check=False, capture_output=True, text=True)
    return "jupyter_server_proxy" in told.stdout + told.stderr


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        JUPYTER is None or not _has_proxy(),
        reason="no Jupyter on the path: `pip install jupyter-server jupyter-server-proxy` there",
    ),
]


@dataclass(frozen=True)
class Jupyter:
    """A Jupyter server with a project's page below it."""

    port: int
    prefix: str
    project: Project
    token: str

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("localhost", self.port, timeout=30)

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Status, content and head of a request that Jupyter lets through."""
        with contextlib.closing(self.connect()) as connection:
            content = None if body is None else json.dumps(body)
            sent = self.head | headers
            connection.request(method, self.prefix + path, content, sent)
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers

    @property
    def head(self) -> dict[str, str]:
        """What the browser of who is logged in to Jupyter sends."""
        origin = f"http://localhost:{self.port}"
        return {
            "Authorization": f"token {KEY}",
            "Content-Type": "application/json",
            "Origin": origin,
            "Sec-Fetch-Site": "same-origin",
        }


@pytest.fixture(scope="module", params=["/proxy/{}", "/proxy/absolute/{}"])
def jupyter(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, disc_config: Build
) -> Iterator[Jupyter]:
    folder = tmp_path_factory.mktemp("jupyter")
    upstream, port = free_port(), free_port()
    prefix = request.param.format(upstream)
    with make_project(folder / "p", disc_config()) as project:
        token = project.store.access.make_token("Ada", Role.ANNOTATE)
        serve = [sys.executable, "-m", "askmask", "serve", str(folder / "p"), "--no-worker"]
        serve += ["--port", str(upstream), "--root-path", prefix]
        with running(serve), running(_command(folder, port)):
            jupyter = Jupyter(port, prefix, project, token)
            wait_for(lambda: _is_up(jupyter), 120)
            yield jupyter


def _command(folder: Path, port: int) -> list[str]:
    return [
        *(str(JUPYTER), "--no-browser", "--allow-root", "--ip", "127.0.0.1", f"--port={port}"),
        *(f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={KEY}"),
    ]


def _is_up(jupyter: Jupyter) -> bool:
    with contextlib.suppress(OSError):
        return jupyter.ask("GET", f"{API}/health")[0] == 200
    return False


def test_page_comes_through_and_asks_for_a_token(jupyter: Jupyter) -> None:
    assert b"<title>askmask" in jupyter.ask("GET", "/")[1]
    assert jupyter.ask("GET", "/static/main.js")[0] == 200
    status, reply, _ = jupyter.ask("POST", f"{API}/session", {"name": "Ada"})

    assert (status, json.loads(reply)["token_required"]) == (401, True)


def test_session_stays_below_the_page_and_answers_are_kept(jupyter: Jupyter) -> None:
    status, _, head = jupyter.ask("POST", f"{API}/session", {"token": jupyter.token})
    cookie = head["Set-Cookie"]
    assert (status, f"path={jupyter.prefix}/;" in cookie.lower()) == (200, True)

    secret = cookie.partition(";")[0]
    before = jupyter.project.store.newest_answer()
    body = {"id": "in-jupyter", "kind": "unsure", "tool": "none"}
    assert jupyter.ask("POST", f"{API}/items/1/0/answers", body, Cookie=secret)[0] == 201
    assert jupyter.project.store.newest_answer() == before + 1


def test_events_come_at_once(jupyter: Jupyter) -> None:
    _, _, head = jupyter.ask("POST", f"{API}/session", {"token": jupyter.token})
    sent = {"Accept": "text/event-stream", "Cookie": head["Set-Cookie"].partition(";")[0]}
    with contextlib.closing(jupyter.connect()) as connection:
        connection.request("GET", f"{jupyter.prefix}{API}/events", headers=jupyter.head | sent)
        stream = connection.getresponse()
        assert stream.readline().startswith(b"id:")
        jupyter.project.store.control.note("item", 1, 2)
        began = time.monotonic()
        while b"[1, 2]" not in stream.readline():
            assert time.monotonic() - began < 10

    assert time.monotonic() - began < 5
