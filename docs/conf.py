"""The documentation as a site: ``make docs`` builds it into docs/_build, without a network.

What can be read from the package is read from it: commands, settings and public names come from
directives, so that no page of reference can fall behind.
"""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from site_pages import commands, public_names, settings  # noqa: E402

from askmask import __version__  # noqa: E402

project = "askmask"
author = "The askmask maintainers"
copyright = "the askmask maintainers, Apache-2.0"  # noqa: A001 - Sphinx's name
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
root_doc = "index"
exclude_patterns = ["README.md", "_build", "site_pages"]  # index.md includes README.md
nitpicky = False
language = "en"

html_theme = "furo"
html_title = f"askmask {version}"
html_copy_source = False
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_typehints = "none"  # the docstrings state types in words, with shapes and units
autodoc_member_order = "bysource"
autodoc_default_options = {"undoc-members": False}

BESIDE = {
    "README.md": "index.md",
    "../README.md": "index.md",
    "../CONTRIBUTING.md": "project/contributing.md",
    "../SECURITY.md": "project/security.md",
    "../CHANGELOG.md": "project/changes.md",
    "../examples/README.md": "project/examples.md",
    "decisions": "decisions/index.md",
}
"""Files beside docs/ that are pages of the site, by their path from docs/."""

LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")
STAR = re.compile(r"(?<![\\*`\w])\*space")
INCLUDE = re.compile(r"```\{include\} (\S+)\n```")


def lead_to_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """Put in what a page includes, and let links to files beside docs/ lead to their pages.

    The Markdown of the repository stays as it is read there.
    """
    del app
    folder = Path(page).parent

    def included(match: re.Match[str]) -> str:
        path = os.path.normpath(folder / match[1])
        text = (DOCS / path).read_text(encoding="utf-8")
        return _with_links_from(text, written=Path(path).parent, read=folder)

    text = INCLUDE.sub(included, source[0])
    source[0] = _with_links_from(text, written=folder, read=folder)


def _with_links_from(text: str, *, written: Path, read: Path) -> str:
    """Relative links, as they were written in one folder of docs/, for a page of another."""

    def led(match: re.Match[str]) -> str:
        target = os.path.relpath(os.path.normpath(DOCS / written / match[2]), DOCS)
        heading = "" if target in BESIDE else match[3] or ""
        return f"{match[1]}{os.path.relpath(BESIDE.get(target, target), read)}{heading}{match[4]}"

    return LINK.sub(led, text)


def escape_stars(
    app: Sphinx, kind: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Keep the star of the shape `(C, *space)` from being read as emphasis."""
    del app, kind, name, thing, options
    lines[:] = [STAR.sub(r"\\*space", line) for line in lines]


class Generated(SphinxDirective):
    """A part of a page that is made from the package when the site is built."""

    makers: ClassVar[dict[str, Callable[[], str]]] = {
        "commands": commands.commands_markdown,
        "settings": settings.settings_markdown,
        "public-names": public_names.names_markdown,
    }
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Nodes of the Markdown that the maker of this name gives."""
        return self.parse_text_to_nodes(
            self.makers[self.arguments[0]](), allow_section_headings=True
        )


def setup(app: Sphinx) -> None:
    """Register what is special about this site."""
    app.add_directive("askmask", Generated)
    app.connect("source-read", lead_to_pages)
    app.connect("autodoc-process-docstring", escape_stars, priority=900)  # after numpydoc
