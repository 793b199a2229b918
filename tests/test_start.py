"""The start's server: who comes in, what may be chosen, several projects, and what is put away."""

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from askmask.config import Config
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.runtime.worker_lock import only_worker
from askmask.serve.start.app import Start
from askmask.serve.start.folders import Roots
from askmask.serve.start.uploads import MOST_BYTES, Uploads
from askmask.serve.web.desk import PROXY_HEADERS
from askmask.store.store import Store
from served import API, URL, add_query
from server_processes import wait_for

KEY = "key-of-the-printed-address"
GOING = ("waiting", "running")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What may be chosen from; the user's own folders lie elsewhere."""
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / "user" / name.lower()))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Start, TestClient]]:
    """A start that is made once, since that takes a second; each test gives it folders."""
    folder = tmp_path_factory.mktemp("start")
    with Store(folder / "start.db") as store:
        start = Start(key=KEY, access=store.access, roots=(), files=folder, with_workers=False)
        with TestClient(start, base_url=URL, raise_server_exceptions=False) as client:
            yield start, client


@pytest.fixture
def stranger(server: tuple[Start, TestClient], home: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A client; nobody is logged in."""
    start, client = server
    files = tmp_path / "files"
    files.mkdir()
    desk = start.start.state.desk
    start.start.state.desk = replace(
        desk, roots=Roots((home,)), files=files, uploads=Uploads(files / "dropped")
    )
    client.cookies.clear()
    yield client
    client.portal.call(start.opened.close_all)  # type: ignore[union-attr]
    start.start.state.desk = desk


@pytest.fixture
def ada(stranger: TestClient) -> TestClient:
    reply = stranger.post(f"{API}/session", json={"name": "Ada", "key": KEY})
    assert reply.status_code == 200
    return stranger


@pytest.fixture
def projects(home: Path, disc_config: Callable[..., Config]) -> list[Path]:
    """Two projects with a query each."""
    for name in ("one", "two"):
        with Project.create(home / name, disc_config(name=name)) as project:
            add_query(project)
    return [home / "one", home / "two"]


def add(client: TestClient, root: Path) -> str:
    reply = client.post(f"{API}/projects", json={"folder": str(root)})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


def opened(client: TestClient, root: Path) -> str:
    """Address of a project that was just opened."""
    reply = client.post(f"{API}/projects/{add(client, root)}/open")
    assert reply.status_code == 200, reply.text
    return "/" + str(reply.json()["address"])


def problem(reply: object) -> str:
    return str(reply.json()["error"]["message"])  # type: ignore[attr-defined]


def test_start_asks_for_the_key_of_its_address(stranger: TestClient) -> None:
    reply = stranger.post(f"{API}/session", json={"name": "Eve", "key": "wrong"})
    assert (reply.status_code, reply.json()["key_required"]) == (401, True)
    assert stranger.get(f"{API}/projects").status_code == 401
    assert stranger.get(f"{API}/folders").status_code == 401
    assert stranger.post(f"{API}/uploads").status_code == 401


def test_nobody_comes_in_through_a_proxy(ada: TestClient) -> None:
    for name in PROXY_HEADERS:
        reply = ada.get(f"{API}/projects", headers={name: "x"})
        assert reply.status_code == 403
        assert "through a proxy" in problem(reply)
    body = {"name": "Eve", "key": KEY}
    headers = {"x-forwarded-for": "1.2.3.4"}
    assert ada.post(f"{API}/session", json=body, headers=headers).status_code == 403


def test_every_route_of_the_start_needs_a_session(stranger: TestClient) -> None:
    paths = stranger.get(f"{API}/openapi.json").json()["paths"]
    free = {f"{API}/health", f"{API}/session"}
    for path, methods in paths.items():
        if path in free:
            continue
        for method in methods:
            address = path.format(project_id="0" * 12, upload="0" * 16, number=1)
            reply = stranger.request(method, address, json={})
            assert reply.status_code == 401, (method, path, reply.text)


def test_foreign_hosts_and_origins_reach_neither_start_nor_project(
    ada: TestClient, projects: list[Path]
) -> None:
    address = opened(ada, projects[0])
    foreign = (
        {"host": "rebound.example"},
        {"origin": "http://other.example"},
        {"sec-fetch-site": "cross-site"},
    )
    for path in (f"{API}/projects", f"{address.rstrip('/')}{API}/items"):
        assert ada.get(path).status_code == 200
        assert [ada.get(path, headers=headers).status_code for headers in foreign] == [403] * 3


def test_projects_are_served_side_by_side_each_with_its_own_people(
    ada: TestClient, projects: list[Path]
) -> None:
    first, second = (opened(ada, root).rstrip("/") for root in projects)
    assert ada.get(f"{first}{API}/project").json()["name"] == "one"
    assert ada.get(f"{second}{API}/project").json()["name"] == "two"
    assert "askmask" in ada.get(f"{first}/").text
    assert ada.get(f"{first}/static/main.js").status_code == 200

    eve = TestClient(ada.app, base_url=URL)
    one_cookie = next(c for c in ada.cookies.jar if c.name != "askmask_start")
    eve.cookies.set(one_cookie.name, str(one_cookie.value))
    statuses = {eve.get(f"{place}{API}/items").status_code for place in (first, second)}
    assert statuses == {200, 401}  # a session of one project opens no other
    assert eve.get(f"{API}/projects").status_code == 401  # nor the start


def test_large_body_of_a_stranger_is_not_read(ada: TestClient, projects: list[Path]) -> None:
    address = opened(ada, projects[0]).rstrip("/")
    eve = TestClient(ada.app, base_url=URL)
    for path in (f"{API}/uploads/{'0' * 16}/files?name=a&offset=0", f"{API}/checks"):
        assert eve.request("PUT", path, content=b"x" * 5000).status_code == 401
    answers = f"{address}{API}/items/1/0/answers"
    assert eve.post(answers, content=b"x" * 5000).status_code == 401


def test_closed_project_leads_to_the_start_and_asks_the_page_to_wait(
    ada: TestClient, projects: list[Path]
) -> None:
    address = opened(ada, projects[0])
    number = address.strip("/").partition("/")[2]
    assert ada.post(f"{API}/projects/{number}/close").json()["is_open"] is False
    visit = ada.get(address, follow_redirects=False)
    assert (visit.status_code, visit.headers["location"]) == (307, f"../../#/open/{number}")
    answer = ada.post(f"{address}api/v1/items/1/0/answers", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "closed")


def test_a_bounded_number_of_projects_is_open(
    ada: TestClient, projects: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askmask.serve.start.opened.MOST_OPEN", 1)
    opened(ada, projects[0])
    reply = ada.post(f"{API}/projects/{add(ada, projects[1])}/open")
    assert reply.status_code == 409
    assert "these are open: one" in problem(reply)


def test_folders_outside_the_roots_cannot_be_chosen(ada: TestClient, home: Path) -> None:
    (home.parent / "secret").mkdir()
    (home / "inside").mkdir()
    (home / "out").symlink_to(home.parent / "secret")
    (home / ".hidden").mkdir()
    found = ada.get(f"{API}/folders").json()
    assert (found["folders"], found["above"]) == (["inside"], None)
    for path in ("/", "/etc", str(home / ".."), str(home / "out"), f"{home}/inside/../../secret"):
        reply = ada.get(f"{API}/folders", params={"path": path})
        assert reply.status_code == 409, path
        assert "expected a path below the folders" in problem(reply)
    assert ada.get(f"{API}/folders", params={"path": f"{home}/inside"}).json()["above"] == str(home)


def test_link_that_leads_out_of_the_roots_is_not_read_with_the_images(
    ada: TestClient, home: Path
) -> None:
    (home / "images").mkdir()
    (home / "images" / "mine.png").symlink_to("/etc/hostname")
    reply = ada.post(f"{API}/checks", json={"images": {"path": str(home / "images")}})
    assert reply.status_code == 409
    assert "leads out" in problem(reply)


def test_project_is_made_below_the_roots_only(ada: TestClient, home: Path) -> None:
    (home / "images").mkdir()
    body = {"images": {"path": str(home / "images")}, "name": "x", "folder": "/tmp/elsewhere"}
    reply = ada.post(f"{API}/projects/new", json=body)
    assert reply.status_code == 409
    assert "expected a path below the folders" in problem(reply)


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png", "a\\b.png", "a\nb", ".."])
def test_name_of_a_dropped_file_never_leaves_its_upload(
    ada: TestClient, tmp_path: Path, name: str
) -> None:
    upload = ada.post(f"{API}/uploads").json()["upload"]
    reply = ada.put(
        f"{API}/uploads/{upload}/files", params={"name": name, "offset": 0}, content=b"x"
    )
    assert reply.status_code == 422
    assert [p for p in (tmp_path / "files").rglob("*") if p.is_file()] == []


def test_dropped_file_comes_in_parts_and_a_part_sent_twice_counts_once(
    ada: TestClient, tmp_path: Path
) -> None:
    upload = ada.post(f"{API}/uploads").json()["upload"]
    address = f"{API}/uploads/{upload}/files"
    for offset, part in ((0, b"abc"), (3, b"def"), (3, b"def")):
        reply = ada.put(address, params={"name": "d/a.png", "offset": offset}, content=part)
        assert reply.status_code == 200
    assert reply.json()["bytes"] == 6
    assert (
        ada.put(address, params={"name": "d/a.png", "offset": 9}, content=b"x").status_code == 409
    )
    assert (tmp_path / "files" / "dropped" / upload / "d" / "a.png").read_bytes() == b"abcdef"
    ada.delete(f"{API}/uploads/{upload}")
    assert not (tmp_path / "files" / "dropped" / upload).exists()


def test_uploads_are_bounded(ada: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_BYTES == 8 * 2**30
    monkeypatch.setattr("askmask.serve.start.uploads.MOST_BYTES", 4)
    upload = ada.post(f"{API}/uploads").json()["upload"]
    params = {"name": "a.png", "offset": 0}
    reply = ada.put(f"{API}/uploads/{upload}/files", params=params, content=b"abcde")
    assert reply.status_code == 413
    assert "Choose a folder of this machine instead" in problem(reply)


def test_deleted_project_lies_in_the_bin_and_can_be_moved_back(
    ada: TestClient, projects: list[Path], home: Path
) -> None:
    number = add(ada, projects[0])
    opened(ada, projects[0])
    wrong = ada.post(f"{API}/projects/{number}/bin", json={"name": "two"})
    assert wrong.status_code == 422
    assert "expected the project's name, 'one'" in problem(wrong)
    reply = ada.post(f"{API}/projects/{number}/bin", json={"name": "one"})
    binned = Path(reply.json()["folder"])
    assert binned.parent == home / "askmask-bin"
    assert not projects[0].exists()
    assert [p["name"] for p in ada.get(f"{API}/projects").json()["projects"]] == []
    binned.rename(projects[0])
    with Project.open(projects[0]) as project:
        assert project.store.newest_query() is not None


def test_files_beside_a_deleted_project_stay(ada: TestClient, projects: list[Path]) -> None:
    (projects[0] / "photo.png").write_bytes(b"mine")
    number = add(ada, projects[0])
    assert ada.post(f"{API}/projects/{number}/bin", json={"name": "one"}).status_code == 200
    assert [path.name for path in projects[0].iterdir()] == ["photo.png"]


def test_project_that_a_worker_holds_is_not_deleted(
    ada: TestClient, projects: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askmask.serve.start.bin.PATIENCE_SECONDS", 0.1)
    number = add(ada, projects[0])
    with only_worker(projects[0]):
        reply = ada.post(f"{API}/projects/{number}/bin", json={"name": "one"})
    assert reply.status_code == 409
    assert (projects[0] / "askmask.yaml").is_file()


def test_missing_project_says_so_in_the_list(
    ada: TestClient, projects: list[Path], home: Path
) -> None:
    number = add(ada, projects[0])
    projects[0].rename(home / "moved")
    listed = ada.get(f"{API}/projects").json()["projects"][0]
    assert "no longer there" in listed["problem"]
    reply = ada.post(f"{API}/projects/{number}/open")
    assert reply.status_code == 409
    assert "Was it moved?" in problem(reply)


def test_classes_are_changed_while_the_project_is_open(
    ada: TestClient, projects: list[Path]
) -> None:
    address = opened(ada, projects[0]).rstrip("/")
    number = address.rpartition("/")[2]
    classes = [
        {"name": "background", "colour": "#000000"},
        {"name": "cell", "colour": "#112233"},
        {"name": "scratch", "colour": "#445566"},
    ]
    reply = ada.put(f"{API}/projects/{number}/classes", json={"classes": classes})
    assert (reply.status_code, reply.json()["renamed"]) == (200, [["disc", "cell"]])
    shown = ada.get(f"{address}{API}/project").json()["classes"]  # it is open again
    assert [(cls["name"], cls["color"]) for cls in shown] == [
        (cls["name"], cls["colour"]) for cls in classes
    ]
    card = ada.get(f"{API}/projects/{number}/card").json()
    assert ["Classes", "background, cell, scratch"] in card["facts"]
    assert card["commands"] == []  # nothing was trained


def run(client: TestClient, path: str, body: object) -> dict[str, object]:
    """A job, when it is over."""
    reply = client.post(f"{API}{path}", json=body)
    assert reply.status_code == 202, reply.text
    number = reply.json()["job"]
    wait_for(lambda: client.get(f"{API}/jobs/{number}").json()["state"] not in GOING, 120)
    found: dict[str, object] = client.get(f"{API}/jobs/{number}").json()
    return found


def test_labels_are_exported_and_taken_in_again(ada: TestClient, projects: list[Path]) -> None:
    with Project.open(projects[0]) as project:
        for answer in [MaskOracle(project.source).answer(r, 0) for r in project.start_regions]:
            project.store.add_answer(answer)
    numbers = [add(ada, root) for root in projects]
    done = run(ada, f"/projects/{numbers[0]}/exports", {"what": "answers", "format": "png"})
    assert (done["state"], done["result"]) == ("done", {"count": 2})
    packed = ada.get(f"{API}/jobs/{done['job']}/file")
    folder = projects[1].parent / "unpacked"
    zipfile.ZipFile(io.BytesIO(packed.content)).extractall(folder)
    (folder / "askmask-export.json").unlink()  # it names the other project
    body = {"files": {"path": str(folder)}, "format": "png"}
    taken = run(ada, f"/projects/{numbers[1]}/imports", body)
    assert taken["state"] == "done", taken
    assert taken["result"]["kept"] == 2  # type: ignore[index]
    with Project.open(projects[1]) as project:
        assert {answer.author for answer in project.store.answers()} == {"Ada"}


def test_what_is_unclear_in_masks_is_told_and_no_project_is_made_of_it(
    ada: TestClient, home: Path
) -> None:
    for folder, shades in (("images", (0, 99)), ("masks", (0, 7, 255))):
        (home / folder).mkdir()
        values = np.resize(np.array(shades, np.uint8), (64, 64))
        Image.fromarray(values).save(home / folder / "a.png")
    body = {name: {"path": str(home / name)} for name in ("images", "masks")}
    result = run(ada, "/checks", body)["result"]
    assert "their kind is not clear" in str(result["problems"])  # type: ignore[index]
    refused = run(ada, "/projects/new", body | {"name": "n", "folder": str(home / "deep" / "n")})
    assert refused["state"] == "failed"
    assert "their kind is not clear" in str(refused["problems"])
    assert not (home / "deep").exists()  # nothing is left behind
