"""Server-sent events: what changed in the store, told to every open page as it happens.

One watcher looks into the store a few times a second, however many pages listen. A page
that missed events gets them again; one that missed too many is told to fetch everything.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from askmask.errors import StoreError
from askmask.serve.web.desk import Somebody, TheDesk
from askmask.serve.web.problems import Problem
from askmask.serve.web.status import worker_tree
from askmask.store.mailbox import Event
from askmask.store.store import Store

router = APIRouter(tags=["events"])

LOOK_SECONDS: Final = 0.25
ALIVE_SECONDS: Final = 5.0
"""How often a page hears that its stream lives, and how long a stream outlives its session."""
MOST_LISTENERS: Final = 200
MOST_EVENTS: Final = 1000
"""So many missed events are sent again; more are a reason to fetch everything."""

_log = logging.getLogger(__name__)


class Watcher:
    """Watches a store and wakes its listeners; lives as long as the server.

    Attributes
    ----------
    newest : int
        Number of the newest event seen.
    worker : dict
        What the worker did when it was looked at last.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = asyncio.Condition()
        self.newest = store.control.newest_event()
        self.worker: dict[str, Any] = worker_tree(store)  # Any: what JSON holds
        self.listeners = 0
        self.is_closing = False

    async def watch(self) -> None:
        """Look until cancelled; a store that cannot be read now is read the next time."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                seen = await run_in_threadpool(self._look)
            except StoreError as error:
                _log.warning("events wait: %s", error)
                continue
            if seen != (self.newest, self.worker):
                async with self._changed:
                    self.newest, self.worker = seen
                    self._changed.notify_all()

    async def close(self) -> None:
        """Let every stream end."""
        async with self._changed:
            self.is_closing = True
            self._changed.notify_all()

    async def wait(self, newest: int, worker: dict[str, Any]) -> bool:
        """Wait for something new, at most `ALIVE_SECONDS`; tell whether there is."""
        try:
            async with asyncio.timeout(ALIVE_SECONDS), self._changed:
                # A stream may have read events that the watcher has not seen: it is then ahead.
                await self._changed.wait_for(
                    lambda: self.is_closing or self.newest > newest or self.worker != worker
                )
        except TimeoutError:
            return False
        return True

    def events(self, after: int) -> tuple[Event, ...]:
        """Events above a number, at most `MOST_EVENTS` + 1."""
        return self._store.control.events(after, MOST_EVENTS + 1)

    def _look(self) -> tuple[int, dict[str, Any]]:
        return self._store.control.newest_event(), worker_tree(self._store)


@router.get("/events", response_class=StreamingResponse)
async def stream_events(
    request: Request,
    desk: TheDesk,
    _: Somebody,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> StreamingResponse:
    """Stream hello, items, query, rounds, worker and reload as server-sent events."""
    watcher: Watcher = request.app.state.watcher
    if watcher.listeners >= MOST_LISTENERS:
        raise Problem(503, "busy", f"expected at most {MOST_LISTENERS} open pages, got more.")
    told = last_event_id or ""
    after = int(told) if told.isascii() and told.isdigit() else None
    headers, cookie = request.headers, request.cookies.get(desk.cookie, "")
    told_to = stream(watcher, after, lambda: desk.person(headers, cookie) is not None)
    return StreamingResponse(
        told_to,
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would gather events before it passes them on
    )


async def stream(
    watcher: Watcher, after: int | None, may_listen: Callable[[], bool] = lambda: True
) -> AsyncIterator[str]:
    """Events of a store as server-sent text, from the one after a number.

    It ends with the watcher, or soon after `may_listen` is false: a session or its token may end
    while a page is open.
    """
    watcher.listeners += 1
    checked = time.monotonic()
    try:
        position = watcher.newest if after is None else min(after, watcher.newest)
        worker: dict[str, Any] = {}
        yield _message("hello", {"change": position}, position)
        while not watcher.is_closing:
            newest, present = watcher.newest, watcher.worker
            if newest > position:
                events = await run_in_threadpool(watcher.events, position)
                position = max(newest, *(event.number for event in events))
                for name, tree in summed_up(events):
                    yield _message(name, tree, position)
            if present != worker:
                worker = present
                yield _message("worker", worker, position)
            if not await watcher.wait(position, worker):
                yield ": alive\n\n"
            if time.monotonic() - checked >= ALIVE_SECONDS:
                checked = time.monotonic()
                if not await run_in_threadpool(may_listen):
                    return
    finally:
        watcher.listeners -= 1


def summed_up(events: Iterable[Event]) -> list[tuple[str, dict[str, object]]]:
    """Messages that tell of some events, each change once."""
    known = tuple(events)
    if len(known) > MOST_EVENTS:
        return [("reload", {})]
    items = sorted({(e.round, e.rank) for e in known if e.kind == "item" and e.rank is not None})
    messages: list[tuple[str, dict[str, object]]] = []
    if items:
        messages.append(("items", {"items": [list(place) for place in items]}))
    queries = sorted({event.round for event in known if event.kind == "query"})
    messages += [("query", {"round": round}) for round in queries]
    if any(event.kind == "rounds" for event in known):
        messages.append(("rounds", {}))
    return messages


def _message(name: str, tree: object, number: int) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(tree)}\n\n"
