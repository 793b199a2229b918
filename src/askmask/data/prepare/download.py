"""Fetching a file over HTTP: resumable, verified, and complete or absent."""

import hashlib
import http.client
import itertools
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from askmask.errors import DownloadError

_CHUNK_BYTES = 1 << 20
_TRANSIENT = (OSError, http.client.HTTPException)
_RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})

ProgressCallback = Callable[[int, int], None]
"""Called with (bytes so far, bytes in all); the latter is 0 where the server does not say."""


def download(
    url: str,
    target: Path,
    *,
    expected_bytes: int | None = None,
    sha256: str | None = None,
    progress: ProgressCallback | None = None,
    attempts: int = 4,
    wait_seconds: float = 2.0,
    timeout_seconds: float = 60.0,
) -> None:
    """Fetch a file.

    The content is collected in ``<target>.part``, verified, and renamed, so `target` is either
    whole or absent. A broken transfer goes on where it stopped, within a call and between calls:
    by HTTP Range if the server supports it and vouches that the file is still the same (ETag or
    Last-Modified), else from the beginning. A `target` that exists is verified and kept.

    Parameters
    ----------
    url : str
        Address, http or https.
    target : Path
        The file to make; its folder is made if absent.
    expected_bytes : int, optional
        Size that it must have; by default what the server states.
    sha256 : str, optional
        Checksum that it must have, in hexadecimal.
    progress : callable, optional
        Called with (bytes so far, bytes in all).
    attempts : int
        How often a transfer is begun before giving up.
    wait_seconds : float
        Pause before the second attempt; doubled for each further one.
    timeout_seconds : float
        How long the server may be silent.

    Raises
    ------
    DownloadError
        If the address is no http(s), the server refuses, the transfer keeps breaking, or the file
        is not what was expected. What came stays for the next call unless it is wrong.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError(f"expected an address with http or https, got {url!r}.")
    wanted = _Wanted(url, target, expected_bytes, sha256, timeout_seconds)
    if target.exists():
        wanted.verify(target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for attempt in itertools.count(1):
        try:
            _transfer(wanted, progress)
            break
        except _Broken as error:
            if attempt >= attempts:
                raise DownloadError(
                    f"the transfer of {url!r} broke {attempt} times ({error}). "
                    "Run the command again: it goes on where it stopped."
                ) from error
            time.sleep(wait_seconds * 2 ** (attempt - 1))
    _publish(wanted)


class _Broken(Exception):
    """A transfer that is worth another attempt."""


@dataclass(frozen=True)
class _Wanted:
    """The file to fetch, with its size and digest."""

    url: str
    target: Path
    expected_bytes: int | None
    sha256: str | None
    timeout_seconds: float

    @property
    def part(self) -> Path:
        """Where the content is collected."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def validator(self) -> Path:
        """Where the server's mark of the version that `part` belongs to is kept."""
        return self.target.with_name(self.target.name + ".part.version")

    def verify(self, path: Path) -> None:
        """Check size and checksum of a file."""
        size = path.stat().st_size
        if self.expected_bytes is not None and size != self.expected_bytes:
            raise DownloadError(
                f"expected {self.expected_bytes:,} bytes in {str(path)!r} from {self.url!r}, "
                f"got {size:,}. Remove the file, and check the address."
            )
        if self.sha256 is None:
            return
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256.lower():
            raise DownloadError(
                f"expected the SHA-256 {self.sha256} of {str(path)!r} from {self.url!r}, "
                f"got {found}. Remove the file, and check the address."
            )

    def discard(self) -> None:
        """Forget what was collected."""
        self.part.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)


def _publish(wanted: _Wanted) -> None:
    """Verify what was collected, and give it its name."""
    try:
        wanted.verify(wanted.part)
    except DownloadError:
        wanted.discard()  # it is complete and wrong, so there is nothing to resume
        raise
    wanted.part.replace(wanted.target)
    wanted.validator.unlink(missing_ok=True)


def _transfer(wanted: _Wanted, progress: ProgressCallback | None) -> None:
    """Fetch what is missing of the file, in one request."""
    start, version = _resume_point(wanted)
    headers = {"Accept-Encoding": "identity", "User-Agent": "askmask"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    # The scheme was checked: http or https.
    request = urllib.request.Request(wanted.url, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=wanted.timeout_seconds) as response:  # noqa: S310
            _receive(response, start, wanted, progress)
    except urllib.error.HTTPError as error:
        _refused(error, start, wanted)
    except DownloadError:
        raise
    except _TRANSIENT as error:
        raise _Broken(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _resume_point(wanted: _Wanted) -> tuple[int, str]:
    """Bytes that are here already, and the version that they belong to."""
    if not (wanted.part.exists() and wanted.validator.exists()):
        wanted.discard()
        return 0, ""
    return wanted.part.stat().st_size, wanted.validator.read_text(encoding="utf-8")


def _refused(error: urllib.error.HTTPError, start: int, wanted: _Wanted) -> None:
    """Act on a status that is no success."""
    with error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            whole = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            if whole and int(whole[1]) == start:
                return  # the last transfer broke after the last byte
            wanted.discard()
            raise _Broken("the file at the server changed")
        if error.code in _RETRIED_STATUS:
            raise _Broken(f"HTTP {error.code} {error.reason}")
        raise DownloadError(
            f"the server refused {wanted.url!r}: HTTP {error.code} {error.reason}. The publisher "
            "may have moved the file: look for it with a browser, and give its new address."
        ) from error


def _receive(
    response: http.client.HTTPResponse,
    start: int,
    wanted: _Wanted,
    progress: ProgressCallback | None,
) -> None:
    """Append the body to the part; raise _Broken if it ends early."""
    done, total = _extent(response, start)
    if wanted.expected_bytes is not None and total not in (0, wanted.expected_bytes):
        wanted.discard()
        raise DownloadError(
            f"expected {wanted.expected_bytes:,} bytes at {wanted.url!r}, but the server has "
            f"{total:,}. Check the address."
        )
    _keep_version(response, wanted)
    with wanted.part.open("ab" if done else "wb") as file:
        while chunk := response.read(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
        file.flush()
        os.fsync(file.fileno())
    if total and done != total:
        raise _Broken(f"{done:,} of {total:,} bytes came")


def _extent(response: http.client.HTTPResponse, start: int) -> tuple[int, int]:
    """Where the body begins in the file, and the size of the whole file (0 if unknown)."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        given = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if given is None or int(given[1]) != start:
            raise DownloadError(
                f"asked for the bytes from {start:,}, but the server sent "
                f"{response.headers.get('Content-Range')!r}. Remove the .part file and try again."
            )
        return start, int(given[2])
    return 0, int(response.headers.get("Content-Length") or 0)


def _keep_version(response: http.client.HTTPResponse, wanted: _Wanted) -> None:
    """Remember which version the part belongs to; a weak ETag does not vouch for its bytes."""
    tag = response.headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    if version:
        wanted.validator.write_text(version, encoding="utf-8")
    else:
        wanted.validator.unlink(missing_ok=True)
