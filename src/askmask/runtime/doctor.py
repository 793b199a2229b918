"""What this machine can do for askmask: measured or read from the system, never guessed."""

import os
import platform
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import torch
from torch.nn import functional

from askmask.runtime.kernel import kernel_path, load_kernel

PACKAGES = (
    "askmask",
    "torch",
    "numpy",
    "scipy",
    "pillow",
    "tifffile",
    "imagecodecs",
    "safetensors",
    "timm",
    "onnxruntime",
)
EXTRAS = ("web", "pretrained", "codecs", "slides", "models", "assist", "cluster", "testing")
"""Extras for people who use askmask, as far as its version offers them."""
ABSENT = "not installed"
_CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Facts about a machine.

    Attributes
    ----------
    cores, threads : int
        Processors this process may use, and PyTorch's threads.
    cpu_flags : tuple of str
        Which of AVX2, AVX-512, AVX-512 bf16 and AMX bf16 the processor has.
    gflops_fp32, gflops_bf16 : float
        Measured rate of a 3x3 convolution, 256 channels at 32x48, channels last.
    bf16_pays : bool
        Whether bf16 was at least 1.2 times as fast here.
    kernel : str or None
        File of the compiled kernel, if it was built and is not switched off.
    gpu : str or None
        Name of the first CUDA device.
    memory_total_gib, memory_available_gib, disk_free_gib : float
        Memory is NaN where the system does not tell.
    weights : str or None
        The weights file asked about, if it exists.
    extras : dict of str to str
        For each extra of askmask ``"installed"``, or the command that installs what is missing.
    versions : dict of str to str
        Of Python and the packages; ``"not installed"`` where absent.
    """

    cores: int
    threads: int
    cpu_flags: tuple[str, ...]
    gflops_fp32: float
    gflops_bf16: float
    bf16_pays: bool
    kernel: str | None
    gpu: str | None
    memory_total_gib: float
    memory_available_gib: float
    disk_free_gib: float
    weights: str | None
    extras: dict[str, str]
    versions: dict[str, str]

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)


def diagnose(weights: Path | None = None, folder: Path | None = None) -> Diagnosis:
    """Examine this machine; takes about two seconds, most of it measuring convolutions.

    Parameters
    ----------
    weights : Path, optional
        Weights file to look for.
    folder : Path, optional
        Whose disk to look at; by default the working directory.
    """
    gflops_fp32 = _convolution_gflops(torch.float32)
    gflops_bf16 = _convolution_gflops(torch.bfloat16)
    total, available = _memory_gib()
    return Diagnosis(
        cores=len(os.sched_getaffinity(0)),
        threads=torch.get_num_threads(),
        cpu_flags=_cpu_flags(),
        gflops_fp32=gflops_fp32,
        gflops_bf16=gflops_bf16,
        bf16_pays=gflops_bf16 > 1.2 * gflops_fp32,
        kernel=str(kernel_path()) if load_kernel() is not None else None,
        gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        memory_total_gib=total,
        memory_available_gib=available,
        disk_free_gib=shutil.disk_usage(folder or Path.cwd()).free / 2**30,
        weights=str(weights) if weights is not None and weights.is_file() else None,
        extras=extras(),
        versions={"python": platform.python_version()} | {p: package_version(p) for p in PACKAGES},
    )


def _convolution_gflops(dtype: torch.dtype) -> float:
    """Best rate of several runs of one convolution."""
    images = torch.ones(1, 256, 32, 48).to(dtype, memory_format=torch.channels_last)
    kernel = torch.ones(256, 256, 3, 3).to(dtype, memory_format=torch.channels_last)
    operations = 2 * 256 * 256 * 9 * 32 * 48
    with torch.inference_mode():
        seconds = _best_seconds(lambda: functional.conv2d(images, kernel, padding=1))
    return operations / seconds / 1e9


def _best_seconds(run: Callable[[], object], budget_seconds: float = 0.5) -> float:
    run()
    best = float("inf")
    end = time.perf_counter() + budget_seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return best


def _cpu_flags() -> tuple[str, ...]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return ()
    words = set(path.read_text(encoding="utf-8").split())
    return tuple(flag for flag in _CPU_FLAGS if flag in words)


def _memory_gib() -> tuple[float, float]:
    path = Path("/proc/meminfo")
    if not path.is_file():
        return float("nan"), float("nan")
    lines = dict(line.split(":", 1) for line in path.read_text(encoding="utf-8").splitlines())
    kibibytes = [int(lines[key].split()[0]) for key in ("MemTotal", "MemAvailable")]
    return kibibytes[0] / 2**20, kibibytes[1] / 2**20


def extras() -> dict[str, str]:
    """Whether each extra for users is installed, or the command that brings what it lacks.

    Empty where askmask itself is not installed, as in a checkout that was only put on the path.
    """
    try:
        offered = metadata("askmask").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return {}
    return {name: _state_of(name) for name in EXTRAS if name in offered}


def _state_of(extra: str) -> str:
    missing = [name for name in packages_of(extra) if package_version(name) == ABSENT]
    if not missing:
        return "installed"
    return f"pip install 'askmask[{extra}]' (missing: {', '.join(missing)})"


def packages_of(extra: str) -> list[str]:
    """Names of the packages that an extra requires, as the installed askmask declares them."""
    marked = re.compile(rf"extra == ['\"]{re.escape(extra)}['\"]")
    lines = [line for line in requires("askmask") or () if marked.search(line)]
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines]


def package_version(package: str) -> str:
    """Version of an installed package, or that there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ABSENT
