"""Folders of this user, where each system keeps them: for data, and for what was chosen.

What can be made again lies elsewhere, in `cache.user_cache`.
"""

import os
import sys
from pathlib import Path


def user_data() -> Path:
    r"""Folder of this user for what askmask makes without being told where.

    ``$XDG_DATA_HOME/askmask`` if that variable is set. Else ``~/.local/share/askmask``, on macOS
    ``~/Library/Application Support/askmask``, on Windows ``%LOCALAPPDATA%\askmask``.
    """
    return _place("XDG_DATA_HOME", ".local/share", "LOCALAPPDATA")


def user_config() -> Path:
    r"""Folder of this user for what was chosen, such as the list of projects.

    ``$XDG_CONFIG_HOME/askmask`` if that variable is set. Else ``~/.config/askmask``, on macOS
    ``~/Library/Application Support/askmask``, on Windows ``%APPDATA%\askmask``.
    """
    return _place("XDG_CONFIG_HOME", ".config", "APPDATA")


def _place(variable: str, elsewhere: str, on_windows: str) -> Path:
    told = os.environ.get(variable)
    if not told and sys.platform == "win32":
        told = os.environ.get(on_windows)
    if told:
        return Path(told) / "askmask"
    on_mac = "Library/Application Support"
    return Path.home() / (on_mac if sys.platform == "darwin" else elsewhere) / "askmask"
