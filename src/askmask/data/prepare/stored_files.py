"""Files to prepare a data set from: in a folder, or in a zip archive without unpacking it."""

import lzma
import os
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from askmask.data.pictures.opening import looks_like_image
from askmask.data.rasters import IMAGE_SUFFIXES
from askmask.errors import SourceError

_LARGEST_MEMBER: Final = 2**30
# Encrypted files and unknown methods of packing are RuntimeErrors.
_UNREADABLE: Final = (
    *(OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError),
    *(ValueError, struct.error),
)
_HEAD: Final = 16  # bytes that tell what a file is


@dataclass(frozen=True)
class StoredFile:
    """A file that can be read, wherever it is stored.

    Parameters
    ----------
    name : str
        Its path below the folder or in the archive, with slashes; what messages call it.
    read : callable
        Returns the whole content; raises SourceError if that fails.
    head : callable, optional
        Returns the first bytes, empty if the file cannot be read.
    path : Path, optional
        Where it is on disk, if it is a file of its own.
    size : callable, optional
        Returns the bytes of its content, as its folder or archive states them; more are never read.
    """

    name: str
    read: Callable[[], bytes]
    head: Callable[[], bytes] = bytes
    path: Path | None = None
    size: Callable[[], int] = int

    @property
    def stem(self) -> str:
        """Path without the ending, its letters composed (NFC).

        macOS stores an accent as a letter of its own, other systems do not: the same name, typed
        twice, would be two.
        """
        folder, slash, file = self.name.rpartition("/")
        return unicodedata.normalize("NFC", f"{folder}{slash}{file.rpartition('.')[0] or file}")

    @property
    def folder(self) -> str:
        """Path of the folder that it lies in, composed as the stem; empty at the top."""
        return self.stem.rpartition("/")[0]

    @property
    def suffix(self) -> str:
        """Ending in lower case, with its dot; empty if there is none."""
        _, dot, ending = self.name.rpartition("/")[2].rpartition(".")
        return f"{dot}{ending}".lower() if dot else ""

    @property
    def is_image(self) -> bool:
        """Whether its ending or its first bytes are those of an image that can be read."""
        return self.suffix in IMAGE_SUFFIXES or looks_like_image(self.head())


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
    found = [
        StoredFile(
            path.relative_to(folder).as_posix(),
            _folder_reader(path),
            _folder_head(path),
            path,
            partial(_folder_size, path),
        )
        for path in _walk(folder, skipped, ())
    ]
    return sorted(found, key=lambda file: file.name)


def list_images(path: Path, *, skip: Path | None = None) -> list[StoredFile]:
    """List the image files below a folder, or the one file.

    Parameters
    ----------
    path : Path
        A folder, or an image.
    skip : Path, optional
        A folder inside it that is passed over, as in `list_folder`.

    Raises
    ------
    SourceError
        If there is no image; says how many other files there are.
    """
    if path.is_file():
        return [StoredFile(path.name, path.read_bytes, path=path)]
    files = list_folder(path, skip=skip)
    found = [file for file in files if file.is_image]
    if not found:
        raise SourceError(
            f"expected images in {str(path)!r}, found {len(files)} files and none that ends in "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return found


def _walk(folder: Path, skipped: Path | None, above: tuple[Path, ...]) -> Iterator[Path]:
    """Files below a folder, through links too; a link back to a folder above it is not followed."""
    here = folder.resolve()
    if here in above or (skipped is not None and here.is_relative_to(skipped)):
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(
            f"cannot list {str(folder)!r} ({error.strerror}). Check its permissions."
        ) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if entry.is_dir():
            yield from _walk(path, skipped, (*above, here))
        elif entry.is_file() or entry.is_symlink():  # a link to nothing cannot be read, and says so
            yield path


def opened_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive; close it, or use it in a ``with`` block.

    Raises
    ------
    SourceError
        If its list of files is damaged.
    """
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise SourceError(
            f"cannot read the list of files in {str(path)!r} ({error}). The archive is damaged: "
            "download it again."
        ) from error


def list_archive(archive: zipfile.ZipFile) -> list[StoredFile]:
    """Files in an open zip archive, sorted by name, without hidden ones and macOS's extras.

    The archive must stay open for as long as the files are read.
    """
    found = []
    for entry in archive.infolist():
        parts = entry.filename.split("/")
        is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if not entry.is_dir() and not is_hidden:
            reader, head = _archive_reader(archive, entry), _archive_head(archive, entry)
            size = partial(getattr, entry, "file_size")
            found.append(StoredFile(entry.filename, reader, head, size=size))
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


def _folder_head(path: Path) -> Callable[[], bytes]:
    def head() -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(_HEAD)
        except OSError:
            return b""

    return head


def _folder_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _archive_head(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], bytes]:
    def head() -> bytes:
        try:
            with archive.open(entry) as file:
                return file.read(_HEAD)
        except _UNREADABLE:
            return b""

    return head


def _archive_reader(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        if entry.file_size > _LARGEST_MEMBER:  # no member is unpacked beyond the size it states
            raise SourceError(
                f"{entry.filename!r} in {archive.filename!r} would be {entry.file_size:,} bytes. "
                "No image is as large: the archive is damaged or not what it seems."
            )
        try:
            return archive.read(entry)
        except _UNREADABLE as error:
            raise SourceError(
                f"cannot read {entry.filename!r} in {archive.filename!r} ({error}). "
                "The archive is damaged or encrypted: download it again."
            ) from error

    return read
