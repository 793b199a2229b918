"""The gate before every route: foreign hosts and origins, too large bodies, and safe headers.

A page of another site must reach nothing here: not by a form (Origin), not by a name that it
points at this machine (Host), not by an image tag (Sec-Fetch-Site), not in a frame (CSP).
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from askmask.serve.web.problems import problem_reply

Message = MutableMapping[str, Any]  # Any: ASGI's messages hold values of every kind
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES: Final = 8 * 2**20
BODY_SECONDS: Final = 30.0
"""How long a body may take to come: an answer is small."""

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
    """

    def __init__(self, app: App, *, hosts: frozenset[str], any_address: bool = False) -> None:
        self._app = app
        self._hosts = hosts
        self._any_address = any_address

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
        refusal = self._refusal(scope, headers)
        if refusal is None:
            body = await _whole_body(headers, receive)
            if isinstance(body, bytes):
                await self._app(scope, _replayed(body, receive), send)
                return
            refusal = body
        await problem_reply(*refusal)(scope, receive, send)

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
            return (403, "bad_origin", f"expected a request of this page, got one of {origin!r}.")
        site = headers.get("sec-fetch-site", "none")
        is_visit = scope["method"] == "GET" and not scope["path"].startswith("/api/")
        if site not in {"same-origin", "none"} and not is_visit:
            return (403, "bad_origin", f"expected a request of this page, got a {site} one.")
        return None

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


def is_loopback(bound: str) -> bool:
    """Whether only this machine can reach an address."""
    if bound.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(bound).is_loopback
    except ValueError:
        return False


def _host_name(host: str) -> str:
    """Name in a Host header, in lower case, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()


async def _whole_body(headers: dict[str, str], receive: Receive) -> bytes | tuple[int, str, str]:
    """Body of a request, or why it is refused."""
    too_large = (413, "too_large", f"expected at most {MAX_BODY_BYTES} bytes, got more.")
    told = headers.get("content-length", "0")
    if not told.isdigit():
        return (400, "bad_request", f"expected a length, got Content-Length: {told!r}.")
    if int(told) > MAX_BODY_BYTES:
        return too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return (400, "bad_request", "expected a whole body, but the client left.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BODY_BYTES:
                    return too_large
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        return (408, "too_slow", f"expected the body within {BODY_SECONDS:.0f} s. Send it again.")


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
