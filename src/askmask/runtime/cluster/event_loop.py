"""The event loop that Dask works in, in a thread of ours: nothing of it ends by a clock."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tornado.ioloop import IOLoop

_logger = logging.getLogger(__name__)
_END_SECONDS: Final = 120.0  # so long may tasks take that are cancelled at the end


@contextmanager
def running_loop() -> Iterator[IOLoop]:
    """Context with an event loop that runs in a thread of its own.

    Dask starts one itself, but gives it ten seconds to begin and ten to end, and raises what no
    caller expects. On a machine whose processors are all at work, cancelling the nanny of a worker
    that is just starting takes longer than that.
    """
    found: list[IOLoop] = []
    has_begun = threading.Event()
    ending = asyncio.Event()

    async def work() -> None:
        found.append(IOLoop.current())
        has_begun.set()
        await ending.wait()

    thread = threading.Thread(
        target=asyncio.run, args=(work(),), name="askmask-cluster", daemon=True
    )
    thread.start()
    has_begun.wait()
    loop = found[0]
    try:
        yield loop
    finally:
        loop.add_callback(ending.set)
        thread.join(_END_SECONDS)
        if thread.is_alive():
            _logger.warning("Dask did not end within %.0f s; this is left behind.", _END_SECONDS)
