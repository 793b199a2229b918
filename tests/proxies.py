"""Real proxies in front of a real server, by the recipes of the documentation."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from askmask.config import Config
from askmask.loop.project import Project
from askmask.store.tokens import Role
from people import API
from served import make_project
from server_processes import free_port, wait_for

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "headless-server.md"
SOCKET = "/run/askmask/page.sock"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
AROUND = """
daemon off;
{user}
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
  {server}
}}
"""
"""What Debian's package has around a server; nothing here switches its buffers off."""


@dataclass(frozen=True)
class Recipe:
    """A way to put the page behind a proxy, as the documentation shows it.

    Attributes
    ----------
    heading : str
        Of its section.
    name : str
        The host that people type.
    prefix : str
        What stands before every path of the page.
    by_socket : bool
        Whether the proxy reaches the server by a Unix socket.
    changes : dict
        What is to be changed in the recipe, before it is run, as the documentation says.
    """

    heading: str
    name: str = "label.example.org"
    prefix: str = ""
    by_socket: bool = False
    changes: dict[str, str] = field(default_factory=dict)

    def text(self, language: str, places: dict[str, str]) -> str:
        """The recipe with places of this machine for those that it names; each must be in it."""
        page = PAGE.read_text(encoding="utf-8")
        section = page.split(f"### {self.heading}\n", 1)[1].split("\n### ")[0]
        found = re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        assert found is not None, self.heading
        text = found[1]
        for old, new in {**self.changes, **places}.items():
            assert old in text, (self.heading, old)
            text = text.replace(old, new)
        return text


@dataclass
class Front:
    """A proxy that listens on a port with TLS, and the project behind it."""

    recipe: Recipe
    port: int
    project: Project
    token: str
    trusted: ssl.SSLContext

    @property
    def host(self) -> str:
        """What a browser sends as Host."""
        return f"{self.recipe.name}:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        """A connection as a browser opens it, whose certificate is checked."""
        connection = http.client.HTTPConnection(self.recipe.name, self.port, timeout=30)
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sock = self.trusted.wrap_socket(plain, server_hostname=self.recipe.name)
        return connection

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Status, content and head of one request of the page, below the prefix."""
        sent = {
            "Host": self.host,
            "Content-Type": "application/json",
            "Origin": f"https://{self.host}",
            "Sec-Fetch-Site": "same-origin",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        with contextlib.closing(self.connect()) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(method, self.recipe.prefix + path, content, sent)
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers

    def is_up(self) -> bool:
        """Whether proxy and server answer."""
        with contextlib.suppress(OSError):
            return self.ask("GET", f"{API}/health")[0] == 200
        return False


@dataclass(frozen=True)
class Places:
    """What a proxy needs to know of this machine."""

    folder: Path
    port: int
    upstream: int
    socket_path: Path
    certificate: Path
    key: Path


@contextlib.contextmanager
def server_behind(recipe: Recipe, folder: Path, config: Config) -> Iterator[tuple[Front, Places]]:
    """Serve a project as the recipe says, and make a certificate; its proxy is yet to be run."""
    places = Places(
        folder, free_port(), free_port(), folder / "page.sock", folder / "cert.pem", folder / "key"
    )
    _make_certificate(recipe.name, places)
    trusted = ssl.create_default_context(cafile=str(places.certificate))
    serve = [sys.executable, "-m", "askmask", "serve", str(folder / "project"), "--no-worker"]
    serve += ["--allow-host", recipe.name]
    serve += ["--root-path", recipe.prefix] if recipe.prefix else []
    serve += (
        ["--socket", str(places.socket_path)]
        if recipe.by_socket
        else ["--port", str(places.upstream)]
    )
    with make_project(folder / "project", config) as project:
        token = project.store.access.make_token("Ada", Role.ANNOTATE)
        with running(serve):
            yield Front(recipe, places.port, project, token, trusted), places


@contextlib.contextmanager
def behind_nginx(recipe: Recipe, folder: Path, config: Config) -> Iterator[Front]:
    """Serve a project behind nginx as the recipe says."""
    with server_behind(recipe, folder, config) as (front, places):
        upstream = {"127.0.0.1:8000": f"127.0.0.1:{places.upstream}"}
        listens = {
            "listen 443": f"listen 127.0.0.1:{places.port}",
            f"/etc/ssl/{recipe.name}.pem": str(places.certificate),
            f"/etc/ssl/private/{recipe.name}.key": str(places.key),
        }
        upstream = {SOCKET: str(places.socket_path)} if recipe.by_socket else upstream
        path = folder / "nginx.conf"
        server = recipe.text("nginx", {**listens, **upstream})
        # its workers write large bodies to files, and would be nobody if root started them
        user = "" if os.geteuid() else "user root;"
        path.write_text(AROUND.format(user=user, folder=folder, server=server))
        with running([str(NGINX), "-c", str(path), "-e", str(folder / "error.log")]):
            wait_until_up(front)
            yield front


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[None]:
    """Run a command while a block runs."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(os.environ))
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_up(front: Front) -> None:
    """Wait for proxy and server."""
    wait_for(front.is_up, 90)


def _make_certificate(name: str, places: Places) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", str(places.key), "-out", str(places.certificate)),
        ],
        check=True,
        capture_output=True,
    )
