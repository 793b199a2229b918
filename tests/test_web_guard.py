"""Who gets in and who does not: hosts, origins, tokens, roles, sizes, headers."""

import asyncio
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from askmask.loop.project import Project
from askmask.serve.address import is_loopback
from askmask.serve.web import guard
from askmask.serve.web.guard import Guard, known_hosts
from askmask.store.tokens import Person, Role
from served import API, URL, Build, answer_body, client_of, make_project

NETWORK = "0.0.0.0"
NETWORK_URL = "http://192.0.2.7:8765"


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        yield project


@pytest.fixture
def ada(project: Project) -> TestClient:
    return client_of(project)


def code(reply: object) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example:8765", "localhost.evil.example", "", "192.0.2.7"],
)
def test_foreign_host_is_refused(ada: TestClient, host: str) -> None:
    for path in (f"{API}/items", f"{API}/health", "/", "/static/main.js"):
        assert code(ada.get(path, headers={"Host": host})) == (403, "bad_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:9000", "[::1]:8765"])
def test_own_names_are_known_on_any_port(ada: TestClient, host: str) -> None:
    assert ada.get(f"{API}/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost:8765", "file://", ""],
)
def test_request_of_another_page_is_refused(project: Project, ada: TestClient, origin: str) -> None:
    reply = ada.post(f"{API}/items/1/0/answers", json=answer_body(1), headers={"Origin": origin})

    assert code(reply) == (403, "bad_origin")
    assert project.store.newest_answer() == 0


def test_request_of_the_own_page_is_served(ada: TestClient) -> None:
    headers = {"Origin": URL, "Sec-Fetch-Site": "same-origin"}

    assert ada.post(f"{API}/items/next", json={}, headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_link_to_the_page_and_no_more(ada: TestClient, site: str) -> None:
    headers = {"Sec-Fetch-Site": site}

    assert ada.get("/no-such-page", headers=headers).status_code == 404
    assert code(ada.get(f"{API}/items", headers=headers)) == (403, "bad_origin")
    assert code(ada.get(f"{API}/items/1/0/thumbnail", headers=headers)) == (403, "bad_origin")
    assert code(ada.delete(f"{API}/session", headers=headers)) == (403, "bad_origin")


def test_every_reply_has_the_safe_headers(ada: TestClient) -> None:
    paths = ("/", f"{API}/items", f"{API}/nothing", f"{API}/items/1/0/thumbnail")
    replies = [ada.get(path) for path in paths]
    replies.append(ada.get("/", headers={"Host": "evil.example"}))

    for reply in replies:
        assert reply.headers["content-security-policy"].startswith("default-src 'none'; ")
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert "cache-control" in reply.headers


def test_reply_with_answers_is_not_kept_by_caches(ada: TestClient) -> None:
    assert ada.get(f"{API}/items").headers["cache-control"] == "no-store"


def test_without_a_session_everything_but_health_is_closed(project: Project) -> None:
    client = client_of(project, None)
    paths = [
        path.replace("{round}", "1").replace("{rank}", "0").replace("{number}", "0")
        for path, methods in client.get(f"{API}/openapi.json").json()["paths"].items()
        if "get" in methods and not path.endswith("/health")
    ]
    assert len(paths) > 12

    for path in paths:
        tile = path.replace("{level}", "0").replace("{row}", "0").replace("{col}", "0")
        reply = client.get(tile + "?row=0&col=0&height=1&width=1")
        assert code(reply) == (401, "no_session"), path
        assert reply.json()["token_required"] is False
    assert client.get(f"{API}/health").json()["status"] == "ok"


def test_session_cookie_is_out_of_reach_of_scripts_and_other_sites(project: Project) -> None:
    client = client_of(project, None)

    reply = client.post(f"{API}/session", json={"name": "Ada"})

    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert reply.json() == {"name": "Ada", "role": "admin", "token_required": False}
    assert client.get(f"{API}/session").json()["name"] == "Ada"


def test_logging_out_ends_the_session(ada: TestClient) -> None:
    cookies = dict(ada.cookies)

    assert ada.delete(f"{API}/session").status_code == 204

    ada.cookies.update(cookies)
    assert code(ada.get(f"{API}/session")) == (401, "no_session")


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb", "a\u202eb", " Ada"])
def test_impossible_name_is_refused(project: Project, name: str) -> None:
    reply = client_of(project, None).post(f"{API}/session", json={"name": name})

    assert code(reply) == (422, "invalid")


def test_on_a_network_a_name_is_not_enough(project: Project, ada: TestClient) -> None:
    client = client_of(project, None, host=NETWORK, url=NETWORK_URL)

    reply = client.post(f"{API}/session", json={"name": "Ada"})
    assert code(reply) == (401, "no_session")
    assert reply.json()["token_required"] is True

    client.cookies.update(ada.cookies)  # a session that was opened by name on this machine
    assert code(client.get(f"{API}/session")) == (401, "no_session")


def test_token_opens_a_session_with_its_role(project: Project) -> None:
    token = project.store.access.make_token("Grace", Role.ANNOTATE)
    client = client_of(project, None, host=NETWORK, url=NETWORK_URL)

    reply = client.post(f"{API}/session", json={"token": token})

    assert reply.json() == {"name": "Grace", "role": "annotate", "token_required": True}
    assert client.get(f"{API}/items").status_code == 200
    assert token not in str(reply.headers)


def test_script_sends_its_token_with_each_request(project: Project) -> None:
    token = project.store.access.make_token("Robot", Role.ANNOTATE)
    client = client_of(project, None, host=NETWORK, url=NETWORK_URL)

    good = client.get(f"{API}/items", headers={"Authorization": f"Bearer {token}"})
    bad = client.get(f"{API}/items", headers={"Authorization": f"Bearer {token}x"})

    assert good.status_code == 200
    assert code(bad) == (401, "no_session")


@pytest.mark.parametrize("token", ["x", "é" * 20, "a" * 200])
def test_wrong_token_is_refused(project: Project, token: str) -> None:
    project.store.access.make_token("Grace", Role.ADMIN)
    client = client_of(project, None, host=NETWORK, url=NETWORK_URL)

    assert code(client.post(f"{API}/session", json={"token": token})) == (401, "no_session")


def test_token_is_compared_with_all_in_constant_time(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [project.store.access.make_token(name, Role.ADMIN) for name in ("Ada", "Grace")]
    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or compare(a, b))

    assert project.store.access.person_of_token(tokens[0]) == Person("Ada", Role.ADMIN)
    assert len(compared) == 2


def test_annotator_may_answer_but_not_steer(project: Project) -> None:
    token = project.store.access.make_token("Grace", Role.ANNOTATE)
    client = client_of(project, None, host=NETWORK, url=NETWORK_URL)
    client.post(f"{API}/session", json={"token": token})

    assert client.post(f"{API}/items/1/0/answers", json=answer_body(1)).status_code == 201
    assert code(client.post(f"{API}/control", json={"command": "stop"})) == (403, "forbidden")
    assert client.get(f"{API}/control").json()["commands"] == []


def test_address_is_a_known_name_only_on_a_network(project: Project) -> None:
    project.store.access.make_token("Grace", Role.ANNOTATE)
    client = client_of(project, None, host=NETWORK, url=NETWORK_URL)

    assert client.get(f"{API}/health", headers={"Host": "[2001:db8::1]:80"}).status_code == 200
    assert code(client.get(f"{API}/health", headers={"Host": "evil.example"})) == (403, "bad_host")


def test_too_large_body_is_refused_before_it_is_read(ada: TestClient) -> None:
    body = b"[" + b"1," * (guard.MAX_BODY_BYTES // 2) + b"1]"
    headers = {"Content-Type": "application/json"}

    told = ada.post(f"{API}/items/next", content=body, headers=headers)
    untold = ada.post(
        f"{API}/items/next",
        content=(body[i : i + 65536] for i in range(0, len(body), 65536)),
        headers=headers,
    )

    assert code(told) == code(untold) == (413, "too_large")


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"{", "application/json", (400, "bad_request")),
        (b"\xff\xfe", "application/json", (400, "bad_request")),
        (b"", "application/json", (422, "invalid")),
        (b"{}", "text/plain", (422, "invalid")),
        (b'{"after": {}}', "application/x-www-form-urlencoded", (422, "invalid")),
        (b"[" * 4000, "application/json", (400, "bad_request")),
        (b"[" * 100_000, "application/json", (413, "too_large")),
        (b'{"after": NaN}', "application/json", (422, "invalid")),
        (b'{"after": "\\ud800"}', "application/json", (422, "invalid")),
        (b'{"after": {"round": 1e400, "rank": 1}}', "application/json", (422, "invalid")),
        (
            b'{"after": {"round": ' + b"9" * 4000 + b', "rank": 1}}',
            "application/json",
            (422, "invalid"),
        ),
    ],
)
def test_body_that_is_none_is_refused(
    ada: TestClient, content: bytes, kind: str, expected: tuple[int, str]
) -> None:
    reply = ada.post(f"{API}/items/next", content=content, headers={"Content-Type": kind})

    assert code(reply) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/static/../guard.py",
        "/static/%2e%2e/guard.py",
        "/static/..%2fguard.py",
        "/static//etc/passwd",
        "/static/index.html%00.js",
        f"{API}/images/..%2f..%2faskmask.db",
        f"{API}/images/0/tiles/0/0/..%2f..%2f..",
        f"{API}/items/1/%00/thumbnail",
        f"{API}/items/-1/0",
        f"{API}/items/1.5/0",
        f"{API}/items/99999999999999999999/0",
        f"{API}/answers/0",
        f"{API}/answers?before=x",
        f"{API}/answers?limit=100000",
        f"{API}/answers?kind=all",
        f"{API}/items/1/0/thumbnail?size=100000",
        "/api/v2/items",
    ],
)
def test_strange_address_is_a_clear_error(ada: TestClient, path: str) -> None:
    reply = ada.get(path)

    assert reply.status_code in {400, 404, 422}
    assert reply.json()["error"]["message"]


def test_wrong_method_is_a_clear_error(ada: TestClient) -> None:
    assert code(ada.put(f"{API}/items")) == (405, "bad_method")


@pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_addresses(bound: str) -> None:
    assert is_loopback(bound)
    assert "evil.example" not in known_hosts(bound, ())


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.0.2.7", "host.example"])
def test_other_addresses_are_not_loopback(bound: str) -> None:
    assert not is_loopback(bound)


def test_websocket_is_refused() -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def unused(*_: object) -> None:
        raise AssertionError

    scope = {"type": "websocket", "headers": []}
    asyncio.run(Guard(unused, hosts=frozenset())(scope, unused, send))

    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_body_that_comes_too_slowly_is_given_up(
    ada: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def never() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    headers = [(b"host", b"localhost"), (b"content-length", b"9")]
    scope = {"type": "http", "method": "POST", "path": "/api/v1/agree", "headers": headers}
    asyncio.run(Guard(ada.app, hosts=frozenset({"localhost"}))(scope, never, send))

    assert sent[0]["status"] == 408
