"""A stream of events waits for what is new, and only for that."""

import asyncio
from pathlib import Path

import pytest

from askmask.serve.web.events import Watcher, stream
from askmask.store.store import Store


def test_stream_that_read_further_than_the_watcher_looked_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askmask.serve.web.events.ALIVE_SECONDS", 0.05)

    async def waits() -> bool:
        watcher = Watcher(store)
        return await watcher.wait(watcher.newest + 1, watcher.worker)

    with Store(tmp_path / "askmask.db") as store:
        assert asyncio.run(waits()) is False


def test_stream_is_woken_by_a_newer_event(tmp_path: Path) -> None:
    async def waits() -> bool:
        watcher = Watcher(store)
        return await watcher.wait(watcher.newest - 1, watcher.worker)

    with Store(tmp_path / "askmask.db") as store:
        store.control.note("rounds", 1)
        assert asyncio.run(waits()) is True


def test_stream_ends_soon_after_its_person_may_no_longer_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askmask.serve.web.events.ALIVE_SECONDS", 0.05)
    allowed = [True, True, False]

    async def listen() -> list[str]:
        told_to = stream(Watcher(store), None, lambda: allowed.pop(0))
        return [text async for text in told_to]

    with Store(tmp_path / "askmask.db") as store:
        heard = asyncio.run(asyncio.wait_for(listen(), 30))
    assert allowed == []
    assert heard.count(": alive\n\n") == 3
