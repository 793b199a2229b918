"""A real nginx with TLS in front of a real server, by each recipe of the documentation."""

from collections.abc import Iterator

import pytest

from proxies import NGINX, Front, Recipe, behind_nginx
from proxy_contract import ProxyContract
from served import Build

BELOW = "nginx, below a prefix"
RECIPES = (
    Recipe("nginx"),
    Recipe(BELOW, "lab.example.org", "/labels"),
    Recipe(BELOW, "lab.example.org", "/labels", changes={":8000;": ":8000/;"}),
    Recipe("nginx, by a Unix socket", by_socket=True),
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="no nginx: `apt-get install nginx-light` brings it"),
]


@pytest.fixture(scope="module", params=RECIPES, ids=["tls", "prefix", "stripped", "socket"])
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, disc_config: Build
) -> Iterator[Front]:
    with behind_nginx(request.param, tmp_path_factory.mktemp("nginx"), disc_config()) as front:
        yield front


class TestNginx(ProxyContract):
    def test_another_host_is_told_what_to_do(self, front: Front) -> None:
        status, content, _ = front.ask("GET", "/", Host="evil.example.net", Accept="text/html")

        assert status == 403
        assert b"--allow-host" in content
        assert content.startswith(b"<!doctype html>")
