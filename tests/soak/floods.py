"""Floods of connections, slow heads and endless chunks; others must be answered within a second."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from server_processes import Server, answers
from soak.site import attacked, make_site, resident_mebibytes

LONGEST_SECONDS: Final = 1.0
"""Others may wait so long on a machine that has nothing else to do."""
HEAD: Final = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX: "
BODY: Final = (
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{"
)
CHUNKED: Final = (
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@contextmanager
def many_connections(port: int, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that begin alike and go no further."""
    opened = []
    try:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            opened.append(connection)
            with contextlib.suppress(OSError):
                connection.sendall(first)
        yield opened
    finally:
        for connection in opened:
            connection.close()


@contextmanager
def drip(opened: list[socket.socket], piece: bytes) -> Iterator[None]:
    """Send a small piece on every connection, again and again."""
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            for connection in opened:
                with contextlib.suppress(OSError):
                    connection.send(piece)
            ended.wait(0.05)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def slowest_reply(port: int, count: int) -> float:
    """Ask again and again as somebody else; return the longest time to a reply."""
    longest = 0.0
    for _ in range(count):
        started = time.monotonic()
        assert answers(port), "no reply"
        longest = max(longest, time.monotonic() - started)
        time.sleep(0.02)
    return longest


def flood(
    folder: Path, connections: int, *, looks: int = 50, longest_seconds: float = LONGEST_SECONDS
) -> dict[str, object]:
    """Flood a server in four ways.

    Parameters
    ----------
    folder : Path
        Empty; the project is made there.
    connections : int
        At once, for each way; slow chunks come on at most 200.
    looks : int
        How often somebody else asks, during each way and after it.
    longest_seconds : float
        How long somebody else may wait for a reply; more on a busy machine.

    Returns
    -------
    dict
        The longest reply to others in ms, by way, during and after; and memory.
    """
    found: dict[str, object] = {"connections": connections}
    ways: dict[str, tuple[bytes, bytes | None]] = {
        "idle": (b"", None),
        "half a head": (HEAD, None),
        "slow heads": (HEAD, b"y"),
        "half a body": (BODY, None),
        "endless chunks": (CHUNKED, b"1\r\n \r\n"),
    }
    with attacked(make_site(folder)) as server:
        before = resident_mebibytes(server.pid)
        quiet = slowest_reply(server.port, looks)
        found["without a flood ms"] = round(1000 * quiet)
        for name, (first, piece) in ways.items():
            count = connections if piece is None else min(connections, 200)
            during, after = _one_way(server, count, first, piece, looks)
            assert max(during, after) < longest_seconds, (name, during, after, quiet)
            found[name] = {"during ms": round(1000 * during), "after ms": round(1000 * after)}
        found["MiB before"] = round(before, 1)
        found["MiB after"] = round(resident_mebibytes(server.pid), 1)
    return found


def _one_way(
    server: Server, count: int, first: bytes, piece: bytes | None, looks: int
) -> tuple[float, float]:
    """Longest replies to others during one way of flooding, and after it."""
    dripping: Callable[[list[socket.socket]], contextlib.AbstractContextManager[None]] = (
        (lambda _: contextlib.nullcontext()) if piece is None else (lambda all_: drip(all_, piece))
    )
    with many_connections(server.port, count, first) as opened, dripping(opened):
        during = slowest_reply(server.port, looks)
    after = slowest_reply(server.port, looks)
    return during, after
