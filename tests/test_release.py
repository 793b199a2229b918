"""What a release ships beside the package says what the package does."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from askmask import __version__
from askmask.cli.main import app

ROOT = Path(__file__).parents[1]


def test_citation_names_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    assert citation["version"] == __version__
    assert citation["license"] == "Apache-2.0"


def test_container_serves_by_options_that_exist() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    options = {word for word in compose["services"]["page"]["command"] if word.startswith("--")}
    options |= set(re.findall(r"--[a-z-]+", dockerfile.rpartition("CMD")[2]))

    shown = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200"}).output

    assert options >= {"--host"}
    assert {option for option in options if option not in shown} == set()


def test_container_runs_as_nobody_special_and_is_looked_after() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert re.search(r"^USER 1000:1000$", dockerfile, re.MULTILINE)
    assert "HEALTHCHECK" in dockerfile
    assert "VOLUME /project" in dockerfile


@pytest.mark.parametrize("path", sorted((ROOT / "changelog.d").glob("*.md")), ids=lambda p: p.name)
def test_fragment_of_the_changelog_has_a_kind_and_a_text(path: Path) -> None:
    assert re.fullmatch(r"[0-9]+\.([a-z-]+\.)?(feature|fix)\.md", path.name)
    assert path.read_text(encoding="utf-8").strip()


def test_changelog_tells_of_the_version_of_the_package() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(rf"^## {re.escape(__version__)}, \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)
