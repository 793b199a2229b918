"""Files to prepare a data set from: in a folder, or in a zip archive without unpacking it."""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from askmask.errors import SourceError


@dataclass(frozen=True)
class StoredFile:
    """A file that can be read, wherever it is stored.

    Parameters
    ----------
    name : str
        Its path below the folder or in the archive, with slashes; what messages call it.
    read : callable
        Returns the whole content; raises SourceError if that fails.
    """

    name: str
    read: Callable[[], bytes]

    @property
    def stem(self) -> str:
        """Path without the ending."""
        folder, slash, file = self.name.rpartition("/")
        return f"{folder}{slash}{file.rpartition('.')[0] or file}"

    @property
    def suffix(self) -> str:
        """Ending in lower case, with its dot; empty if there is none."""
        _, dot, ending = self.name.rpartition("/")[2].rpartition(".")
        return f"{dot}{ending}".lower() if dot else ""


def list_folder(folder: Path, *, skip: Path | None = None) -> list[StoredFile]:
    """Files in a folder and its sub-folders, sorted by name, without hidden ones.

    Parameters
    ----------
    folder : Path
        Where to look.
    skip : Path, optional
        A sub-folder to leave out; a folder elsewhere changes nothing.

    Raises
    ------
    SourceError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise SourceError(f"no folder {str(folder)!r}. Check the path.")
    inside = skip is not None and skip.resolve().is_relative_to(folder.resolve())
    skipped = skip.resolve() if skip is not None and inside else None
    found = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        is_skipped = skipped is not None and path.resolve().is_relative_to(skipped)
        if path.is_file() and not is_hidden and not is_skipped:
            found.append(StoredFile(relative.as_posix(), _folder_reader(path)))
    return sorted(found, key=lambda file: file.name)


def list_archive(archive: zipfile.ZipFile) -> list[StoredFile]:
    """Files in an open zip archive, sorted by name, without hidden ones and macOS's extras.

    The archive must stay open for as long as the files are read.
    """
    found = []
    for entry in archive.infolist():
        parts = entry.filename.split("/")
        is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if not entry.is_dir() and not is_hidden:
            found.append(StoredFile(entry.filename, _archive_reader(archive, entry)))
    return sorted(found, key=lambda file: file.name)


def _folder_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise SourceError(
                f"cannot read {str(path)!r} ({error.strerror}). Check its permissions."
            ) from error

    return read


def _archive_reader(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return archive.read(entry)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise SourceError(
                f"cannot read {entry.filename!r} in {archive.filename!r} ({error}). "
                "The archive is damaged or encrypted: download it again."
            ) from error

    return read
