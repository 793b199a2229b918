"""The exception tree of askmask: what was expected, what came, where, what to do.

::

    AskmaskError
    ├── ConfigError      (ValueError)         a setting is unknown, missing or out of range
    ├── UnknownName      (ValueError)         a strategy, network or format that does not exist
    ├── SourceError      (ValueError)         an image or a mask cannot be used as it is
    │   ├── PrepareError                      several problems of one data set, all at once
    │   └── ExchangeError                     another program's file does not fit the project
    ├── DownloadError    (OSError)            an archive could not be fetched whole
    ├── ShapeError       (ValueError)         an array does not have the stated shape
    ├── WeightsError     (ValueError)         a weights file does not fit the network
    ├── ProjectError     (RuntimeError)       a project is not in the state that the command needs
    │   └── NothingToAsk                      every pixel of the pool is labelled or asked
    ├── StoreError       (RuntimeError)       the database cannot be read or written
    │   ├── StoreBusy                         another process holds the database
    │   ├── StoreFull                         the disk is full or may not be written
    │   ├── UnknownItem                       a region that nobody asked
    │   └── ReusedId                          an answer's id that another answer has
    ├── DiskError        (OSError)            a disk refuses a file: it is full, or no right to it
    ├── ClusterError     (RuntimeError)       a cluster cannot be reached, or was lost
    ├── KernelError      (RuntimeError)       the optional compiled kernel cannot be built or loaded
    ├── OutOfMemory      (MemoryError)        the work does not fit into this machine's memory
    └── TrainingFailed   (RuntimeError)       a training diverged and the rule allows no restart
"""

import difflib
import errno
from collections.abc import Iterable, Sequence
from typing import Final

_OF_DISKS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}
)


class AskmaskError(Exception):
    """Base class of every error that askmask raises on purpose."""


class ConfigError(AskmaskError, ValueError):
    """A setting is unknown, missing or out of range."""


class UnknownName(AskmaskError, ValueError):
    """A name was asked for that is not registered."""


class SourceError(AskmaskError, ValueError):
    """An image or a mask cannot be used as it is."""


class PrepareError(SourceError):
    """A data set has problems; all of them are listed.

    Parameters
    ----------
    problems : sequence of str
        One line per problem: the file, what is wrong, and the cure.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        noun = "problem" if len(self.problems) == 1 else "problems"
        listed = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} {noun}, nothing was written:\n{listed}")


class ExchangeError(SourceError):
    """A file of another program cannot be taken in; all its problems are listed.

    Parameters
    ----------
    problems : sequence of str
        One line per problem: what was expected, what came, and the cure.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class DownloadError(AskmaskError, OSError):
    """An archive could not be fetched whole."""


class ShapeError(AskmaskError, ValueError):
    """An array does not have the shape that the function states."""


class WeightsError(AskmaskError, ValueError):
    """A weights file does not fit the network."""


class ProjectError(AskmaskError, RuntimeError):
    """A project is not in the state that the command needs."""


class NothingToAsk(ProjectError):
    """Every pixel of the pool is labelled or asked."""


class StoreError(AskmaskError, RuntimeError):
    """The database cannot be read or written."""


class StoreBusy(StoreError):
    """Another process held the database for too long."""


class StoreFull(StoreError):
    """The disk is full, or may not be written."""


class UnknownItem(StoreError):
    """A region that nobody asked."""


class ReusedId(StoreError):
    """An answer came with the id of another answer."""


class DiskError(AskmaskError, OSError):
    """A disk refuses a file: it is full or failing, or there is no right to it."""


class ClusterError(AskmaskError, RuntimeError):
    """A cluster of workers cannot be reached, was lost, or has no worker that may be used."""


class KernelError(AskmaskError, RuntimeError):
    """The optional compiled kernel cannot be built or loaded."""


class OutOfMemory(AskmaskError, MemoryError):
    """The work does not fit into the memory that there is."""


class TrainingFailed(AskmaskError, RuntimeError):
    """A training diverged and the configured rule allows no further restart."""


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> UnknownName:
    """Build the error for a name that is not registered, with the nearest one that is.

    Parameters
    ----------
    kind : str
        What was looked up, as the user would say it, e.g. ``"acquisition function"``.
    name : str
        What came.
    choices : iterable of str
        Every registered name.
    """
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UnknownName(f"no {kind} {name!r}.{hint} Choose from: {', '.join(known)}.")


def disk_problem(error: OSError) -> DiskError | None:
    """Build the error that tells what a disk refused; None if it was something else.

    Parameters
    ----------
    error : OSError
        As the system raised it.
    """
    if isinstance(error, DiskError):
        return error
    what = "a file" if error.filename is None else repr(str(error.filename))
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return DiskError(
            f"expected to open {what}, but: {error.strerror}. Let this process open more "
            "(ulimit -n), or end others; then repeat it: what was finished before is kept."
        )
    if error.errno not in _OF_DISKS:
        return None
    return DiskError(
        f"expected to use {what}, but: {error.strerror}. Make room there or get the right to it, "
        "then repeat it: what was finished before is kept."
    )
