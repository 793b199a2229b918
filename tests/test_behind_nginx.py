"""A real nginx in front of a real server, as the guide says: login, files, events, refusals."""

import contextlib
import http.client
import json
import os
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
from served import Build, make_project
from server_processes import answers, free_port, wait_for

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NAME = "label.example.org"
PREFIX = "/label"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="no nginx: `apt-get install nginx-light` brings it"),
]

CONFIG = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 16m;
    location {prefix}/ {{
      proxy_pass http://127.0.0.1:{upstream}/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_http_version 1.1;
      proxy_read_timeout 1h;
    }}
  }}
}}
"""
"""As in the guide, below a prefix and without TLS; nothing switches its buffers off."""


@dataclass(frozen=True)
class Front:
    """The address of nginx, and a token of the project behind it."""

    port: int
    token: str
    project: Project

    def ask(
        self, method: str, path: str, body: object = None, *, host: str = NAME, token: str = ""
    ) -> tuple[int, bytes]:
        """Status and content of one request through nginx."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Host": host, "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        with contextlib.closing(connection):
            content = None if body is None else json.dumps(body)
            connection.request(method, PREFIX + path, content, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()


@pytest.fixture
def front(tmp_path: Path, disc_config: Build) -> Iterator[Front]:
    upstream, port = free_port(), free_port()
    with make_project(tmp_path / "p", disc_config()) as project:
        token = project.store.access.make_token("Ada", Role.ANNOTATE)
        folder = tmp_path / "nginx"
        folder.mkdir(mode=0o777)
        (folder / "nginx.conf").write_text(
            CONFIG.format(folder=folder, port=port, upstream=upstream, prefix=PREFIX)
        )
        serve = [sys.executable, "-m", "askmask", "serve", str(tmp_path / "p"), "--no-worker"]
        serve += ["--port", str(upstream), "--allow-host", NAME]
        proxy = [str(NGINX), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        with running(serve), running(proxy):
            wait_for(lambda: answers(upstream), 60)
            front = Front(port, token, project)
            wait_for(lambda: _is_up(front), 20)
            yield front


def _is_up(front: Front) -> bool:
    with contextlib.suppress(OSError):
        return front.ask("GET", f"{API}/health")[0] == 200
    return False


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(os.environ))
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_page_and_answers_come_through_a_prefix(front: Front) -> None:
    assert front.ask("GET", "/")[0] == 200
    status, script = front.ask("GET", "/static/main.js")
    assert (status, script[:3]) == (200, b"/**")

    status, reply = front.ask("GET", f"{API}/items", token=front.token)

    assert status == 200
    assert len(json.loads(reply)["items"]) == 4
    body = {"id": "through-nginx", "kind": "unsure", "tool": "none"}
    assert front.ask("POST", f"{API}/items/1/0/answers", body, token=front.token)[0] == 201


def test_name_alone_does_not_log_in_and_another_host_is_told_what_to_do(front: Front) -> None:
    assert front.ask("POST", f"{API}/session", {"name": "Eve"})[0] == 401
    status, content = front.ask("GET", "/", host="evil.example.net")

    assert status == 403
    assert b"--allow-host" in content


def test_events_come_at_once_though_the_proxy_buffers(front: Front) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=20)
    headers = {"Host": NAME, "Authorization": f"Bearer {front.token}"}
    with contextlib.closing(connection):
        connection.request("GET", f"{PREFIX}{API}/events", headers=headers)
        stream = connection.getresponse()
        assert stream.readline().startswith(b"id:")
        front.project.store.control.note("item", 1, 2)
        began = time.monotonic()
        while b"[1, 2]" not in stream.readline():
            assert time.monotonic() - began < 10

    assert time.monotonic() - began < 5
