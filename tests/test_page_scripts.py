"""The page's files: modules that need no browser under node, and what holds for every file."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

import askmask

STATIC = Path(askmask.__file__).parent / "serve" / "web" / "static"
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

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
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


@pytest.fixture(scope="module", params=["index.html", "start.html"])
def markup(request: pytest.FixtureRequest) -> _Markup:
    parser = _Markup(request.param)
    parser.feed((STATIC / request.param).read_text(encoding="utf-8"))
    return parser


def test_page_has_nothing_inline(markup: _Markup) -> None:
    assert markup.forbidden == []


def test_page_loads_only_files_of_the_package(markup: _Markup) -> None:
    assert markup.loaded
    for address in markup.loaded:
        assert address.startswith("static/")  # relative: a page may lie below a prefix
        assert (STATIC / address.removeprefix("static/")).is_file(), address


def test_ids_that_scripts_look_up_exist(markup: _Markup) -> None:
    looked_up = {
        name
        for path in scripts_of(markup.page)
        for name in re.findall(r'byId\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert len(markup.ids) == len(set(markup.ids))
    assert looked_up - set(markup.ids) == set()


def scripts_of(page: str) -> list[Path]:
    """Scripts that a page may load: those of the start are in a folder of their own."""
    is_start = page == "start.html"
    return [path for path in files(".js") if (path.parent.name == "start") == is_start]


TEXTS = ("text", "muted", "accent", "good", "warn", "bad")
SURFACES = ("page", "surface", "raised")
PAIRS = [
    *((text, surface, 4.5) for text in TEXTS for surface in SURFACES),
    *((text, "stage", 4.5) for text in ("text", "muted")),  # while there is no region
    ("text", "accent-soft", 4.5),  # the tool in hand
    ("muted", "accent-soft", 4.5),  # the share of the class in hand
    ("accent", "accent-soft", 4.5),  # the view in front
    ("on-accent", "accent", 4.5),  # the main button
    ("text", "warn-soft", 4.5),  # notices
    ("text", "bad-soft", 4.5),  # errors
    ("page", "text", 4.5),  # toasts
    *(("control-line", surface, 3.0) for surface in ("page", "surface")),  # borders of controls
    *(("accent", surface, 3.0) for surface in ("stage", "warn-soft", "bad-soft")),  # focus rings
]


def theme_colours() -> dict[str, tuple[str, str]]:
    """Light and dark colour of each variable of the style sheet."""
    text = (STATIC / "css" / "theme.css").read_text(encoding="utf-8")
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", text)
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb as WCAG 2.2 defines it, in [0, 1]."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as WCAG 2.2 defines it, in [1, 21]."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_known_pairs() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # fails AA by a hair


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_of_both_themes_have_the_contrast_of_level_aa(theme: str) -> None:
    colours = {name: pair[theme == "dark"] for name, pair in theme_colours().items()}
    too_close = {
        (front, back): round(contrast(colours[front], colours[back]), 2)
        for front, back, least in PAIRS
        if contrast(colours[front], colours[back]) < least
    }
    assert too_close == {}


def test_every_colour_of_the_theme_is_judged() -> None:
    judged = {name for pair in PAIRS for name in pair[:2]}
    assert set(theme_colours()) - judged == {"line"}  # decoration: nothing is told by it alone


@pytest.mark.parametrize("path", files(".js", ".css", ".html"), ids=lambda p: p.name)
def test_page_files_are_short_and_name_no_other_site(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    sites = set(re.findall(r"https?://[^\s\"')]+", text))
    assert sites <= {"http://www.w3.org/2000/svg"}  # a name space, not an address that is loaded
