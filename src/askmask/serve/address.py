"""Where a server listens and how people call it: a port or a Unix socket, a prefix, names.

Nothing here serves, or needs the packages of the server; `askmask.serve.web.server` does.
"""

import contextlib
import errno
import fcntl
import getpass
import ipaddress
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from askmask.errors import ConfigError

SOCKET_MODE: Final = 0o660
"""Who may connect to a Unix socket: its owner and its group, so that a proxy needs the group."""
CONNECT_SECONDS: Final = 2.0
OWN_SEGMENTS: Final = ("api", "label-studio", "projects", "static")
"""First parts of the server's own paths. A prefix that began so could not be told from them."""
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,=:@%-]+)+")
_ANY_HOST: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server listens, and how it is called there.

    Attributes
    ----------
    host, port : str and int
        Where it listens; not used if there is a `socket_path`.
    socket_path : Path or None
        Unix socket for a proxy on the same machine.
    prefix : str
        What stands before every path of the page, such as ``"/labels"``; empty for nothing. As in
        an address: what must be escaped there is escaped here.
    names : tuple of str
        Names of a proxy in front.

    Raises
    ------
    ConfigError
        If the prefix cannot be one.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    socket_path: Path | None = None
    prefix: str = ""
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", checked_prefix(self.prefix))

    @property
    def needs_token(self) -> bool:
        """Whether others than people of this machine may come."""
        is_for_proxy = self.socket_path is not None or bool(self.names or self.prefix)
        return is_for_proxy or not is_loopback(self.host)

    def page_url(self, key: str | None = None) -> str:
        """Address of the page, as a browser on this machine reaches it; the key stays in browsers.

        For a Unix socket, which no browser reaches, the socket's path.

        Examples
        --------
        >>> Address(host="0.0.0.0", prefix="/labels").page_url("secret")
        'http://127.0.0.1:8000/labels/#key=secret'
        """
        if self.socket_path is not None:
            return str(self.socket_path)
        page = f"http://{self._reached_host()}:{self.port}{self.prefix}/"
        return page if key is None else f"{page}#key={key}"

    def tunnel(self, environment: Mapping[str, str]) -> str | None:
        """Command for a person's own computer that brings the page there, if this one is remote.

        None if nobody came by ssh, or if the page is served to the network anyway.

        Parameters
        ----------
        environment : mapping
            Of this process: the ssh server leaves ``SSH_CONNECTION`` in it.

        Examples
        --------
        >>> Address().tunnel({"SSH_CONNECTION": "198.51.100.4 50022 192.0.2.7 22", "USER": "ada"})
        'ssh -N -L 8000:127.0.0.1:8000 ada@192.0.2.7'
        """
        came = environment.get("SSH_CONNECTION", "").split()
        if len(came) != 4 or self.socket_path is not None or not is_loopback(self.host):
            return None
        _, _, machine, ssh_port = came
        user = environment.get("USER") or _own_name()
        asked_port = "" if ssh_port == "22" else f"-p {ssh_port} "
        inner = f"{self.port}:{self._reached_host()}:{self.port}"
        return f"ssh -N -L {inner} {asked_port}{user}@{machine}"

    @contextlib.contextmanager
    def sockets(self) -> Iterator[list[socket.socket]]:
        """Sockets that hold the address for a server: one, or two where a name has two addresses.

        Raises
        ------
        ConfigError
            If the address is taken, or is none of this machine.
        """
        if self.socket_path is None:
            with _bound_ports(self.host, self.port) as bound:
                yield bound
        else:
            with _bound_path(self.socket_path) as one:
                yield [one]

    def _reached_host(self) -> str:
        host = _ANY_HOST.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "USER"  # nobody that the system knows; people know who they are there


def is_loopback(bound: str) -> bool:
    """Whether only this machine can reach an address."""
    if bound.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(bound).is_loopback
    except ValueError:
        return False


def checked_prefix(prefix: str) -> str:
    """A prefix of paths, without a slash at its end; ``"/"`` is none.

    Raises
    ------
    ConfigError
        If it cannot be told from the server's own paths, or is no part of an address.
    """
    bare = prefix.removesuffix("/")
    if not bare:
        return ""
    segments = unquote(bare).split("/")[1:]
    if not _PREFIX.fullmatch(bare) or {".", ".."} & set(segments):
        raise ConfigError(
            f"expected a part of an address after --root-path, such as /labels, got {prefix!r}. "
            "Begin it with a slash, and write what is not a letter, a digit or one of ._~- as in "
            "the address, such as %20 for a space."
        )
    if segments[0] in OWN_SEGMENTS:
        raise ConfigError(
            f"expected a prefix that is no path of the page itself, got {prefix!r}. Choose one "
            f"that begins with none of: {', '.join(OWN_SEGMENTS)}."
        )
    return bare


@contextlib.contextmanager
def _bound_ports(host: str, port: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as opened:
        sockets = []
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in found:
                bound = opened.enter_context(socket.socket(family, kind, protocol))
                # A server that was killed a moment ago left connections that wait for their end.
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bound.bind(address)
                sockets.append(bound)
        except OSError as error:
            raise ConfigError(
                f"expected an address to serve on, got {host!r} with port {port}, but: "
                f"{error.strerror}. End the other server there, or choose another: --port N."
            ) from error
        yield sockets


@contextlib.contextmanager
def _bound_path(path: Path) -> Iterator[socket.socket]:
    """A socket at a path, with nobody else's in its place; the path is free again afterwards."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        try:
            with _alone_in(path.parent):
                _clear_way(path)
                bound.bind(str(path))
                path.chmod(SOCKET_MODE)  # nobody can connect before it listens
                bound.listen()
        except OSError as error:
            raise ConfigError(
                f"expected a place for a socket, got {str(path)!r}, but: {error.strerror or error}."
                " Choose a short path in a folder that you may write to: --socket PATH."
            ) from error
        own = path.stat()
        try:
            yield bound
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(path.stat(), own):  # not one that another server has put there
                    path.unlink()


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one server at a time look at a folder's sockets; else two could take over one's place."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _clear_way(path: Path) -> None:
    """Remove a socket on which nobody listens; refuse whatever else is there."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise ConfigError(
            f"expected a socket or nothing at {str(path)!r}, found another kind of file, which is "
            "left as it is. Choose another path: --socket PATH."
        )
    if _is_listened_to(path):
        raise ConfigError(
            f"expected a socket that nobody uses at {str(path)!r}, but a server listens there. End "
            "it first, or choose another path: --socket PATH."
        )
    path.unlink()


def _is_listened_to(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(CONNECT_SECONDS)
        try:
            caller.connect(str(path))
        except TimeoutError:
            return True  # its line of waiting connections is full
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                return False
            raise
    return True
