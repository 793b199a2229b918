"""Where a server listens and how it is called: prefixes, Unix sockets, tunnels, refusals."""

import contextlib
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from askmask.cli.main import app as commands
from askmask.errors import ConfigError
from askmask.loop.project import Project
from askmask.serve.address import SOCKET_MODE, Address
from askmask.serve.web.app import create_app
from askmask.store.tokens import Role
from served import API, URL, Build, make_project

PREFIX = "/labels"


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        yield project


@pytest.fixture
def below(project: Project) -> TestClient:
    """Ada at a server below a prefix, logged in by the addresses that a browser uses."""
    app = create_app(project, prefix=PREFIX)
    client = TestClient(app, base_url=URL, raise_server_exceptions=False)
    token = project.store.access.make_token("Ada", Role.ANNOTATE)
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def test_page_is_served_below_its_prefix_whether_a_proxy_takes_it_off_or_not(
    below: TestClient,
) -> None:
    for before in (PREFIX, ""):
        assert "<title>askmask" in below.get(f"{before}/").text
        assert below.get(f"{before}/static/main.js").status_code == 200
        assert below.get(f"{before}{API}/health").status_code == 200
    assert below.get(f"{PREFIX}{API}/items").json()["items"]


def test_prefix_without_a_slash_leads_to_the_page(below: TestClient) -> None:
    reply = below.get(PREFIX, follow_redirects=False)

    assert (reply.status_code, reply.headers["location"]) == (307, "labels/")
    assert "<title>askmask" in below.get(PREFIX).text


def test_session_below_a_prefix_stays_below_it(below: TestClient) -> None:
    token = below.headers.pop("Authorization").removeprefix("Bearer ")
    opened = below.post(f"{PREFIX}{API}/session", json={"token": token})
    assert below.get(f"{PREFIX}{API}/items").status_code == 200
    ended = below.delete(f"{PREFIX}{API}/session")

    assert "path=/labels/;" in opened.headers["set-cookie"].lower()
    assert "path=/labels/;" in ended.headers["set-cookie"].lower()
    assert below.get(f"{PREFIX}{API}/items").status_code == 401


def test_only_a_proxy_has_a_prefix_so_a_name_is_not_enough(below: TestClient) -> None:
    below.headers.pop("Authorization")

    assert below.post(f"{PREFIX}{API}/session", json={"name": "Eve"}).status_code == 401


def test_other_sites_reach_nothing_below_a_prefix(below: TestClient) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    path = f"{PREFIX}{API}/items/1/0/thumbnail"

    assert below.get(path).status_code == 200
    assert below.get(path, headers=foreign).status_code == 403
    assert below.get(path, headers={"Host": "evil.example"}).status_code == 403


def test_description_of_the_api_names_the_prefix(below: TestClient) -> None:
    assert below.get(f"{PREFIX}{API}/openapi.json").json()["servers"] == [{"url": PREFIX}]


def test_name_that_must_be_escaped_in_addresses_can_be_in_a_prefix(project: Project) -> None:
    prefix = "/user/ada%40example.org/proxy/8000"
    client = TestClient(create_app(project, prefix=prefix), base_url=URL)
    token = project.store.access.make_token("Ada", Role.ANNOTATE)
    reply = client.post(f"{prefix}{API}/session", json={"token": token})

    assert f"path={prefix}/;" in reply.headers["set-cookie"].lower()
    assert client.get(f"{prefix}{API}/items").status_code == 200


@pytest.mark.parametrize("prefix", ["labels", "/a//b", "/a b", "/a/../b", "/a;b", '/a"b', "//"])
def test_prefix_that_is_no_part_of_an_address_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="expected a part of an address after --root-path"):
        Address(prefix=prefix)


@pytest.mark.parametrize("prefix", ["/api", "/static/x", "/projects", "/label-studio/", "/%61pi"])
def test_prefix_like_a_path_of_the_page_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="begins with none of: api, label-studio"):
        Address(prefix=prefix)


def test_slash_at_the_end_of_a_prefix_means_nothing() -> None:
    assert Address(prefix="/labels/") == Address(prefix="/labels")
    assert Address(prefix="/").page_url() == "http://127.0.0.1:8000/"


def test_socket_is_for_owner_and_group_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    with Address(socket_path=path).sockets() as (listening,):
        assert stat.S_IMODE(path.stat().st_mode) == SOCKET_MODE == 0o660
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
            listening.accept()[0].close()

    assert list(tmp_path.iterdir()) == []


def test_socket_that_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert path.exists()

    with Address(socket_path=path).sockets(), socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))


def test_socket_of_a_running_server_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    with Address(socket_path=path).sockets() as (first,):
        with (
            pytest.raises(ConfigError, match="but a server listens there"),
            Address(socket_path=path).sockets(),
        ):
            pass
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
            first.accept()[0].close()


def test_file_that_is_no_socket_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with (
        pytest.raises(ConfigError, match="found another kind of file, which is left as it is"),
        Address(socket_path=path).sockets(),
    ):
        pass

    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["no folder/page.sock", "x" * 120])
def test_place_where_no_socket_can_be_is_refused(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(ConfigError, match="expected a place for a socket.*--socket PATH"),
        Address(socket_path=tmp_path / name).sockets(),
    ):
        pass

    assert list(tmp_path.iterdir()) == []


def test_who_ends_leaves_the_socket_of_its_successor(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    with contextlib.ExitStack() as first:
        first.enter_context(Address(socket_path=path).sockets())
        path.unlink()
        with Address(socket_path=path).sockets() as (second,):
            first.close()
            with socket.socket(socket.AF_UNIX) as caller:
                caller.connect(str(path))
                second.accept()[0].close()


@pytest.mark.parametrize(
    "address",
    [
        Address(socket_path=Path("page.sock")),
        Address(names=("label.example.org",)),
        Address(host="0.0.0.0"),
        Address(prefix=PREFIX),
    ],
)
def test_whoever_others_may_reach_asks_for_tokens(address: Address) -> None:
    assert address.needs_token
    assert not Address().needs_token


def test_tunnel_is_told_to_who_came_by_ssh() -> None:
    came = {"SSH_CONNECTION": "198.51.100.4 50022 192.0.2.7 2222", "USER": "ada"}

    told = "ssh -N -L 9000:127.0.0.1:9000 -p 2222 ada@192.0.2.7"
    assert Address(port=9000).tunnel(came) == told
    assert Address(host="::1").tunnel(came) == "ssh -N -L 8000:[::1]:8000 -p 2222 ada@192.0.2.7"


@pytest.mark.parametrize(
    ("address", "environment"),
    [
        (Address(), {}),
        (Address(), {"SSH_CONNECTION": "nonsense"}),
        (Address(host="0.0.0.0"), {"SSH_CONNECTION": "198.51.100.4 50022 192.0.2.7 22"}),
        (Address(socket_path=Path("s")), {"SSH_CONNECTION": "198.51.100.4 50022 192.0.2.7 22"}),
    ],
)
def test_no_tunnel_is_told_where_none_is_needed(
    address: Address, environment: dict[str, str]
) -> None:
    assert address.tunnel(environment) is None


def test_command_prints_address_and_tunnel(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from askmask.cli.people import announce

    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.4 50022 192.0.2.7 22")
    monkeypatch.setenv("USER", "ada")
    address = Address(prefix=PREFIX)
    announce(address, address.page_url("a-key"))

    told = capsys.readouterr().out
    assert "Open http://127.0.0.1:8000/labels/#key=a-key" in told
    assert "ssh -N -L 8000:127.0.0.1:8000 ada@192.0.2.7" in told


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--port", "8000"], "--port"),
        (["--host", "127.0.0.1", "--open"], "--host, --open"),
    ],
)
def test_option_that_means_nothing_beside_a_socket_is_refused(
    tmp_path: Path, options: list[str], named: str
) -> None:
    with pytest.raises(ConfigError, match=f"expected either --socket or {named}, got both"):
        CliRunner().invoke(
            commands,
            ["serve", str(tmp_path), "--socket", str(tmp_path / "s"), *options],
            catch_exceptions=False,
        )


def test_browser_gets_a_sentence_where_a_script_gets_json(project: Project) -> None:
    client = TestClient(create_app(project), base_url=URL)
    page = {"Accept": "text/html,*/*;q=0.8", "Host": "<b>evil</b>"}

    refused = client.get("/", headers=page)
    lost = client.get("/nothing", headers={"Accept": "text/html"})

    assert (refused.status_code, refused.headers["content-type"]) == (
        403,
        "text/html; charset=utf-8",
    )
    assert "--allow-host" in refused.text
    assert "&lt;b&gt;" in refused.text
    assert "<b>" not in refused.text
    assert (lost.status_code, "expected an address" in lost.text) == (404, True)
    assert client.get(f"{API}/nothing", headers={"Accept": "text/html"}).json()["error"]


@pytest.mark.parametrize(
    ("forwarded", "is_secure"), [("https", True), ("https, http", True), ("http", False)]
)
def test_cookie_of_a_page_with_tls_is_never_sent_without(
    project: Project, forwarded: str, *, is_secure: bool
) -> None:
    token = project.store.access.make_token("Ada", Role.ANNOTATE)
    client = TestClient(create_app(project), base_url=URL)
    headers = {"X-Forwarded-Proto": forwarded}
    reply = client.post(f"{API}/session", json={"token": token}, headers=headers)

    assert ("secure" in reply.headers["set-cookie"].lower().split("; ")) is is_secure
