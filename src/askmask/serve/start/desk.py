"""State that every route of the start shares, and the person who asks."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Request

from askmask.config import load_written_config
from askmask.errors import AskmaskError, ProjectError
from askmask.loop.project import CONFIG_NAME
from askmask.serve.start.folders import Roots
from askmask.serve.start.jobs import Jobs
from askmask.serve.start.known import Known, known_projects
from askmask.serve.start.messages import ChosenFiles
from askmask.serve.start.opened import OpenedProjects
from askmask.serve.start.uploads import Uploads
from askmask.serve.web.desk import PROXY_HEADERS
from askmask.serve.web.problems import Problem
from askmask.store.tokens import Access, Person

COOKIE: Final = "askmask_start"


@dataclass(frozen=True)
class StartDesk:
    """The start of a server.

    Attributes
    ----------
    key : str
        Secret of the address that was printed: who logs in must have come by it.
    access : Access
        Sessions of the start; each project keeps its own.
    roots : Roots
        Where folders may be chosen.
    files : Path
        Folder of the server for uploads and downloads; removed at its end.
    """

    key: str
    access: Access
    roots: Roots
    opened: OpenedProjects
    jobs: Jobs
    uploads: Uploads
    files: Path

    def person(self, headers: Mapping[str, str], secret: str) -> Person | None:
        """Who makes a request; nobody, if it came through a proxy."""
        if is_through_proxy(headers):
            return None
        return self.access.person_of_session(secret, needs_token=False)

    def known(self, number: str) -> Known:
        """A project of the list by its id; Problem 404 if there is none."""
        found = next((known for known in known_projects() if known.project_id == number), None)
        if found is None:
            raise Problem(404, "not_found", "expected a project of the list, got another id.")
        return found

    def root(self, number: str) -> Path:
        """Folder of a project of the list.

        Raises
        ------
        ProjectError
            If it is no longer there.
        """
        known = self.known(number)
        if not known.is_there:
            raise ProjectError(
                f"expected a project in {str(known.root)!r}, found no {CONFIG_NAME}. Was it moved? "
                "Open its new folder, and take this line out of the list."
            )
        return known.root

    def place(self, place: ChosenFiles) -> Path:
        """Files that a person chose or dropped.

        Raises
        ------
        ProjectError
            If they are not below the roots, or not there.
        Problem
            If neither is named, or both.
        """
        if (place.path is None) == (place.upload is None):
            raise Problem(422, "invalid", "expected a path or an upload, got both or neither.")
        if place.upload is not None:
            return self.uploads.inside(place.upload, place.below)
        path = self.roots.allowed(place.path or "")
        if not path.exists():
            raise ProjectError(f"found nothing at {str(path)!r}. Choose another folder.")
        self.roots.refuse_links_out(path)
        return path

    def fresh(self, name: str) -> Path:
        """A place for a job to write to, that nothing has."""
        folder = self.files / "made"
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.iterdir()))
        while (folder / f"{number}").exists():
            number += 1
        (folder / f"{number}").mkdir()
        return folder / f"{number}" / name

    def clear(self) -> None:
        """Remove what was dropped and made."""
        shutil.rmtree(self.files, ignore_errors=True)


def is_through_proxy(headers: Mapping[str, str]) -> bool:
    """Whether a proxy stands between: it makes everybody look like somebody on this machine."""
    return any(name in headers for name in PROXY_HEADERS)


def name_of(known: Known) -> tuple[str, str | None]:
    """Name of a project in the list, and what is wrong with it."""
    if not known.is_there:
        return known.root.name, "The folder is no longer there, or holds no project."
    try:
        name = load_written_config(known.root / CONFIG_NAME).name
    except (AskmaskError, OSError) as error:
        return known.root.name, str(error)
    # The settings call a project so unless somebody named it.
    return (known.root.name if name == "project" else name), None


def _desk(request: Request) -> StartDesk:
    desk: StartDesk = request.app.state.desk
    return desk


TheStart = Annotated[StartDesk, Depends(_desk)]


def _owner(request: Request, desk: TheStart) -> Person:
    found = desk.person(request.headers, request.cookies.get(COOKIE, ""))
    if found is not None:
        return found
    if is_through_proxy(request.headers):
        raise Problem(
            403,
            "forbidden",
            "expected somebody at this machine, got a request through a proxy. The start is for "
            "who runs it; serve one project to others: askmask serve PROJECT --allow-host NAME.",
        )
    raise Problem(
        401,
        "no_session",
        "expected a session, got none, or one that has ended. Open the address that askmask "
        "printed.",
        key_required=True,
    )


Owner = Annotated[Person, Depends(_owner)]
"""Whoever started the server: each may do everything here that a command may."""
