"""Checks before every route: foreign hosts and origins, bodies that are too large, safe headers.

A page of another site must reach nothing here: not by a form (Origin), not by a name that it
points at this machine (Host), not by an image tag (Sec-Fetch-Site), not in a frame (CSP).
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from askmask.serve.address import is_loopback
from askmask.serve.web.problems import problem_page, problem_reply, wants_page

Message = MutableMapping[str, Any]  # Any: ASGI's messages hold values of every kind
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES: Final = 8 * 2**20
"""The largest body of any route: an answer, what Label Studio sends, a part of an upload."""
SMALL_BODY_BYTES: Final = 4096
"""What a stranger may send, and what routes need that take no labels."""
LARGE_BODIES: Final = ("/answers", "/spread", "/label-studio/", "/uploads/")
"""Parts of the paths that take `MAX_BODY_BYTES`."""
MIDDLE_BODIES: Final = ("/agree", "/checks", "/classes", "/projects/new")
MIDDLE_BODY_BYTES: Final = 2**20
HELD_BODY_BYTES: Final = 64 * 2**20
"""What all bodies together may take that are held at one time."""
BODY_SECONDS: Final = 30.0
"""How long a body may take to come: an answer is small."""
SMALL_BODY_SECONDS: Final = 5.0
MOST_PARTS: Final = 4096
"""In how many parts a body may come: a byte at a time keeps the server from others."""

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; font-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware; lets a request through only if nothing is wrong with it.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    hosts : frozenset of str
        Names by which this server may be called.
    any_address : bool
        Whether any IP address will do as well: a name that an attacker points here is no address.
    is_known : callable, optional
        Whether a request with these headers comes from somebody who may send a large body; called
        in a thread. Nobody's large body is read before it says so. By default everybody is known.
    """

    def __init__(
        self,
        app: App,
        *,
        hosts: frozenset[str],
        any_address: bool = False,
        is_known: Callable[[dict[str, str]], bool] = lambda _: True,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._any_address = any_address
        self._is_known_person = is_known
        self._held_bytes = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_headers(send)
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        if scope["method"] == "HEAD":  # as GET, without the body
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        refusal = self._refusal(scope, headers) or await self._refused_size(scope, headers)
        if refusal is not None:
            status, code, message = refusal
            if wants_page(scope["method"], scope["path"], headers):
                await problem_page(status, message)(scope, receive, send)
            else:
                await problem_reply(status, code, message)(scope, receive, send)
            return
        body = await self._whole_body(_largest(scope["path"]), receive)
        if not isinstance(body, bytes):
            await problem_reply(*body)(scope, receive, send)
            return
        try:
            await self._app(scope, _replayed(body, receive), send)
        finally:
            self._held_bytes -= len(body)

    def _refusal(self, scope: Message, headers: dict[str, str]) -> tuple[int, str, str] | None:
        host = headers.get("host", "")
        if not self._is_known(host):
            message = (
                f"expected this server under one of {sorted(self._hosts)!r}, got {host!r}. "
                "Start it with --allow-host NAME if that is its name."
            )
            return (403, "bad_host", message)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            message = (
                f"expected a request of this page at {host!r}, got one of {origin!r}. If that is "
                "its address, a proxy changes the header Host: let it pass on the browser's."
            )
            return (403, "bad_origin", message)
        site = headers.get("sec-fetch-site", "none")
        is_visit = scope["method"] == "GET" and not scope["path"].startswith("/api/")
        if site not in {"same-origin", "none"} and not is_visit:
            return (403, "bad_origin", f"expected a request of this page, got a {site} one.")
        return None

    async def _refused_size(
        self, scope: Message, headers: dict[str, str]
    ) -> tuple[int, str, str] | None:
        """Why a body is refused before any of it is read."""
        told = headers.get("content-length", "0")
        if not (told.isascii() and told.isdigit() and len(told) < 20):
            return (400, "bad_request", f"expected a length, got Content-Length: {told[:40]!r}.")
        most = _largest(scope["path"])
        if int(told) > most:
            return (413, "too_large", f"expected at most {most} bytes here, got {told}.")
        may_be_large = int(told) > SMALL_BODY_BYTES or "transfer-encoding" in headers
        if may_be_large and not await asyncio.to_thread(self._is_known_person, headers):
            message = "expected a session or a token before a large body, got none that stands."
            return (401, "no_session", message)
        return None

    async def _whole_body(self, most: int, receive: Receive) -> bytes | tuple[int, str, str]:
        """Body of a request, or why it is refused; its bytes count as held until it is served."""
        parts: list[bytes] = []
        size = 0
        seconds = SMALL_BODY_SECONDS if most <= SMALL_BODY_BYTES else BODY_SECONDS
        refusal = (408, "too_slow", f"expected the body within {seconds:.0f} s. Send it again.")
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        refusal = (400, "bad_request", "expected a whole body; the client left.")
                        break
                    part = message.get("body", b"")
                    parts.append(part)
                    size += len(part)
                    self._held_bytes += len(part)
                    if size > most:
                        refusal = (413, "too_large", f"expected at most {most} bytes, got more.")
                        break
                    if self._held_bytes > HELD_BODY_BYTES:
                        refusal = (503, "busy", "expected fewer answers at once. Send it again.")
                        break
                    if len(parts) > MOST_PARTS:
                        refusal = (400, "bad_request", "expected the body in fewer, larger parts.")
                        break
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            pass
        self._held_bytes -= size
        return refusal

    def _is_known(self, host: str) -> bool:
        name = _host_name(host)
        if name in self._hosts:
            return True
        if not self._any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def known_hosts(bound: str, allowed: tuple[str, ...]) -> frozenset[str]:
    """Names by which a server bound to an address may be called."""
    names = {name.lower() for name in allowed} | LOOPBACK_NAMES
    if not is_loopback(bound):
        names |= {bound.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(names)


def _host_name(host: str) -> str:
    """Name in a Host header, in lower case, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()


def _largest(path: str) -> int:
    """Bytes that the route of a path needs at most."""
    if any(part in path for part in LARGE_BODIES):
        return MAX_BODY_BYTES
    return MIDDLE_BODY_BYTES if path.endswith(MIDDLE_BODIES) else SMALL_BODY_BYTES


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give the body out once, then whatever else comes."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _without_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending


def _with_headers(send: Send) -> Send:
    safe = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            if b"cache-control" not in names:
                given.append((b"cache-control", b"no-store"))
            message = {**message, "headers": given + safe}
        await send(message)

    return sending
