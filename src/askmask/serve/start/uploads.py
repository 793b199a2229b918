"""Files that a person dropped onto the page, until a job has read them.

A file comes in parts, each small enough for the checks before every route. Its name never leaves
the folder of its upload, and what all of them take together is bounded.
"""

import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from askmask.errors import ProjectError
from askmask.serve.web.problems import Problem

MOST_FILES: Final = 20_000
MOST_BYTES: Final = 8 * 2**30
"""Of all uploads of a server together."""
MOST_UPLOADS: Final = 20
UNUSED_SECONDS: Final = 6 * 3600.0
"""An upload that nobody touched for so long gives way to a new one."""
_FORBIDDEN: Final = frozenset('\\:*?"<>|')  # in a file name, on one system or another


@dataclass
class Upload:
    """Files of one drop.

    Attributes
    ----------
    upload_id : str
        16 hex digits.
    folder : Path
        Where they lie.
    sizes : dict of str to int
        Bytes that came of each file, by its name.
    """

    upload_id: str
    folder: Path
    sizes: dict[str, int] = field(default_factory=dict)
    touched_at: float = field(default_factory=time.monotonic)


class Uploads:
    """The uploads of one server.

    Parameters
    ----------
    folder : Path
        Where they are kept; the caller removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uploads: dict[str, Upload] = {}

    def begin(self) -> Upload:
        """Begin an upload.

        Raises
        ------
        Problem
            503 if there are too many.
        """
        now = time.monotonic()
        for old in list(self._uploads.values()):
            if now - old.touched_at > UNUSED_SECONDS:
                self.remove(old.upload_id)
        if len(self._uploads) >= MOST_UPLOADS:
            raise Problem(503, "busy", f"expected at most {MOST_UPLOADS} uploads at a time.")
        upload_id = secrets.token_hex(8)
        upload = Upload(upload_id, self._folder / upload_id)
        upload.folder.mkdir(parents=True)
        self._uploads[upload_id] = upload
        return upload

    def find(self, upload_id: str) -> Upload:
        """An upload by its id; Problem 404 if there is none."""
        if upload_id not in self._uploads:
            raise Problem(404, "not_found", "expected an upload that is here, drop the files anew.")
        return self._uploads[upload_id]

    def add(self, upload_id: str, name: str, offset: int, content: bytes) -> None:
        """Keep a part of a file; parts come in order, one that came already changes nothing.

        Raises
        ------
        Problem
            413 if all of it is too much; 409 if a part is missing before it; 422 for a name that
            is no plain path.
        """
        upload = self.find(upload_id)
        path = upload.folder.joinpath(*plain_parts(name))
        there = upload.sizes.get(name, 0)
        if offset + len(content) <= there and name in upload.sizes:
            return
        if offset != there:
            raise Problem(409, "out_of_order", f"expected byte {there} of {name!r}, got {offset}.")
        total = sum(sum(each.sizes.values()) for each in self._uploads.values())
        if total + len(content) > MOST_BYTES or len(upload.sizes) >= MOST_FILES:
            raise Problem(
                413,
                "too_large",
                f"expected at most {MOST_FILES:,} files and {MOST_BYTES // 2**30} GiB together. "
                "Choose a folder of this machine instead: its files are read where they are.",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.truncate(offset)
                file.write(content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            problem = f"expected files of different names, but {name!r} is a folder and a file."
            raise Problem(422, "invalid", problem) from error
        upload.sizes[name] = offset + len(content)
        upload.touched_at = time.monotonic()

    def remove(self, upload_id: str) -> None:
        """Remove an upload; nothing happens if there is none."""
        upload = self._uploads.pop(upload_id, None)
        if upload is not None:
            shutil.rmtree(upload.folder, ignore_errors=True)

    def inside(self, upload_id: str, below: str | None) -> Path:
        """Folder of an upload, or one below it.

        Raises
        ------
        ProjectError
            If there is no such folder in it.
        """
        upload = self.find(upload_id)
        upload.touched_at = time.monotonic()
        path = upload.folder if not below else upload.folder.joinpath(*plain_parts(below))
        if not path.exists():
            raise ProjectError(f"expected {below!r} among the dropped files, found none.")
        return path


def plain_parts(name: str) -> tuple[str, ...]:
    """Parts of a relative path that stays where it is put.

    Raises
    ------
    Problem
        422 if it does not.
    """
    parts = PurePosixPath(name).parts
    is_plain = (
        0 < len(name) <= 400
        and name.isprintable()
        and not name.startswith("/")
        and not _FORBIDDEN & set(name)
        and all(part != ".." and len(part.encode()) <= 255 for part in parts)
        and bool(parts)
    )
    if not is_plain:
        raise Problem(422, "invalid", f"expected a plain name of a file, got {name!r}. Rename it.")
    return parts
