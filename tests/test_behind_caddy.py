"""A real Caddy with TLS in front of a real server, by each recipe of the documentation."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxies import SOCKET, Front, Recipe, running, server_behind, wait_until_up
from proxy_contract import ProxyContract
from served import Build

CADDY = shutil.which("caddy")
RECIPES = (
    Recipe("Caddy"),
    Recipe("Caddy, below a prefix", "lab.example.org", "/labels"),
    Recipe("Caddy, by a Unix socket", by_socket=True),
)
AROUND = "{\n  admin off\n  auto_https disable_redirects\n  log {\n    output discard\n  }\n}\n"
"""No port but the one for TLS; its certificate comes from the test, not from an authority."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CADDY is None, reason="no Caddy: `apt-get install caddy` brings it"),
]


@pytest.fixture(scope="module", params=RECIPES, ids=["tls", "prefix", "socket"])
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, disc_config: Build
) -> Iterator[Front]:
    recipe: Recipe = request.param
    folder = tmp_path_factory.mktemp("caddy")
    with server_behind(recipe, folder, disc_config()) as (front, places):
        sites = recipe.text(
            "caddy",
            {
                f"{recipe.name} {{": (
                    f"https://{recipe.name}:{places.port} {{\n"
                    f"    tls {places.certificate} {places.key}"
                ),
                **(
                    {SOCKET: str(places.socket_path)}
                    if recipe.by_socket
                    else {"127.0.0.1:8000": f"127.0.0.1:{places.upstream}"}
                ),
            },
        )
        config = folder / "Caddyfile"
        config.write_text(AROUND + sites)
        with running(_command(config)):
            wait_until_up(front)
            yield front


def _command(config: Path) -> list[str]:
    return [str(CADDY), "run", "--config", str(config), "--adapter", "caddyfile"]


class TestCaddy(ProxyContract):
    pass
