"""The blocks of code in README and docs: where they are and what they hold."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")]
    if "_build" not in page.parts
)
FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]+) -->\n)?^```(?P<language>sh|bash|python)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN = "not run: "


@dataclass(frozen=True)
class Block:
    """One block of code of a page.

    Attributes
    ----------
    page : str
        Path from the top of the repository.
    line : int
        Where the block begins, from 1.
    language : str
        ``"sh"``, ``"bash"`` or ``"python"``.
    text : str
        What is between the fences.
    reason : str or None
        Why it is not run, from the comment above it.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str | None

    @property
    def commands(self) -> list[list[str]]:
        """Words of each line of a shell block, comments left out and continued lines joined."""
        if self.language == "python":
            return []
        joined = self.text.replace("\\\n", " ").splitlines()
        split = (shlex.split(line, comments=True) for line in joined)
        return [words for words in split if words]


def blocks_of(page: Path) -> Iterator[Block]:
    """Blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        note = found["note"] or ""
        reason = note.removeprefix(NOT_RUN) if note.startswith(NOT_RUN) else None
        line = text.count("\n", 0, found.start("language")) + 1
        name = page.relative_to(ROOT).as_posix()
        yield Block(name, line, found["language"], found["text"], reason)


def all_blocks() -> list[Block]:
    """Blocks of every page."""
    return [block for page in PAGES for block in blocks_of(page)]
