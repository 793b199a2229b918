"""A real HTTP server on this machine that serves one file, and misbehaves on demand."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """The file and how it is served; may be changed between requests.

    `breaks` holds, for each coming request, after how many bytes of the body the connection is
    cut; `statuses` the error that it is answered with instead.
    """

    content: bytes
    version: str | None = '"v1"'
    supports_ranges: bool = True
    states_length: bool = True
    breaks: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    content_range: str | None = None
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """Serve at `served.url` while the block runs."""

    class Handler(_Handler):
        file = served

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}/file.zip"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    file: Served

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        """Answer with the file, a part of it, or an error."""
        file = self.file
        file.requests.append(dict(self.headers))
        if file.statuses:
            self.send_error(file.statuses.pop(0))
            return
        start = self._start()
        if start is not None and start >= len(file.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(file.content)}")
            self.end_headers()
            return
        self._send_headers(start)
        body = file.content[start or 0 :]
        self.wfile.write(body[: file.breaks.pop(0)] if file.breaks else body)

    def _send_headers(self, start: int | None) -> None:
        file = self.file
        size = len(file.content)
        self.send_response(200 if start is None else 206)
        if start is not None:
            stated = file.content_range or f"bytes {start}-{size - 1}/{size}"
            self.send_header("Content-Range", stated)
        if file.states_length:
            self.send_header("Content-Length", str(size - (start or 0)))
        if file.version is not None:
            self.send_header("ETag", file.version)
        self.end_headers()

    def _start(self) -> int | None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") == self.file.version
        return int(asked[1]) if asked and same and self.file.supports_ranges else None
