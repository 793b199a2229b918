"""Too little memory: how it shows, what was needed, and what there was; in words for people."""

import errno
import re
import sys
from pathlib import Path
from typing import Final

from askmask.errors import AskmaskError, OutOfMemory

try:
    import resource
except ImportError:  # not on this system
    resource = None  # type: ignore[assignment]

_SIGNS: Final = (
    "not enough memory",  # torch, on the processor
    "can't allocate memory",
    "out of memory",  # torch, on a GPU
    "bad_alloc",
    "could not create a primitive",  # oneDNN, whose buffers found no room
    "can't start new thread",
    "returned NULL without setting an exception",  # Python, in the midst of an import
    "error return without exception set",  # Python again
    "failed to map segment",  # the system's loader
    "cannot allocate memory",
)
STARVED: Final = (MemoryError, RuntimeError, SystemError, ImportError)
"""What Python, NumPy, torch and the loader of libraries raise, among other reasons for this one."""

_OF_WEBP: Final = "encoding error 1"
"""All that Pillow says of libwebp's VP8_ENC_ERROR_OUT_OF_MEMORY, in a ValueError."""
_BYTES: Final = re.compile(r"tried to allocate (\d+) bytes")
_UNITS: Final = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_AMOUNT: Final = r"([\d.]+) (KiB|MiB|GiB|TiB)"
_NEEDED: Final = re.compile(rf"(?:[Tt]ried to allocate|Unable to allocate) {_AMOUNT}")
_FREE_ON_GPU: Final = re.compile(rf"of which {_AMOUNT} is free")
_CGROUP: Final = Path("/sys/fs/cgroup")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of Python, NumPy or torch means that there is too little memory."""
    if isinstance(error, AskmaskError):  # it is told already, whatever its words
        return isinstance(error, OutOfMemory)
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, ValueError):
        return str(error) == _OF_WEBP
    is_sign = isinstance(error, STARVED) and any(sign in str(error) for sign in _SIGNS)
    return is_sign or isinstance(error, MemoryError)


def memory_problem(error: BaseException, work: str, cure: str) -> OutOfMemory | None:
    """Build the error that tells what did not fit; None if the exception means something else.

    Parameters
    ----------
    error : exception
        As Python, NumPy or torch raised it.
    work : str
        What needed the memory, as in "expected memory for ...".
    cure : str
        What to lower, a sentence.
    """
    if isinstance(error, OutOfMemory):
        return error
    if not is_out_of_memory(error):
        return None
    needed = needed_bytes(error)
    asked = "more memory" if needed is None else f"{_words(needed)} more memory"
    free = _free_on_gpu(error)
    free = free_bytes() if free is None else free
    there = "there was none" if free is None else f"{_words(free)} were free"
    return OutOfMemory(f"expected {asked} for {work}, but {there}. {cure}")


def needed_bytes(error: BaseException) -> int | None:
    """How much could not be had in one piece; None if the message does not say."""
    exact = _BYTES.search(str(error))
    return int(exact.group(1)) if exact else _amount(_NEEDED.search(str(error)))


def free_bytes() -> int | None:
    """What this process could still have: of the machine, its group and its own limit."""
    found = [_of_machine(), _of_group(), _of_limit()]
    return min((free for free in found if free is not None), default=None)


def peak_bytes() -> int | None:
    """Most memory that this process has held so far; None where the system does not tell."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _free_on_gpu(error: BaseException) -> int | None:
    return _amount(_FREE_ON_GPU.search(str(error)))


def _amount(found: re.Match[str] | None) -> int | None:
    return None if found is None else round(float(found.group(1)) * _UNITS[found.group(2)])


def _of_machine() -> int | None:
    text = _read(Path("/proc/meminfo"))
    found = re.search(r"MemAvailable:\s+(\d+) kB", text)
    return None if found is None else int(found.group(1)) * 1024


def _of_group() -> int | None:
    """What is left of a container's memory."""
    limit, used = (_read(_CGROUP / f"memory.{name}").strip() for name in ("max", "current"))
    return max(0, int(limit) - int(used)) if limit.isdigit() and used.isdigit() else None


def _of_limit() -> int | None:
    """What is left of the address space, where that is limited (``ulimit -v``)."""
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    found = re.search(r"VmSize:\s+(\d+) kB", _read(Path("/proc/self/status")))
    if limit == resource.RLIM_INFINITY or found is None:
        return None
    return max(0, limit - int(found.group(1)) * 1024)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _words(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.0f} MiB"
