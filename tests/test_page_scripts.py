"""The page's files: modules that need no browser under node, and what holds for every file."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

import askmask

STATIC = Path(askmask.__file__).parent / "web" / "static"
SCRIPT_TESTS = Path(__file__).parent / "js"
NODE = shutil.which("node")


def files(*suffixes: str) -> list[Path]:
    return sorted(path for path in STATIC.rglob("*") if path.suffix in suffixes)


def node_version() -> tuple[int, ...]:
    assert NODE is not None
    text = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


@pytest.mark.skipif(NODE is None, reason="no node: install nodejs >= 20.19 to run the script tests")
def test_scripts_pass_their_own_tests() -> None:
    if node_version() < (20, 19):
        pytest.skip("node is older than 20.19, the first that reads .js files as modules")
    tests = sorted(map(str, SCRIPT_TESTS.glob("*.test.js")))
    done = subprocess.run(
        [str(NODE), "--test", *tests], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= 30


@pytest.mark.parametrize("path", files(".js"), ids=lambda p: str(p.relative_to(STATIC)))
def test_every_import_of_a_script_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in re.findall(
        r'^(?:import|export) .*from "([^"]+)"|^} from "([^"]+)"', text, re.MULTILINE
    ):
        target = next(filter(None, name))
        assert target.startswith(("./", "../")), f"{target} is not one of our own files"
        assert (path.parent / target).resolve().is_file(), target


class _Markup(HTMLParser):
    """Collects what a strict Content-Security-Policy forbids, and what the page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        inline = tag == "style" or (tag == "script" and "src" not in values)
        if inline or any(name == "style" or name.startswith("on") for name in values):
            self.forbidden.append(self.get_starttag_text() or tag)
        kept = {"script": "src", "link": "href", "img": "src"}
        self.loaded += [str(values[kept[tag]])] if tag in kept else []
        self.ids += [str(values["id"])] if "id" in values else []


@pytest.fixture(scope="module")
def markup() -> _Markup:
    parser = _Markup()
    parser.feed((STATIC / "index.html").read_text(encoding="utf-8"))
    return parser


def test_page_has_nothing_inline(markup: _Markup) -> None:
    assert markup.forbidden == []


def test_page_loads_only_files_of_the_package(markup: _Markup) -> None:
    assert markup.loaded
    for address in markup.loaded:
        assert address.startswith("/static/")
        assert (STATIC / address.removeprefix("/static/")).is_file(), address


def test_ids_that_scripts_look_up_exist(markup: _Markup) -> None:
    looked_up = {
        name
        for path in files(".js")
        for name in re.findall(r'byId\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert len(markup.ids) == len(set(markup.ids))
    assert looked_up - set(markup.ids) == set()


@pytest.mark.parametrize("path", files(".js", ".css", ".html"), ids=lambda p: p.name)
def test_page_files_are_short_and_name_no_other_site(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    sites = set(re.findall(r"https?://[^\s\"')]+", text))
    assert sites <= {"http://www.w3.org/2000/svg"}  # a name space, not an address that is loaded
