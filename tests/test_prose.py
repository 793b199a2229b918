"""The documentation: lines that fit, links that lead somewhere, names that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from askmask.config import Config
from askmask.config.retired import RETIRED

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "askmask"
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")],
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"(?:[\w.-]+/)*[\w-]+\.(?:py|js|cpp|css|j2)")
DATA_FILES = (".yaml", ".html", ".json", ".csv", ".db")
FOLDER = re.compile(r"(?:[a-z_]+/)+")
DOTTED = re.compile(r"[a-z_]+(?:\.\w+)+")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose_lines(page: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are neither code nor table."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.lstrip().startswith("|") and not line.startswith("    "):
            yield number, line


def text_without_fences(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_without_fences(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def leads(page: Path, target: str) -> bool:
    """Whether a relative link of `page` names a file, and a heading in it where it names one."""
    file, _, heading = target.partition("#")
    linked = (page.parent / file).resolve() if file else page
    return linked.exists() and (not heading or heading in anchors(linked))


def names_in_code(page: Path) -> list[str]:
    return CODE.findall(text_without_fences(page))


def ends_of_files() -> set[str]:
    """Each file of the repository by every end of its path: `loop/ask.py`, `ask.py`."""
    ends: set[str] = set()
    for top in ("src", "tests", "benchmarks", "examples", "docs"):
        for file in (ROOT / top).rglob("*"):
            parts = file.relative_to(ROOT).parts
            ends.update("/".join(parts[first:]) for first in range(len(parts)))
    return ends | {file.name for file in ROOT.iterdir()}


def is_folder_of_ours(name: str) -> bool:
    places = {place.name for place in PACKAGE.iterdir() if place.is_dir()}
    first = name.split("/", maxsplit=1)[0]
    if first in {"askmask", "src"} and "/" in name and " " not in name:
        return True
    return bool(FOLDER.fullmatch(name)) and first in places | {"tests", "docs"}


def is_dotted_name_of_ours(name: str) -> bool:
    """Whether a name reads like `training.steps` or `loop.oracle`, and not like a file's."""
    places = {place.stem for place in PACKAGE.iterdir()} | {"askmask"}
    first = name.split(".", maxsplit=1)[0]
    is_file = FILE.fullmatch(name) or name.endswith(DATA_FILES)
    return bool(DOTTED.fullmatch(name)) and first in places and not is_file


def is_python_name(dotted: str) -> bool:
    """Whether `loop.oracle.MaskOracle` is a module of the package, or stands in one."""
    place = PACKAGE
    names = dotted.removeprefix("askmask.").split(".")
    for position, name in enumerate(names):
        if (place / name).is_dir():
            place = place / name
        elif (place / f"{name}.py").is_file():
            return stands_in(place / f"{name}.py", names[position + 1 :])
        else:
            return stands_in(place / "__init__.py", names[position:])
    return True


def stands_in(module: Path, names: list[str]) -> bool:
    source = module.read_text(encoding="utf-8")
    return all(re.search(rf"\b{re.escape(name)}\b", source) for name in names)


def settings() -> set[str]:
    """Keys of a config file, `training.steps`, those of earlier versions included."""
    return set(keys_of(Config, "")) | {setting.key for setting in RETIRED}


def keys_of(section: type[BaseModel], above: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield above + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys_of(field.annotation, f"{above}{name}.")


def test_lines_of_prose_end_within_100_characters() -> None:
    too_long = [
        f"{page_id(page)}:{number}: {line}"
        for page in PAGES
        for number, line in prose_lines(page)
        if len(line) > 100 and " " in LINK.sub("link", line).strip()
    ]

    assert too_long == []


def test_relative_links_lead_to_files_and_headings() -> None:
    broken = [
        f"{page_id(page)}: {target}"
        for page in PAGES
        for target in LINK.findall(text_without_fences(page))
        if not target.startswith(("http://", "https://", "mailto:")) and not leads(page, target)
    ]

    assert broken == []


def test_files_and_folders_named_in_code_exist() -> None:
    known = ends_of_files()
    missing = [
        f"{page_id(page)}: {name}"
        for page in PAGES
        for name in names_in_code(page)
        if (FILE.fullmatch(name) or is_folder_of_ours(name)) and name.rstrip("/") not in known
    ]

    assert missing == []


def test_dotted_names_in_code_are_modules_or_settings() -> None:
    keys = settings()
    missing = [
        f"{page_id(page)}: {name}"
        for page in PAGES
        for name in names_in_code(page)
        if is_dotted_name_of_ours(name) and name not in keys and not is_python_name(name)
    ]

    assert missing == []


def test_index_names_every_page_of_the_documentation() -> None:
    docs = ROOT / "docs"
    linked = set(LINK.findall((docs / "README.md").read_text(encoding="utf-8")))
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} - {
        "README.md",
        "index.md",
    }
    pages = {page for page in pages if not page.startswith(("decisions/", "project/"))}

    assert sorted(pages - linked) == []


def test_contents_of_the_site_name_every_page_of_the_documentation() -> None:
    docs = ROOT / "docs"
    listed = set((docs / "index.md").read_text(encoding="utf-8").splitlines())
    pages = {page.relative_to(docs).with_suffix("").as_posix() for page in docs.rglob("*.md")}
    pages = {page for page in pages if not page.startswith("decisions/")} - {"README", "index"}

    assert sorted(pages - listed) == []


def test_architecture_names_every_place() -> None:
    named = set(names_in_code(ROOT / "docs" / "architecture.md"))
    folders = {file.parent.relative_to(PACKAGE) for file in PACKAGE.rglob("*.py")} - {Path()}
    modules = {file.stem for file in PACKAGE.glob("*.py")} - {"__init__"}
    unnamed = [
        folder.as_posix()
        for folder in folders
        if f"{folder.name}/" not in named
        and not any(name.startswith(f"{folder.as_posix()}/") for name in named)
    ]

    assert sorted(unnamed) == []
    assert sorted(modules - named) == []
