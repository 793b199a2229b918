"""The process of ``askmask`` without a project."""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from askmask.runtime.cache import user_cache
from askmask.runtime.user_folders import user_config
from askmask.serve.address import Address
from askmask.serve.start.app import Start
from askmask.serve.web.server import run_server
from askmask.store.store import Store

HOST: Final = "127.0.0.1"
"""The start is for who runs it: it makes and moves folders, so no other machine reaches it."""
DATABASE_NAME: Final = "start.db"


def serve_start(
    *,
    port: int,
    roots: tuple[Path, ...] = (),
    key: str | None = None,
    announce: Callable[[str], None] = lambda _: None,
    opens_browser: bool = False,
    with_workers: bool = True,
) -> None:
    """Serve the start and the projects that are opened there, until interrupted.

    Parameters
    ----------
    port : int
        Where to listen, on this machine alone.
    roots : tuple of Path
        Where folders may be chosen on the page; by default the home folder.
    key : str, optional
        Secret of the page's address; by default a new one.
    announce : callable
        Told the page's address.
    opens_browser : bool
        Whether to open the page.
    with_workers : bool
        Whether a worker runs for each opened project.

    Raises
    ------
    ConfigError
        If the address is taken.
    """
    known_key = key or secrets.token_urlsafe(16)
    user_config().mkdir(parents=True, exist_ok=True)
    with Store(user_config() / DATABASE_NAME) as store:
        app = Start(
            key=known_key,
            access=store.access,
            roots=roots or (Path.home(),),
            files=_own_folder(),
            with_workers=with_workers,
        )
        run_server(
            app,
            app.end_streams,
            Address(host=HOST, port=port),
            key=known_key,
            on_address=announce,
            opens_browser=opens_browser,
        )


def _own_folder() -> Path:
    """Folder for files that people drop and download; those of servers that are gone go."""
    above = user_cache() / "start"
    above.mkdir(parents=True, exist_ok=True)
    for old in above.iterdir():
        if old.name.isdecimal() and _is_gone(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    own = above / str(os.getpid())
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    return own


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
