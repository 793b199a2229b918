"""Settings of the arithmetic: threads and device, set once in each process."""

import ctypes
import sys
from pathlib import Path
from typing import Final

import torch

from askmask.config import Config
from askmask.errors import ConfigError

_M_TRIM_THRESHOLD: Final = -1  # of mallopt(3)
_M_MMAP_MAX: Final = -4


def configure(config: Config) -> torch.device:
    """Set the number of threads of this process and name its device.

    Parameters
    ----------
    config : Config
        `threads` (None keeps PyTorch's choice) and `device` (``"auto"`` takes a GPU if there is
        one).

    Raises
    ------
    ConfigError
        If the config asks for CUDA and there is none.
    """
    keep_freed_memory()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "expected a CUDA device for device='cuda', found none. Set device: auto, or run "
            "`askmask doctor` to see what this machine can do."
        )
    if config.device != "cpu" and torch.cuda.is_available():
        torch.backends.cudnn.deterministic = True
        return torch.device("cuda")
    return torch.device("cpu")


def keep_freed_memory() -> bool:
    """Let this process use freed memory again instead of giving it back to the system.

    glibc returns every large block when it is freed, and the next pass pays for each of its pages
    anew: a tenth of a training step, and two thirds of a pass over one large tensor. The process
    keeps the memory of its largest moment until it ends.

    Returns
    -------
    bool
        Whether the C library took both settings; False where it is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(set_option(_M_TRIM_THRESHOLD, 2**31 - 1) and set_option(_M_MMAP_MAX, 0))


def use_bf16(precision: str, device: torch.device, cpu_flags: str | None = None) -> bool:
    """Whether passes run in bfloat16; ``"auto"`` says yes where the hardware computes in it.

    Parameters
    ----------
    precision : str
        ``"auto"``, ``"fp32"`` or ``"bf16"``.
    device : torch.device
        Where the model is.
    cpu_flags : str, optional
        The processor's features as in Linux's ``/proc/cpuinfo``, which is read if None.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if cpu_flags is None:
        cpuinfo = Path("/proc/cpuinfo")
        cpu_flags = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    return not {"amx_bf16", "avx512_bf16"}.isdisjoint(cpu_flags.split())
