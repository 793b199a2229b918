"""Connections of the server: a bounded number, and idle ones give way to new ones.

A server runs out of file descriptors long before it runs out of memory. So the number of open
connections has a bound below the bound on descriptors; a new one takes the place of the one that
has been idle longest; and a connection whose request does not come is closed.
"""

import asyncio
import logging
import resource
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
"""How long the head of a request may take to come, after the connection or the reply before."""
MOST_CONNECTIONS: Final = 512
SPARE_DESCRIPTORS: Final = 96
"""Descriptors for the database, images, static files and the worker's pipe."""

_log = logging.getLogger(__name__)


class BoundedProtocol(H11Protocol):
    """HTTP on one connection, that ends when it is idle and its place is needed."""

    _open: "dict[BoundedProtocol, None]" = {}  # noqa: RUF012 - of the process, by what they wait since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, if need be that of the connection that has been idle longest."""
        super().connection_made(transport)
        self._waits: asyncio.TimerHandle | None = None
        self._open[self] = None
        if len(self._open) > most_connections():
            self._make_room()
        self._wait_for_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._open.pop(self, None)
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read what came; a request that is whole is no longer waited for."""
        super().handle_events()
        if not self._is_idle:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the next request, as for the first."""
        super().on_response_complete()
        if self._is_idle and not self.transport.is_closing():
            self._open[self] = self._open.pop(self, None)  # the last of those that are idle
            self._wait_for_a_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; a request that it was to be the body of gets no other reply."""
        cycle = self.cycle
        if not self._is_idle:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.abort()
                return
        super().send_400_response(msg)

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def is_waiting(self) -> bool:
        """Whether it is the client's turn: nothing was asked, or not all of it came yet."""
        return self._is_idle or self.cycle.more_body

    def _make_room(self) -> None:
        """Close the connection that has waited longest, or this one if all others have work."""
        others = (other for other in self._open if other is not self)
        next((other for other in others if other.is_waiting), self).give_way()

    def _wait_for_a_head(self) -> None:
        self._stop_waiting()
        self._waits = self.loop.call_later(HEAD_SECONDS, self._close_if_idle)

    def _stop_waiting(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    def _close_if_idle(self) -> None:
        if self._is_idle:
            self.give_way()

    def give_way(self) -> None:
        """Close, whatever the client is about to send."""
        self._open.pop(self, None)
        self.transport.abort()


def most_connections() -> int:
    """Connections that may be open at once in this process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(8, min(MOST_CONNECTIONS, soft - SPARE_DESCRIPTORS))


def log_complaint(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Note in a line what asyncio complains of; its own handler may raise, and end the loop."""
    # Any: whatever asyncio puts into a context
    _log.warning("%s", context.get("message", "a connection failed"))
