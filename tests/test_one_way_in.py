"""Answers have one way into the store, so an open page hears of each, whoever gives it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import askmask.serve.web.events as events_module
from askmask.config import Config
from askmask.data.rasters import encode_mask
from askmask.errors import ShapeError
from askmask.formats.names import region_name
from askmask.loop.exchange import import_answers
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.records import Answer, Mask, Region
from askmask.serve.web.events import Watcher
from askmask.store.work_records import ItemState
from served import SIDE, make_project

Build = Callable[..., Config]
Give = Callable[[Project, Path], None]


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        yield project


def labels(value: int) -> np.ndarray:
    return np.full((SIDE, SIDE), value, np.int16)


def answer(project: Project, rank: int, value: int = 1, author: str = "script") -> Answer:
    region = project.store.worklist.item(1, rank).item.region
    return Answer(region, Mask(labels(value)), 1, author, "python")


def by_the_page(project: Project, _: Path) -> None:
    project.store.worklist.give(2, answer(project, 2, author="Ada"), client_id="page-page")


def by_the_loop(project: Project, _: Path) -> None:
    assert Loop(project).tell([answer(project, 2)]) == 1


def by_an_import(project: Project, folder: Path) -> None:
    item = project.store.worklist.item(1, 2)
    files = folder / "files"
    files.mkdir()

    name = region_name(1, item.item)
    (files / f"{name}.png").write_bytes(encode_mask(labels(1)))
    assert import_answers(project, files, format_name="png", author="Grace").kept == 1


def told(project: Project, change: Callable[[], None]) -> list[tuple[str, object]]:
    """What an open page is sent while a change is made."""
    seen: list[tuple[str, object]] = []

    async def listen() -> None:
        watcher = Watcher(project.store)
        watching = asyncio.create_task(watcher.watch())
        async for text in events_module.stream(watcher, None):
            fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
            seen.append((fields["event"], json.loads(fields["data"])))
            if fields["event"] == "worker" and len(seen) == 2:
                change()
            elif len(seen) > 2:
                await watcher.close()
        watching.cancel()

    asyncio.run(asyncio.wait_for(listen(), 60))
    return seen[2:]


@pytest.mark.parametrize("give", [by_the_page, by_the_loop, by_an_import])
def test_open_page_hears_of_an_answer_at_once(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, give: Give
) -> None:
    monkeypatch.setattr(events_module, "LOOK_SECONDS", 0.01)

    seen = told(project, lambda: give(project, tmp_path))

    assert seen == [("items", {"items": [[1, 2]]})]
    assert project.store.worklist.item(1, 2).state is ItemState.LABELS


def test_open_page_hears_of_labels_that_nobody_was_asked_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "LOOK_SECONDS", 0.01)
    whole = project.images[project.roles.pool[-1]].whole
    mask = Mask(np.zeros((whole.height, whole.width), np.int16))

    seen = told(project, lambda: project.store.add_answer(Answer(whole, mask, 1, "x", "import")))

    assert seen == [("rounds", {})]


def test_import_that_did_not_know_of_an_answer_on_the_page_is_a_conflict(
    project: Project, tmp_path: Path
) -> None:
    project.store.worklist.give(2, answer(project, 2, 0, "Ada"), client_id="page-page")

    by_an_import(project, tmp_path)

    item = project.store.worklist.item(1, 2)
    assert item.is_conflict
    assert item.newest is not None
    assert (item.newest.author, item.newest.base, item.answers) == ("Grace", None, 2)


def test_script_that_corrects_its_own_answer_is_no_conflict(project: Project) -> None:
    loop = Loop(project)
    loop.tell([answer(project, 2, 0)])
    first = project.store.newest_answer()

    loop.tell([answer(project, 2, 1)])

    newest = project.store.worklist.item(1, 2).newest
    assert newest is not None
    assert (newest.is_conflict, newest.base) == (False, first)


def test_answer_of_a_script_gives_its_own_lease_back(project: Project) -> None:
    project.store.worklist.lease(1, 2, "script")
    project.store.worklist.lease(1, 1, "script")

    Loop(project).tell([answer(project, 2)])

    assert project.store.worklist.item(1, 2).lease is None
    assert project.store.worklist.item(1, 1).lease is not None


def test_answer_beyond_the_image_tells_nobody(project: Project) -> None:
    before = project.store.control.newest_event()
    region = Region(project.roles.pool[0], 60, 0, SIDE, SIDE)

    with pytest.raises(ShapeError, match="expected a region inside image"):
        project.store.add_answer(Answer(region, Mask(labels(1)), 1, "x", "y"))

    assert project.store.control.newest_event() == before
    assert project.store.newest_answer() == 0
