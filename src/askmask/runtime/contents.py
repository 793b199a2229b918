"""Contents that were sent to this process once, for the jobs to come; found by their digest."""

import hashlib
import os
from pathlib import Path
from typing import Final

_WHOLE_BYTES: Final = 2**26
_END_BYTES: Final = 2**20
_kept: Final[dict[str, Path]] = {}


def digest(content: bytes) -> str:
    """Digest that names a content."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def file_content_digest(path: str | Path) -> str | None:
    """Digest of a file's content; None if it cannot be read.

    Of a file that is too large to be read on the way, it is that of its size and both its ends.
    """
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size <= _WHOLE_BYTES:
                file.seek(0)
                return digest(file.read())
            file.seek(0)
            start = file.read(_END_BYTES)
            file.seek(-_END_BYTES, os.SEEK_END)
            return digest(b"%d " % size + start + file.read())
    except OSError:
        return None


def keep_content(content: bytes, folder: Path) -> str:
    """Keep a content as a file in a folder, made if absent; return its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / digest(content)
    path.write_bytes(content)
    _kept[path.name] = path
    return path.name


def kept(name: str) -> Path | None:
    """File of a content that was sent to this process; None if it was not."""
    return _kept.get(name)
