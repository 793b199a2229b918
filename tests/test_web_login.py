"""Who logs in by a name alone: somebody on this machine who knows the printed address."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from askmask.loop.project import Project
from askmask.serve.address import Address
from askmask.serve.web.app import create_app
from askmask.serve.web.desk import PROXY_HEADERS
from askmask.store.tokens import Person, Role
from served import API, URL, Build, answer_body, make_project

KEY = "key-of-the-printed-address"


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        yield project


def client(project: Project, **settings: object) -> TestClient:
    app = create_app(project, **settings)  # type: ignore[arg-type]
    return TestClient(app, base_url=URL, raise_server_exceptions=False)


def log_in(client: TestClient, headers: dict[str, str] | None = None, **body: str) -> int:
    return client.post(f"{API}/session", json=body, headers=headers).status_code


def test_name_and_key_log_in(project: Project) -> None:
    ada = client(project, key=KEY)

    assert log_in(ada, name="Ada", key=KEY) == 200
    assert ada.get(f"{API}/session").json()["role"] == "admin"


@pytest.mark.parametrize("key", [{}, {"key": "wrong"}, {"key": KEY[:-1]}, {"key": "\u202e\x1b"}])
def test_another_user_of_the_machine_does_not_come_in(
    project: Project, key: dict[str, str]
) -> None:
    stranger = client(project, key=KEY)

    reply = stranger.post(f"{API}/session", json={"name": "Eve", **key})

    assert (reply.status_code, reply.json()["key_required"]) == (401, True)
    assert "the address that `askmask serve` printed" in reply.json()["error"]["message"]
    assert stranger.get(f"{API}/items").status_code == 401


def test_session_outlives_the_key_of_its_server(project: Project) -> None:
    ada = client(project, key=KEY)
    log_in(ada, name="Ada", key=KEY)
    later = client(project, key="key-of-the-next-start")
    later.cookies.update(ada.cookies)

    assert later.get(f"{API}/session").json()["name"] == "Ada"


def test_key_stands_in_the_part_of_the_address_that_is_never_sent() -> None:
    assert Address(port=8000).page_url(KEY) == f"http://127.0.0.1:8000/#key={KEY}"


@pytest.mark.parametrize("name", PROXY_HEADERS)
def test_behind_a_proxy_a_name_is_not_enough(project: Project, name: str) -> None:
    reply = client(project).post(
        f"{API}/session", json={"name": "Eve"}, headers={name: "203.0.113.7"}
    )

    assert (reply.status_code, reply.json()["token_required"]) == (401, True)


def test_session_of_this_machine_is_worth_nothing_behind_a_proxy(project: Project) -> None:
    ada = client(project)
    log_in(ada, name="Ada")

    assert ada.get(f"{API}/items").status_code == 200
    assert ada.get(f"{API}/items", headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 401


@pytest.mark.parametrize(
    "settings", [{"allowed_hosts": ("label.example.org",)}, {"requires_token": True}]
)
def test_proxy_in_front_means_tokens(project: Project, settings: dict[str, object]) -> None:
    token = project.store.access.make_token("Grace", Role.ANNOTATE)
    grace = client(project, **settings)

    assert log_in(grace, name="Grace") == 401
    assert log_in(grace, token=token) == 200
    assert grace.get(f"{API}/session").json()["role"] == "annotate"


def test_label_studio_needs_a_token_on_this_machine_too(project: Project) -> None:
    studio = client(project)
    token = project.store.access.make_token("label-studio", Role.ANNOTATE)

    assert studio.get("/label-studio/health").status_code == 401
    assert studio.get("/label-studio/health", auth=("any", token)).status_code == 200


def test_session_ends_after_a_month(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    access = project.store.access
    secret = access.open_session(Person("Ada", Role.ADMIN))
    assert access.person_of_session(secret, needs_token=False) is not None

    monkeypatch.setattr("askmask.store.tokens.SESSION_DAYS", 0)

    assert access.person_of_session(secret, needs_token=False) is None


def test_stranger_sends_no_large_body(project: Project) -> None:
    eve = client(project, key=KEY)
    place = f"{API}/items/1/0/answers"

    reply = eve.post(place, json=answer_body(1, runs=[1, 1] * 5000))

    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "no_session")
    assert project.store.newest_answer() == 0


def test_logging_in_takes_a_small_body_only(project: Project) -> None:
    keys = {f"key{number}": 1 for number in range(2000)}

    reply = client(project).post(f"{API}/session", json={"name": "Eve", **keys})

    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")


def test_head_of_an_address_is_its_get_without_the_body(project: Project) -> None:
    ada = client(project)
    log_in(ada, name="Ada")

    for path in ("/", f"{API}/items", f"{API}/health"):
        got, head = ada.get(path), ada.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-length"] == got.headers["content-length"]


def test_database_is_its_owner_s_alone(project: Project) -> None:
    modes = [path.stat().st_mode & 0o077 for path in project.root.glob("askmask.db*")]

    assert modes == [0] * len(modes)
    assert modes
