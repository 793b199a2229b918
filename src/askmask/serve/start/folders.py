"""Folders that a person may choose on the page: those below the roots given at the start.

A path of a request is resolved before anything is read, so no link and no ``..`` leads out.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from askmask.data.rasters import IMAGE_SUFFIXES
from askmask.errors import ProjectError
from askmask.loop.project import CONFIG_NAME

MOST_ENTRIES: Final = 2000
"""So many folders of one folder are listed."""
COUNTED: Final = 10_000
"""Files of a folder are counted up to here."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and what it holds.

    Attributes
    ----------
    path : Path
        Absolute, without links.
    above : Path or None
        The folder above, if it may be chosen.
    folders : tuple of str
        Names of the folders in it, without hidden ones and without links that lead out.
    files : tuple of str
        Names of its other files, without hidden ones; at most `MOST_ENTRIES`.
    images : int
        How many of its files have the ending of an image.
    is_project : bool
        Whether a project lies in it.
    has_more : bool
        Whether there was more than is listed.
    """

    path: Path
    above: Path | None
    folders: tuple[str, ...]
    files: tuple[str, ...]
    images: int
    is_project: bool
    has_more: bool


class Roots:
    """The folders below which everything is chosen.

    Parameters
    ----------
    folders : tuple of Path
        None allows no choice at all.
    """

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self.folders = tuple(folder.expanduser().resolve() for folder in folders)

    def allowed(self, text: str) -> Path:
        """Path of a request, resolved.

        Raises
        ------
        ProjectError
            If it does not lie below a root.
        """
        if "\0" in text or len(text) > 4096:
            raise ProjectError("expected the path of a folder, got something else.")
        path = Path(text).expanduser()
        resolved = (path if path.is_absolute() else self._first() / path).resolve()
        if not self._holds(resolved):
            shown = ", ".join(map(str, self.folders)) or "none"
            raise ProjectError(
                f"expected a path below the folders that may be chosen from ({shown}), got "
                f"{str(path)!r}. Start askmask with --root FOLDER to allow another."
            )
        return resolved

    def look(self, text: str | None) -> Folder:
        """What lies in a folder; in the first root if none is named.

        Raises
        ------
        ProjectError
            If it is not allowed, no folder, or cannot be read.
        """
        path = self._first() if text is None else self.allowed(text)
        if not path.is_dir():
            raise ProjectError(f"expected a folder, found none at {str(path)!r}. Choose another.")
        try:
            with os.scandir(path) as found:
                entries = sorted(
                    (entry for entry in found if not entry.name.startswith(".")),
                    key=lambda entry: entry.name.lower(),
                )
        except OSError as error:
            raise ProjectError(
                f"cannot look into {str(path)!r} ({error.strerror}). Choose another folder."
            ) from error
        folders = [e.name for e in entries if self._is_folder(e)]
        files = [e.name for e in entries[:COUNTED] if e.is_file()]
        return Folder(
            path=path,
            above=None if path in self.folders else path.parent,
            folders=tuple(folders[:MOST_ENTRIES]),
            files=tuple(files[:MOST_ENTRIES]),
            images=sum(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in files),
            is_project=(path / CONFIG_NAME).is_file(),
            has_more=len(folders) > MOST_ENTRIES or len(files) > MOST_ENTRIES,
        )

    def refuse_links_out(self, folder: Path) -> None:
        """Refuse a folder in which a link leads out of the roots: it would be read with the rest.

        Raises
        ------
        ProjectError
            Naming the first such link.
        """
        seen: set[Path] = set()
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            if here.resolve() in seen or not here.is_dir():
                continue
            seen.add(here.resolve())
            with os.scandir(here) as entries:
                for entry in entries:
                    path = Path(entry.path)
                    if entry.is_symlink() and not self._holds(path.resolve()):
                        raise ProjectError(
                            f"expected files below the folders that may be chosen from, but the "
                            f"link {str(path)!r} leads out. Remove it, or start askmask with "
                            "--root FOLDER for the place that it leads to."
                        )
                    if entry.is_dir():
                        waiting.append(path)

    def _holds(self, resolved: Path) -> bool:
        return any(resolved.is_relative_to(root) for root in self.folders)

    def _first(self) -> Path:
        if not self.folders:
            raise ProjectError(
                "no folder may be chosen from here. Start askmask with --root FOLDER, or drop "
                "files onto the page."
            )
        return self.folders[0]

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        if not entry.is_dir():
            return False
        return not entry.is_symlink() or self._holds(Path(entry.path).resolve())
