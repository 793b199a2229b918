"""What ``--cluster`` says: workers of this machine, a running scheduler, or a queueing system."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askmask.errors import ConfigError

_LOCAL: Final = re.compile(r"local:([1-9]\d{0,3})")
_RUNNING: Final = re.compile(r"(tcp|tls|ucx|wss?)://[^\s/]+:\d+")
_WAYS: Final = (
    "Give local:N for N worker processes on this machine, the address of a running scheduler "
    "such as tcp://server:8786, or a YAML file for Slurm, LSF or PBS."
)


class Queued(BaseModel):
    """Workers that a queueing system starts, as a YAML file describes them.

    Attributes
    ----------
    system : {"slurm", "lsf", "pbs"}
        Who starts them.
    workers : int
        Worker processes to keep running, >= 1.
    options : dict
        Arguments of dask-jobqueue's cluster class: cores, memory, queue, walltime and so on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: Literal["slurm", "lsf", "pbs"]
    workers: int = Field(ge=1)
    options: dict[str, Any] = Field(default_factory=dict)  # Any: dask-jobqueue knows them


@dataclass(frozen=True, slots=True)
class Local:
    """Worker processes of this machine.

    Attributes
    ----------
    workers : int
        How many, >= 1.
    """

    workers: int


@dataclass(frozen=True, slots=True)
class Running:
    """A scheduler that somebody started.

    Attributes
    ----------
    address : str
        Such as ``"tcp://server:8786"``.
    """

    address: str


def parse_cluster(text: str) -> Local | Running | Queued:
    """Read the value of ``--cluster``.

    Raises
    ------
    ConfigError
        If it is none of the three, or its file has problems; all of them are named.

    Examples
    --------
    >>> parse_cluster("local:2")
    Local(workers=2)
    >>> parse_cluster("tcp://server:8786")
    Running(address='tcp://server:8786')
    """
    local = _LOCAL.fullmatch(text)
    if local:
        return Local(int(local[1]))
    if _RUNNING.fullmatch(text):
        return Running(text)
    path = Path(text)
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"expected a cluster, got {text!r}. {_WAYS}")
    if not path.is_file():
        raise ConfigError(f"expected a file that describes a cluster, found no {text!r}. {_WAYS}")
    return _read(path)


def _read(path: Path) -> Queued:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"expected YAML in {str(path)!r}, but: {error}. Correct it.") from None
    try:
        return Queued.model_validate(tree)
    except ValidationError as error:
        told = [
            f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ConfigError(
            f"expected system (slurm, lsf or pbs), workers and options in {str(path)!r}, but: "
            f"{'; '.join(told)}. Correct the file."
        ) from None
