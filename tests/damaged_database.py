"""Damages copies of a database, byte by byte and block by block, and lets commands read them.

Used by the tests and by the campaign: anything but an answer or one sentence is a failure.
"""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from askmask.formats.by_name import FORMATS
from askmask.loop.exchange import export_project
from askmask.loop.project import Project

PAGE = 4096


def damages(original: bytes, seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of damaged copies: bytes changed, blocks gone, ends cut off."""
    chance = random.Random(seed)
    for number in range(count):
        content = bytearray(original)
        kind = ("bytes", "header", "block", "cut", "swapped")[number % 5]
        if kind == "bytes":
            for _ in range(chance.choice((1, 20, 400))):
                content[chance.randrange(len(content))] = chance.randrange(256)
        elif kind == "header":
            content[chance.randrange(100)] = chance.randrange(256)
        elif kind == "block":
            start = PAGE * chance.randrange(len(content) // PAGE)
            content[start : start + PAGE] = bytes(PAGE) if number % 2 else chance.randbytes(PAGE)
        elif kind == "cut":
            del content[chance.randrange(len(content)) :]
        else:
            first, second = (PAGE * chance.randrange(len(content) // PAGE) for _ in range(2))
            block = bytes(content[first : first + PAGE])
            content[first : first + PAGE] = content[second : second + PAGE]
            content[second : second + PAGE] = block
        yield f"{kind} {number}", bytes(content)


def damaged_project(root: Path, content: bytes) -> Path:
    """Copy a project with a damaged database, beside it: its images are found from there."""
    copy = root.with_name("damaged")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("askmask.db*"))
    (copy / "askmask.db").write_bytes(content)
    return copy


def read_everything(root: Path, out: Path) -> None:
    """Ask a project for everything that commands and the page show."""
    with Project.open(root) as opened:
        store = opened.store
        store.labelled_digest()
        for query in range(3):
            store.query(query)
        list(store.answers(all_kinds=True))
        store.worklist.items()
        store.worklist.history(limit=10)
        store.costs()
        store.trainings()
        store.control.commands(limit=-1)
        store.control.worker()
        opened.newest_training()
        export_project(opened, out, what="answers", format_name=min(FORMATS))
