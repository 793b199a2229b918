"""Hostile requests on sockets: every route, good and mutated bodies, and what is no HTTP at all."""

import contextlib
import json
import random
import re
import socket
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from people import API, KEY
from served import app_of
from server_processes import wait_for
from soak.site import attacked, make_site, resident_mebibytes

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
MOST_GROWTH_MIB: Final = 120.0
"""Memory that the allocator may keep after the first tenth of the requests."""
SLOW_SECONDS: Final = 5.0

STRANGE: Final[list[Any]] = [
    *(None, True, 0, 1, -1, 10**20, -(10**20), 1e308, 0.5, "", "x", "2", "a" * 5000, "\u202e\x1b"),
    *("/etc/passwd", "../../x", "<script>", "=1+1", [], {}, [[]], [None], {"x": []}, [1] * 3000),
    *([-1, 5], [0, 10**12], [1, 576], [1, 575], [2, 576], [0, 1] * 300, "NaN", "\x00", "é" * 70),
]
PIECES: Final = (
    *("0", "1", "2", "-1", "99999999999999999999", "x", "%00", "..", "%2e%2e%2f", "train_0"),
    *("a" * 3000, "%F0%9F%92%A9", "1%0d%0aX: y", "*", "1e3", "\u0661"),
)
HEADS: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3,
    b"GET / HTTP/0.9\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 6\r\n\r\n{}",
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n{}",
    b"POST /api/v1/session HTTP/1.1\r\nHost: evil\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%ff%fe?\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a=b; " * 3000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-,5-1,9999999999-\r\n\r\n",
    b"\r\n" * 1000,
    b"\x00" * 2000,
)


def routes() -> list[tuple[str, str]]:
    """Method and path of every route of the server, the ones outside the API included."""
    found = [("GET", "/"), ("GET", "/static/main.js"), ("GET", "/static/../../askmask.db")]
    waiting = list(app_of("127.0.0.1").routes)
    while waiting:
        route = waiting.pop()
        waiting += getattr(route, "routes", None) or []
        path = str(getattr(route, "path", ""))
        found += [(method, path) for method in sorted(getattr(route, "methods", None) or ())]
    for path, operations in app_of("127.0.0.1").openapi()["paths"].items():
        found += [(method.upper(), path) for method in operations]
    return sorted({pair for pair in found if not pair[1].endswith("/events")})


def bodies() -> list[Any]:
    """Bodies that some route takes, to be mutated."""
    answer = {"id": "soak-000001", "kind": "labels", "runs": [1, 256], "seconds": 1.5}
    result = {
        "id": "r",
        "type": "polygonlabels",
        "original_width": 96,
        "original_height": 96,
        "value": {"points": [[0, 0], [50, 0], [50, 50]], "polygonlabels": ["disc"]},
    }
    annotation = {"id": 1, "result": [result], "completed_by": {"email": "a@b.c"}}
    task = {"id": 1, "data": {"image": "x", "askmask": "round_001_0000"}}
    return [
        answer | {"tool": "brush", "base": None},
        {"name": "Ada", "key": KEY},
        {"name": "Ada", "token": "x"},
        {"after": {"round": 1, "rank": 0}},
        {"command": "train"},
        {"command": "ask", "acquisition": "random"},
        {"command": "resume"},
        {"items": [[1, 0], [1, 1]], "ids": ["a", "b"]},
        {"answers": [answer]},
        {"action": "ANNOTATION_CREATED", "task": task, "annotation": annotation},
        {"tasks": [task], "label_config": "<View></View>", "project": "1.2"},
    ]


def mutated(chance: random.Random, tree: Any) -> Any:
    """Return the tree with one strange value, one entry gone, or one entry more."""
    fresh = json.loads(json.dumps(tree))
    places = list(_places(fresh))
    if not places:
        return chance.choice(STRANGE)
    holder, key = chance.choice(places)
    what = chance.random()
    if what < 0.7:
        holder[key] = chance.choice(STRANGE)
    elif what < 0.85:
        del holder[key]
    elif isinstance(holder, dict):
        holder[chance.choice(["x", "__proto__", "id", "name" * 50])] = chance.choice(STRANGE)
    else:
        holder += [holder[0]] * chance.choice((1, 100))
    return fresh


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    pairs = (
        tree.items() if isinstance(tree, dict) else enumerate(tree) if type(tree) is list else ()
    )
    for key, part in pairs:
        yield tree, key
        yield from _places(part)


class Attacker:
    """Sends requests over one connection after another, and keeps what came back.

    Attributes
    ----------
    replies : Counter
        How often each status came; 0 for a connection that was closed without one.
    seconds : list of float
        How long each reply took.
    """

    def __init__(self, port: int, seed: int) -> None:
        self._port = port
        self._chance = random.Random(seed)
        self._routes = routes()
        self._bodies = bodies()
        self._cookie = ""
        self.replies: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.bad: list[str] = []

    def attack(self, count: int) -> None:
        """Send so many requests."""
        for number in range(count):
            if number % 25 == 0:  # some requests end the session
                self._log_in()
            is_raw = number % 20 == 0
            raw = self._chance.choice(HEADS) if is_raw else self._request()
            started = time.monotonic()
            # what is no request, or half of one, may get no reply for as long as a head may take
            status = self.send(raw, patience_seconds=0.3 if is_raw else 60.0)
            taken = time.monotonic() - started
            self.replies[status] += 1
            self.seconds.append(taken)
            if status >= 500 or taken > SLOW_SECONDS:
                self.bad.append(f"{status} after {taken:.1f} s: {raw[:600]!r}")

    def _log_in(self) -> None:
        body = json.dumps({"name": "Ada", "key": KEY}).encode()
        reply = self._exchange(_post("POST", f"{API}/session", body, ""))
        found = re.search(rb"(?i)set-cookie: ([^;]+);", reply)
        self._cookie = found.group(1).decode() if found else ""

    def _request(self) -> bytes:
        chance = self._chance
        method, path = chance.choice(self._routes)
        path = re.sub(r"\{[^}]*\}", lambda _: chance.choice(PIECES), path)
        if chance.random() < 0.15:
            method = chance.choice(METHODS)
        if chance.random() < 0.2:
            path += f"?{chance.choice(('limit', 'after', 'round', 'x'))}={chance.choice(PIECES)}"
        body = b""
        if method not in {"GET", "HEAD"}:
            tree = chance.choice(self._bodies)
            for _ in range(chance.choice((0, 1, 1, 3))):
                tree = mutated(chance, tree)
            body = json.dumps(tree).encode("utf-8", "surrogatepass")
            if chance.random() < 0.1:
                body = bytearray(body)
                body[chance.randrange(len(body))] = chance.randrange(256)
                body = bytes(body)
        cookie = self._cookie if chance.random() < 0.8 else chance.choice(("", "askmask=x"))
        return _post(method, path, body, cookie)

    def send(self, raw: bytes, *, patience_seconds: float = 60.0) -> int:
        """Send a request; return the status of the reply, 0 without one."""
        found = re.match(rb"HTTP/1\.[01] (\d{3})", self._exchange(raw, patience_seconds))
        return int(found.group(1)) if found else 0

    def _exchange(self, raw: bytes, patience_seconds: float = 60.0) -> bytes:
        address = ("127.0.0.1", self._port)
        with socket.create_connection(address, timeout=patience_seconds) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(raw)
            parts = []
            with contextlib.suppress(OSError):
                while part := connection.recv(65536):
                    parts.append(part)
        return b"".join(parts)


def _post(method: str, path: str, body: bytes, cookie: str) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *([f"Cookie: {cookie}"] if cookie else []),
    ]
    return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body


def attack_with_requests(
    folder: Path, count: int, *, seed: int = 0, with_worker: bool = False
) -> dict[str, object]:
    """Send hostile requests to a server.

    Parameters
    ----------
    folder : Path
        Empty; the project is made there.
    count : int
        How many.
    seed : int
        Another one sends others.
    with_worker : bool
        Whether a worker trains and asks meanwhile.

    Returns
    -------
    dict
        Replies by status, seconds, and MiB of the server before and after.

    Raises
    ------
    AssertionError
        At a reply of 5xx, a traceback, a reply after more than `SLOW_SECONDS`, or memory that
        grows.
    """
    root = make_site(folder)
    with attacked(root, with_worker=with_worker) as server:
        attacker = Attacker(server.port, seed)
        attacker.attack(count // 10)
        before = resident_mebibytes(server.pid)
        attacker.attack(count - count // 10)
        after = resident_mebibytes(server.pid)
        assert attacker.bad == [], attacker.bad[:5]
        assert attacker.replies[200] > count // 100, attacker.replies
        assert after - before < MOST_GROWTH_MIB, (before, after)
        wait_for(lambda: attacker.send(_post("GET", f"{API}/health", b"", "")) == 200, 5)
    quantiles = statistics.quantiles(attacker.seconds, n=1000)
    return {
        "requests": sum(attacker.replies.values()),
        "with worker": with_worker,
        "replies": dict(sorted(attacker.replies.items())),
        "replies of 5xx": 0,
        "median ms": round(1000 * statistics.median(attacker.seconds), 1),
        "99.9 % ms": round(1000 * quantiles[-1], 1),
        "largest ms": round(1000 * max(attacker.seconds)),
        "MiB before": round(before, 1),
        "MiB after": round(after, 1),
    }
